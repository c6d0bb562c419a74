#include "pg/parallel/parallel_load.h"

extern "C" {
#include "postgres.h"

#include "access/xact.h"
}

#include <algorithm>
#include <vector>

#include "core/base/cell.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/range/parallel_read.h"
#include "core/table/target_files.h"
#include "pg/rows/load.h"
#include "pg/run/run_workers.h"
#include "pg/server/airlock.h"
#include "pg/target/plain_table.h"

namespace tablesync::pg {
namespace {

// ---- obstacles -----------------------------------------------------------------------------------------

// Like ParallelLoad::obstacle(). `ranges`: how the rows are split.
std::string obstacle(TablePair &pair, bool by_field, std::vector<BlockRange> &ranges) {
  const SyncSpec &spec = pair.spec;
  const Table &source = pair.source_table;
  if (!spec.custom_select.empty()) return "custom_select is one query";
  if (source.kind != 'r' && source.kind != 'p') return "it is not a table";
  if (by_field) return "rows above the watermark of incremental_field are found by its index";
  if (pair.source->server_version() < 140000)
    return "a server before version 14 cannot read ranges of blocks";
  if (pair.plan.converts()) return "columns are converted after they have arrived";
  if (pair.target_is_new && !pair.target_is_plain())
    return "a new table in the schema of the target cannot be filled directly";
  if (!may_make_hidden_table(spec))
    return "the role may not create the table that the workers would fill: GRANT CREATE ON SCHEMA " +
           display_name(spec.target.schema);
  if (pair.target_is_new && is_name_decoded(spec.target.schema))
    return "the table that the workers would fill has a name that its subscribers do not know";
  const SourceFiles files = pair.source->files();
  if (!files.in_blocks) return "its rows, or those of a partition, are not stored in blocks";
  if (files.in_recovery && !shares_standby_snapshots(pair.source->server_version()))
    return "version " + pair.source->server_version_text() + " cannot share the snapshot of a standby safely";
  ranges = split_blocks(files.blocks, spec.parallel_workers);
  return ranges.size() < 2 ? "it is small" : "";
}

unsigned int oid_of(const Table &table) { return as_oid(table.oid); }

}  // namespace

std::string ParallelLoad::obstacle(TablePair &pair, bool by_field) {
  std::vector<BlockRange> ranges;
  return pg::obstacle(pair, by_field, ranges);
}

std::unique_ptr<ParallelLoad> ParallelLoad::prepare(TablePair &pair, const SourceRows &rows, bool by_field) {
  if (pair.spec.parallel_workers <= 1) return nullptr;
  std::vector<BlockRange> ranges;
  if (const std::string why = pg::obstacle(pair, by_field, ranges); !why.empty()) {
    notice(pair.spec, "the source is read by one worker, because " + why);
    return nullptr;
  }
  std::unique_ptr<ParallelLoad> load(new ParallelLoad);
  load->rows_ = rows;
  load->plan_ = pair.target_is_new ? pair.plan : pair.plan.staged();
  load->makes_target_ = pair.target_is_new;
  load->target_was_empty_ = pair.target_is_empty;
  load->target_oid_ = pair.target_table.oid;
  load->target_files_ = pair.files_of_target();
  load->hidden_ = pair.target_is_new ? hide_target(pair.run_id, pair.spec, oid_of(pair.target_table))
                                     : make_hidden_stage(pair.run_id, pair.spec, load->plan_);
  // Readers of the hidden table would see no rows: an extension may own all tables that are created in this
  // schema.
  if (!load->makes_target_ && !is_plain_table(load->hidden_.name)) {
    drop_hidden_table(load->hidden_);
    notice(
        pair.spec,
        "the source is read by one worker, because a new table in the schema of the target cannot be filled "
        "directly");
    return nullptr;
  }
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
  task.table = load->hidden_;
  for (const ColumnPlan &column : load->plan_.columns) task.columns.push_back(column.name);
  for (const BlockRange &range : ranges)
    task.statements.push_back(copy_out(rows_in(rows, range), load->plan_));
  return load;
}

void ParallelLoad::run(TablePair &pair) {
  hold_again(hidden_, HeldFor::writing);
  const int wanted = std::min(pair.spec.parallel_workers, static_cast<int>(task_.statements.size()));
  SharedLoad *const shared = SharedLoad::create(wanted, task_.shared);
  const auto loader = [&](int n) {
    return WorkerTask{"tablesync_load_worker",
                      "pg_tablesync load " + std::to_string(n + 1) + " of " + describe_spec(pair.spec),
                      display_name(pair.spec.target.name), serialize(task_), "pg_tablesync loader"};
  };
  const std::optional<RunCounts> done =
      run_workers(pair.spec, pair.steps, wanted, loader, [&](int count) { shared->loaders = count; });
  SharedLoad::detach(task_.shared);
  if (done)
    pair.counts += *done;
  else
    read_alone(pair);
}

void ParallelLoad::read_alone(TablePair &pair) {
  const std::unique_ptr<RowSource> stream = pair.source->rows(rows_, plan_);
  const std::int64_t stored =
      load(*stream, hidden_.name, plan_, true, pair.spec.max_rate, pair.steps.progress());
  if (stored != stream->rows())
    throw Error(sqlstate::protocol_violation,
                "received " + with_commas(stream->rows()) + " rows, but stored " + with_commas(stored));
  pair.counts.read = stream->rows();
  pair.counts.bytes = stream->bytes();
}

void ParallelLoad::check_unchanged(const TablePair &pair) const {
  const auto same = [](const ColumnPlan &a, const ColumnPlan &b) {
    return a.name == b.name && a.read == b.read && a.target_type == b.target_type && a.convert == b.convert;
  };
  const SyncPlan plan = makes_target_ ? pair.plan : pair.plan.staged();
  const bool shape = plan_.columns.size() == plan.columns.size() &&
                     std::equal(plan_.columns.begin(), plan_.columns.end(), plan.columns.begin(), same) &&
                     plan_.key == plan.key;
  const bool content = (makes_target_ || (pair.target_table.oid == target_oid_ &&
                                          !was_rewritten(target_files_, pair.files_of_target()))) &&
                       pair.target_is_empty == target_was_empty_;
  if (!shape || !content)
    throw Error("40001",
                "\"" + display_name(pair.spec.target) + "\" was altered, emptied or replaced during the sync",
                "The source was read to fill the table as it was before.", "Run it again.");
}

}  // namespace tablesync::pg
