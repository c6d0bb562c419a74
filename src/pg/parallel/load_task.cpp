#include "pg/parallel/load_task.h"

#include "core/base/record.h"
#include "pg/server/airlock.h"
#include "pg/worker/shared_run.h"

namespace tablesync::pg {
namespace {

// A task as it is serialized.
struct LoadRequest {
  std::string spec;
  LoadTask task;

  template <typename Record, typename Visitor>
  static void each_column(Record &request, Visitor &&column) {
    auto &task = request.task;
    column("spec", request.spec);
    column("shared", task.shared);
    column("snapshot", task.snapshot);
    column("system_identifier", task.system_identifier);
    column("database_oid", task.database_oid);
    column("relation_oid", task.relation_oid);
    column("snapshot_xmin", task.snapshot_xmin);
    column("table_oid", task.table.oid);
    column("table_schema", task.table.name.schema);
    column("table_name", task.table.name.name);
    column("table_owner", task.table.owner);
    column("columns", task.columns);
    column("statements", task.statements);
  }
};

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
  if (segment == nullptr) throw Error(sqlstate::internal, "the run of this loader has ended");
  return static_cast<SharedLoad *>(dsm_segment_address(segment));
}

void SharedLoad::detach(dsm_handle handle) {
  call([&] { dsm_detach(dsm_find_mapping(handle)); });
}

std::string serialize(const LoadTask &task) {
  return serialize(encode(LoadRequest{serialize(task.spec), task}));
}

LoadTask deserialize_load_task(std::string_view bytes) {
  LoadRequest request = decode<LoadRequest>(deserialize_row(bytes));
  request.task.spec = deserialize_sync_spec(request.spec);
  return request.task;
}

}  // namespace tablesync::pg
