#include "pg/sync/several_copiers.h"

#include <cstdlib>

#include "core/rate.h"
#include "pg/server/shared_run.h"
#include "pg/sync/run_workers.h"

namespace tablesync::pg {

std::optional<RunCounts> copy_by_several(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps,
                                         int wanted) {
  SyncSpec part = spec;
  part.max_rate = part_of(spec.max_rate, wanted);
  const std::string request = serialize(Row{serialize(part), std::to_string(run_id)});
  const auto copier = [&](int n) {
    return WorkerTask{"tablesync_chunk_worker",
                      "pg_tablesync chunks " + std::to_string(n + 1) + " of " + describe_spec(spec),
                      display_name(spec.target.name), request, "pg_tablesync loader"};
  };
  const std::optional<RunCounts> done = run_workers(spec, steps, wanted, copier, [&](int count) {
    if (count > 0) steps.enter(Phase::copy);
  });
  if (done) steps.fold("chunks");
  return done;
}

std::pair<SyncSpec, std::int64_t> deserialize_copier_task(std::string_view bytes) {
  const Row row = deserialize_row(bytes);
  return {deserialize_sync_spec(text_of(row.at(0))), std::strtoll(text_of(row.at(1)).c_str(), nullptr, 10)};
}

}  // namespace tablesync::pg
