#include "pg/sync/several_copiers.h"

#include <cstdlib>

#include "core/rate.h"
#include "pg/server/airlock.h"
#include "pg/server/launched_group.h"
#include "pg/sync/parallel_load.h"

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
  LaunchedGroup copiers;
  copiers.start(wanted, copier);
  if (copiers.count() < wanted) tell_missing_workers(spec, copiers.count(), wanted);
  if (copiers.count() == 0) return std::nullopt;
  steps.enter(Phase::copy);
  RunCounts counts;
  on_failure(
      [&] {
        for (const Row &reply : copiers.wait(steps.progress())) counts += counts_of(reply);
      },
      [&]() noexcept { copiers.end(); });
  steps.fold("chunks");
  return counts;
}

std::pair<SyncSpec, std::int64_t> deserialize_copier_task(std::string_view bytes) {
  const Row row = deserialize_row(bytes);
  return {deserialize_sync_spec(text_of(row.at(0))), std::strtoll(text_of(row.at(1)).c_str(), nullptr, 10)};
}

}  // namespace tablesync::pg
