#include "pg/sync/parallel_load.h"

extern "C" {
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
}

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <vector>

#include "core/error.h"
#include "core/parallel_read.h"
#include "core/text.h"
#include "pg/server/airlock.h"
#include "pg/server/launched.h"
#include "pg/sync/load.h"
#include "remote/copy.h"

namespace tablesync::pg {
namespace {

// ---- the loaders ---------------------------------------------------------------------------------------

class Loaders {
 public:
  // Starts as many as there are slots for, and no more than wanted.
  void start(const LoadTask &task, int wanted);
  bool empty() const { return loaders_.empty(); }
  int count() const { return static_cast<int>(loaders_.size()); }
  // Waits until all have ended well; their counts are added to `counts`. Throws the first error.
  void wait(Progress &progress, RunCounts &counts);
  // Ends all at once; then each is waited for.
  void end() noexcept;

 private:
  void wait_loop(Progress &progress);
  bool look(Launched &loader);
  static void end_at_exit(int, Datum loaders);

  std::deque<Launched> loaders_;  // they stay where they are
};

void Loaders::start(const LoadTask &task, int wanted) {
  try {
    while (count() < wanted)
      loaders_.emplace_back(
          WorkerTask{"tablesync_load_worker",
                     "pg_tablesync load " + std::to_string(count() + 1) + " of " + describe_spec(task.spec),
                     display_name(task.spec.target.name), serialize(task), "pg_tablesync loader"},
          true);
  } catch (const Error &error) {
    // No free slot. What the server itself raised has broken the transaction.
    const bool raised_here = dynamic_cast<const ServerError *>(&error) != nullptr;
    if (!raised_here && error.diagnostics().sqlstate == sqlstate::out_of_resources) return;
    end();
    throw;
  }
}

// Whether the loader goes on. Throws its error.
bool Loaders::look(Launched &loader) {
  const bool open = loader.take_messages();
  if (loader.error()) {
    if (loader.run().may_pass) throw remote::ConnectError(*loader.error(), remote::ConnectStep::login, true);
    throw Error(*loader.error());
  }
  if (open || !loader.stopped()) return true;
  if (!loader.run().replied)
    throw Error(sqlstate::internal, "a loader ended without an answer", {}, "The server's log says why.");
  return false;
}

void Loaders::wait_loop(Progress &progress) {
  const std::uint64_t bytes_before = progress.bytes;
  for (;;) {
    bool going = false;
    std::uint64_t rows = 0, bytes = 0;
    std::int64_t memory = 0;
    for (Launched &loader : loaders_) {
      going = look(loader) || going;
      const Progress &told = loader.run().progress;
      rows += told.rows;
      bytes += told.bytes;
      memory = std::max<std::int64_t>(memory, told.memory_bytes);
    }
    progress.rows = rows;
    progress.bytes = bytes_before + bytes;
    progress.memory_bytes = memory;
    if (!going) return;
    call([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
  }
}

void Loaders::end() noexcept {
  for (Launched &loader : loaders_) loader.terminate();
  for (Launched &loader : loaders_) loader.end();
}

void Loaders::end_at_exit(int, Datum loaders) {
  for (Launched &loader : reinterpret_cast<Loaders *>(DatumGetPointer(loaders))->loaders_) loader.terminate();
}

void Loaders::wait(Progress &progress, RunCounts &counts) {
  Datum const self = PointerGetDatum(this);
  // An ERROR ends the loaders by the caller's clean-up; a FATAL one leaves by the exit callback alone.
  call([&] { before_shmem_exit(end_at_exit, self); });
  const auto forget = [&]() noexcept { cancel_before_shmem_exit(end_at_exit, self); };
  on_failure([&] { wait_loop(progress); }, forget);
  forget();
  for (Launched &loader : loaders_) {
    const Row reply = deserialize_row({loader.run().reply, loader.run().reply_size});
    counts.read += std::strtoll(text_of(reply.at(0)).c_str(), nullptr, 10);
    counts.bytes += std::strtoll(text_of(reply.at(1)).c_str(), nullptr, 10);
    loader.close();
  }
}

// ---- whether it can be done ----------------------------------------------------------------------------

// What keeps the rows from being read by several; empty where nothing does. `ranges`: how they are split.
std::string obstacle(TablePair &pair, bool by_field, std::vector<BlockRange> &ranges) {
  const SyncSpec &spec = pair.spec;
  const Table &source = pair.source_table;
  if (!spec.custom_select.empty()) return "custom_select is one query";
  if (source.kind != 'r' && source.kind != 'p') return "it is not a table";
  if (by_field) return "rows above the watermark of incremental_field are found by its index";
  if (pair.source->connection().server_version() < 140000)
    return "a server before version 14 cannot read ranges of blocks";
  if (pair.plan.converts()) return "columns are converted after they have arrived";
  if (!may_make_hidden_table(spec))
    return "the role may not create the table that several would fill: GRANT CREATE ON SCHEMA " +
           display_name(spec.target.schema);
  const remote::Source::Files files = pair.source->files();
  if (!files.in_blocks) return "its rows, or those of a partition, are not stored in blocks";
  if (files.in_recovery && !shares_standby_snapshots(pair.source->connection().server_version()))
    return "version " + pair.source->connection().server_version_text() +
           " cannot share the snapshot of a standby safely";
  ranges = split_blocks(files.blocks, spec.parallel_workers);
  return ranges.size() < 2 ? "it is small" : "";
}

}  // namespace

std::string ParallelLoad::obstacle(TablePair &pair, bool by_field) {
  std::vector<BlockRange> ranges;
  return pg::obstacle(pair, by_field, ranges);
}

std::unique_ptr<ParallelLoad> ParallelLoad::prepare(TablePair &pair, const SourceRows &rows, bool by_field) {
  if (pair.spec.parallel_workers <= 1) return nullptr;
  std::vector<BlockRange> ranges;
  if (const std::string why = pg::obstacle(pair, by_field, ranges); !why.empty()) {
    tell(pair.spec, "the source is read by one worker, since " + why);
    return nullptr;
  }
  std::unique_ptr<ParallelLoad> load(new ParallelLoad);
  load->rows_ = rows;
  load->plan_ = pair.plan;
  load->makes_target_ = pair.target_is_new;
  load->target_was_empty_ = pair.target_is_empty;
  load->target_oid_ = pair.target.oid;
  load->hidden_ = pair.target_is_new ? hide_target(pair.run_id, pair.spec, pair.target.oid)
                                     : make_hidden_stage(pair.run_id, pair.spec, pair.plan);
  if (load->makes_target_)
    load->first_xid_ = U64FromFullTransactionId(call([] { return GetTopFullTransactionId(); }));

  const Table &source = pair.source->table();
  LoadTask &task = load->task_;
  task.spec = pair.spec;
  task.snapshot = pair.source->export_snapshot();
  task.system_identifier = source.system_identifier;
  task.database_oid = source.database_oid;
  task.relation_oid = source.oid;
  task.snapshot_xmin = pair.source->position().xmin;
  task.table = load->hidden_.name;
  for (const ColumnPlan &column : pair.plan.columns) task.columns.push_back(column.name);
  for (const BlockRange &range : ranges) task.statements.push_back(copy_out(rows_in(rows, range), pair.plan));
  return load;
}

void ParallelLoad::run(TablePair &pair) {
  const int wanted = std::min(pair.spec.parallel_workers, static_cast<int>(task_.statements.size()));
  SharedLoad *const shared = SharedLoad::create(wanted, task_.shared);
  Loaders loaders;
  loaders.start(task_, wanted);
  const std::string hint = "Raise max_worker_processes (" + std::to_string(max_worker_processes) +
                           "; needs a restart), or wait until other workers have ended.";
  if (loaders.empty()) {
    tell(pair.spec, "the source is read by one worker, since there is no free slot for another", {}, hint);
    SharedLoad::detach(task_.shared);
    return read_alone(pair);
  }
  shared->loaders = loaders.count();
  on_failure(
      [&] {
        if (loaders.count() < wanted)
          tell(pair.spec,
               "the source is read by " + std::to_string(loaders.count()) + " instead of " +
                   std::to_string(wanted) + " workers, since there are no more free slots",
               {}, hint);
        loaders.wait(pair.steps.progress(), pair.counts);
      },
      [&]() noexcept { loaders.end(); });
  SharedLoad::detach(task_.shared);
}

void ParallelLoad::read_alone(TablePair &pair) {
  remote::CopyOut stream(pair.source->connection(), copy_out(rows_, plan_));
  const std::int64_t stored =
      load(stream, hidden_.name, plan_, true, pair.spec.max_rate, pair.steps.progress());
  if (stored != stream.rows())
    throw Error(sqlstate::protocol_violation,
                "received " + with_commas(stream.rows()) + " rows, but stored " + with_commas(stored));
  pair.counts.read = stream.rows();
  pair.counts.bytes = stream.bytes();
}

void ParallelLoad::check_unchanged(const TablePair &pair) const {
  const auto same = [](const ColumnPlan &a, const ColumnPlan &b) {
    return a.name == b.name && a.read == b.read && a.target_type == b.target_type && a.convert == b.convert;
  };
  const bool shape =
      plan_.columns.size() == pair.plan.columns.size() &&
      std::equal(plan_.columns.begin(), plan_.columns.end(), pair.plan.columns.begin(), same) &&
      plan_.key == pair.plan.key;
  const bool content =
      (makes_target_ || pair.target.oid == target_oid_) && pair.target_is_empty == target_was_empty_;
  if (!shape || !content)
    throw Error("40001",
                "\"" + display_name(pair.spec.target) + "\" was altered, emptied or replaced during the sync",
                "The source was read for the table that it was.", "Run it again.");
}

}  // namespace tablesync::pg
