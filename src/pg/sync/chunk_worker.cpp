// One of several workers that copy the chunks of a run.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "pgstat.h"
}

#include <string>

#include "core/error.h"
#include "pg/server/airlock.h"
#include "pg/server/shared_run.h"
#include "pg/server/transaction.h"
#include "pg/server/worker.h"
#include "pg/sync/chunk_copier.h"
#include "pg/sync/run_failure.h"
#include "pg/sync/run_settings.h"
#include "pg/sync/several_copiers.h"

namespace tablesync::pg {
namespace {

// serialization_failure: the run begins again.
constexpr char changed[] = "40001";

class ChunkWorker {
 public:
  ChunkWorker(const SyncSpec &spec, std::int64_t run_id, Progress &progress)
      : spec_(spec),
        run_id_(run_id),
        steps_(progress),
        sync_(spec, run_id, steps_),
        copier_(spec, steps_, sync_, true) {}

  // Copies chunk after chunk, until all are handed out or too many have failed.
  RunCounts copy_all() {
    RunCounts all;
    bool more = true;
    for (int attempt = 1; more && copier_.failed() < most_failed_chunks;) {
      try {
        in_transaction([&] { more = step(); });
        all += copier_.counts();
        if (!copier_.in_chunk()) attempt = 1;
      } catch (const Error &error) {
        if (absorb(error.diagnostics())) continue;
        if (attempt > spec_.max_retries || !may_pass(error) || error.diagnostics().sqlstate == changed) throw;
        wait_for_next_attempt(spec_, run_id_, steps_, attempt++, error.diagnostics(),
                              "What is committed stays");
      }
    }
    return all;
  }

 private:
  bool step() {
    steps_.enter(Phase::describe);
    if (const std::string why = copier_.open(); !why.empty())
      throw Error(changed, "the source of \"" + display_name(spec_.target) + "\" was changed during the sync",
                  "What was read does not go together with the rest: " + why + ".");
    if (!copier_.in_chunk()) return copier_.claim();
    copier_.copy();
    return true;
  }

  bool absorb(const Diagnostics &said) {
    return absorbed(
        said, [&](const Diagnostics &error, bool by_source) { return copier_.absorb(error, by_source); });
  }

  const SyncSpec &spec_;
  std::int64_t run_id_;
  RunSteps steps_;
  TableSync sync_;
  ChunkCopier copier_;
};

Row copy_chunks(SharedRun &run, std::string_view request) {
  const auto [spec, run_id] = deserialize_copier_task(request);
  const std::string activity = "chunks of " + describe_spec(spec);
  call([&] { pgstat_report_activity(STATE_RUNNING, activity.c_str()); });
  try {
    in_transaction([&] { apply_settings(spec); });
    return row_of(ChunkWorker(spec, run_id, run.progress).copy_all());
  } catch (const Error &error) {
    end_worker(run, error);
  }
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

// The entry of such a worker's process.
PGDLLEXPORT void tablesync_chunk_worker(Datum argument);

void tablesync_chunk_worker(Datum argument) {
  using namespace tablesync;
  pg::enter([=] { pg::worker_main(argument, pg::copy_chunks); });
}
}
