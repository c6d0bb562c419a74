#include "pg/sync/load_task.h"

#include <cstdlib>

#include "pg/server/airlock.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {
namespace {

Row row_of(const std::vector<std::string> &texts) { return {texts.begin(), texts.end()}; }

std::vector<std::string> texts_of(const Row &row) {
  std::vector<std::string> texts;
  for (const Cell &cell : row) texts.push_back(text_of(cell));
  return texts;
}

}  // namespace

SharedLoad *SharedLoad::create(int loaders, dsm_handle &handle) {
  dsm_segment *const segment = call([] { return dsm_create(sizeof(SharedLoad), 0); });
  handle = dsm_segment_handle(segment);
  auto *load = new (dsm_segment_address(segment)) SharedLoad{};
  load->loaders = loaders;
  return load;
}

SharedLoad *SharedLoad::attach(dsm_handle handle) {
  dsm_segment *const segment = call([&] { return dsm_attach(handle); });
  if (segment == nullptr) throw Error(sqlstate::internal, "the run of this loader is gone");
  return static_cast<SharedLoad *>(dsm_segment_address(segment));
}

void SharedLoad::detach(dsm_handle handle) {
  call([&] { dsm_detach(dsm_find_mapping(handle)); });
}

std::string serialize(const LoadTask &task) {
  return serialize(Row{serialize(task.spec), std::to_string(task.shared), task.snapshot,
                       task.system_identifier, task.database_oid, task.relation_oid,
                       std::to_string(task.snapshot_xmin), std::to_string(task.table.oid),
                       task.table.name.schema, task.table.name.name, std::to_string(task.table.owner),
                       serialize(row_of(task.columns)), serialize(row_of(task.statements))});
}

LoadTask deserialize_load_task(std::string_view bytes) {
  const std::vector<std::string> texts = texts_of(deserialize_row(bytes));
  size_t n = 0;
  const auto next = [&] { return texts.at(n++); };
  LoadTask task;
  task.spec = deserialize_sync_spec(next());
  task.shared = static_cast<dsm_handle>(std::strtoul(next().c_str(), nullptr, 10));
  task.snapshot = next();
  task.system_identifier = next();
  task.database_oid = next();
  task.relation_oid = next();
  task.snapshot_xmin = std::strtoull(next().c_str(), nullptr, 10);
  task.table.oid = static_cast<unsigned int>(std::strtoul(next().c_str(), nullptr, 10));
  task.table.name.schema = next();
  task.table.name.name = next();
  task.table.owner = static_cast<unsigned int>(std::strtoul(next().c_str(), nullptr, 10));
  task.columns = texts_of(deserialize_row(next()));
  task.statements = texts_of(deserialize_row(next()));
  return task;
}

}  // namespace tablesync::pg
