#include "pg/sync/several_copiers.h"

#include <cstdlib>

#include "core/rate.h"
#include "pg/server/shared_run.h"

namespace tablesync::pg {

WorkerTask copier_task(const SyncSpec &spec, std::int64_t run_id, int n, int wanted) {
  SyncSpec part = spec;
  part.max_rate = part_of(spec.max_rate, wanted);
  return {"tablesync_chunk_worker",
          "pg_tablesync chunks " + std::to_string(n + 1) + " of " + describe_spec(spec),
          display_name(spec.target.name), serialize(Row{serialize(part), std::to_string(run_id)}),
          "pg_tablesync loader"};
}

std::pair<SyncSpec, std::int64_t> deserialize_copier_task(std::string_view bytes) {
  const Row row = deserialize_row(bytes);
  return {deserialize_sync_spec(text_of(row.at(0))), std::strtoll(text_of(row.at(1)).c_str(), nullptr, 10)};
}

}  // namespace tablesync::pg
