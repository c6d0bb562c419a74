#include "pg/pair/table_pair.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "core/table/conversion.h"
#include "core/table/target_files.h"
#include "pg/pair/field_bounds.h"
#include "pg/record/watermark_record.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/spi.h"
#include "pg/source/make_source.h"
#include "pg/source/source_guard.h"
#include "pg/target/apply.h"
#include "pg/target/convert.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {

void TablePair::open(bool may_create) {
  counts = {};
  connect();
  if (source) wait_for_source(*source, spec, steps);
  // Before the source's transaction begins, because that one must not stay open while this waits for a lock.
  const unsigned int oid = hold();
  open_source();
  choose_all_rows();
  match_target(oid, may_create);
}

// The target, held until the end of the transaction; 0 where there is none.
unsigned int TablePair::hold() {
  const unsigned int oid = target->hold(spec);
  if (opened_ != 0 && oid != opened_)
    throw Error("40001",
                "table \"" + display_name(spec.target) + "\" was " +
                    (oid == 0 ? "dropped or renamed" : "replaced by another one") + " during the run",
                {}, "Run it again.");
  return oid;
}

void TablePair::open_target_again() { match_target(hold(), false); }

void TablePair::match_target(unsigned int oid, bool may_create) {
  open_target(oid, may_create);
  adapt_target();
  // A run that only compares needs no index on the key.
  make_plan(spec.primary_key, target_is_new || !spec.writes() || (checkpoint && checkpoint->key_pending));
  refuse_unknown_content();
}

void TablePair::make_plan(const std::vector<std::string> &key, bool key_is_pending) {
  plan = plan_sync(source_table, target_table, key, key_is_pending, spec.empty_string_as_null);
  if (plan.keyed()) plan.mark = mark_;
}

// Each opening finds the same again.
void TablePair::notice_once(const std::string &text) {
  if (noticed_.insert(text).second) notice(spec, text);
}

void TablePair::connect() {
  if (spec.server.empty()) return;
  const bool first = !source;
  if (first) {
    source = make_source(host_, spec.server, spec.memory_limit_mb);
    fault_point(FaultPoint::source_connected);
  }
  wait_for_source(*source, spec, steps);
  if (first) source->find(sql_name(spec.source));
}

UserSql TablePair::user_sql() const {
  return {trimmed_query(spec.custom_select), spec.custom_where, trimmed_query(spec.custom_count),
          spec.time_zone};
}

void TablePair::open_source() {
  if (!source) {
    source_table = describe_readable(sql_name(spec.source));
    return;
  }
  if (spec.mode == SyncMode::incremental) {
    horizon = source->horizon(assumed_transaction_ms(spec), spec.time_zone);
    fault_point(FaultPoint::horizon_read);
  }
  source->set_time_limit(time_limit_ms);
  source->open(user_sql());
  fault_point(FaultPoint::snapshot_open);
  source_table = source->table();
}

void TablePair::open_target(unsigned int oid, bool may_create) {
  target_is_new = oid == 0;
  exclusively_locked = target_is_empty = false;
  if (target_is_new) {
    if (!may_create)
      throw Error(sqlstate::undefined_table, "table \"" + display_name(spec.target) + "\" does not exist");
    target->make(spec, source_table);
    fault_point(FaultPoint::target_made);
    exclusively_locked = target_is_empty = true;
  } else {
    target_is_empty = single<bool>(target->query(is_empty(spec.target)));
    // What reads a few rows only lets others write.
    if (!shared && spec.command == Command::sync && (spec.mode == SyncMode::full || target_is_empty))
      exclusively_locked = target->try_lock_exclusively(oid);
    // Somebody may have written it before the lock was ours.
    if (target_is_empty && exclusively_locked)
      target_is_empty = single<bool>(target->query(is_empty(spec.target)));
  }
  target_table = target->describe(spec.target);
  is_plain_.reset();
  if (!target_is_new) opened_ = oid;
  refuse_same_table();
  fault_point(FaultPoint::target_described);
  known.reset();
  written_ = target->watermark(target_table.oid);
  checkpoint = read_checkpoint(target_table.oid);
  check_restored();
  if (written_ && written_->server == spec.server && written_->source == display_name(source_table.name))
    known = written_;
}

// The state from a dump describes the rows that the target had then. It holds only for exactly these rows.
void TablePair::check_restored() {
  const bool by_watermark = written_ && !written_->restored.empty();
  const bool by_checkpoint = checkpoint && !checkpoint->restored.empty();
  if (!by_watermark && !by_checkpoint) return;
  const std::string then = by_watermark ? written_->restored : checkpoint->restored;
  const bool holds = single<std::string>(target->query("SELECT tablesync.digest($1::pg_catalog.oid)",
                                                       {target_table.oid})) == then;
  settle_restored(target_table.oid, holds);
  if (by_watermark) written_->restored.clear();
  if (by_checkpoint) checkpoint->restored.clear();
  if (holds) return;
  disproved_ = by_watermark ? written_->server + ": " + written_->source
                            : checkpoint->since.server + ": " + checkpoint->since.source;
  if (!target_is_empty)
    notice_once("the state from a dump is ignored because the rows are not those of the dump");
  if (by_watermark) written_.reset();
  if (by_checkpoint) checkpoint.reset();
}

// Does what on_schema_change asks for where the source has columns that the target lacks, or wider ones.
void TablePair::adapt_target() {
  if (target_is_new) return;
  notice_dropped_columns();
  if (spec.on_schema_change == OnSchemaChange::raise) return;  // plan_sync() does
  bool altered = false;
  std::erase_if(source_table.columns, [&](const Column &column) {
    const Column *const counterpart = target_table.find_column(column.name);
    const std::string name = "column \"" + column.name + "\"";
    if (spec.on_schema_change == OnSchemaChange::ignore || spec.command != Command::sync) {
      if (counterpart == nullptr)
        notice_once(name + " of the source is skipped because the target has no such column");
      return counterpart == nullptr;
    }
    if (counterpart == nullptr) {
      target->add_column(spec.target, column);
      notice(spec, name + " is new on the source and was added");
      altered = true;
    } else if (is_widened(*counterpart, column)) {
      target->widen_column(spec.target, column);
      notice(spec, name + " is wider on the source and was widened to " + column.sql_type);
      altered = true;
    }
    return false;
  });
  if (altered) target_table = target->describe(spec.target);
}

// A column that is gone from the source, or has another name there, would be NULL in every new row.
void TablePair::notice_dropped_columns() const {
  if (!known) return;
  for (const Column &column : target_table.columns) {
    if (source_table.find_column(column.name) != nullptr || !has_column(known->shape, column.name)) continue;
    const std::string what =
        "column \"" + column.name + "\" of \"" + known->source + "\" is gone from the source";
    if (spec.on_schema_change == OnSchemaChange::raise)
      throw Error(sqlstate::undefined_column, what,
                  "It existed at the last sync and has been dropped or renamed since.",
                  "Drop or rename it in " + display_name(spec.target) +
                      " too, or keep its values: options => '{\"on_schema_change\": \"ignore\"}' (or "
                      "\"add\").");
    notice(spec, what, "Existing rows keep its values; new rows get NULL.");
  }
}

void TablePair::refuse_same_table() const {
  if (source_table.oid == target_table.oid && source_table.database_oid == target_table.database_oid &&
      source_table.system_identifier == target_table.system_identifier &&
      !target_table.system_identifier.empty())
    throw Error(sqlstate::invalid_parameter, "source and target are the same table",
                spec.server.empty() ? "" : "Server \"" + spec.server + "\" is this database.");
}

void TablePair::refuse_unknown_content() const {
  if (target_is_empty || spec.adopt || known || !spec.writes()) return;
  const std::string there = display_name(source_table.name);
  if (checkpoint && checkpoint->since.server == spec.server && checkpoint->since.source == there &&
      !overwritten_since(checkpoint->run_id))
    return;
  throw Error(
      sqlstate::wrong_state, "refusing to replace the rows of \"" + display_name(spec.target) + "\"",
      written_ && !written_->own ? "It was filled by another role."
      : written_ ? "It was filled from " + written_->server + ": " + written_->source + ", not from " +
                       spec.server + ": " + there + "."
      : !disproved_.empty() ? "According to a dump it was filled from " + disproved_ +
                                  ", but its rows are not those of the dump."
                            : "It has rows that tablesync did not write.",
      "To make it a copy of " + there +
          ", pass options => '{\"adopt\": true}'. If it already is one, restored from a dump for example, run SELECT "
          "* FROM verify_table(" +
          quote_literal(spec.server) + ", " + quote_literal(spec.source) + ", " +
          quote_literal(display_name(spec.target)) +
          ", repair => true, options => '{\"adopt\": true}'), which compares it once. Later syncs then "
          "read only what is new.");
}

bool TablePair::overwritten_since(std::int64_t run) const {
  return written_ && !written_->own && written_->run_id > run;
}

void TablePair::choose_all_rows() {
  all_rows.table = &source_table;
  all_rows.query = trimmed_query(spec.custom_select);
  all_rows.conditions.clear();
  if (!spec.custom_where.empty()) all_rows.conditions.push_back(spec.custom_where);
  if (spec.deleting_column().empty()) return;
  const Column *column = source_table.find_column(spec.soft_delete_column);
  if (column == nullptr)
    throw Error(sqlstate::undefined_column, "soft_delete_column \"" + spec.soft_delete_column +
                                                "\" is not a column of \"" + display_name(source_table.name) +
                                                "\" on the source");
  live_rows = "(" + is_soft_deleted(*column, "") + ") IS NOT TRUE";
  all_rows.conditions.push_back(live_rows);
  if (spec.command == Command::sync) choose_mark(*column);
}

// The source says which of its rows are marked: the target may have the column in another form, or not at
// all.
void TablePair::choose_mark(const Column &column) {
  mark_.emplace();
  mark_->name = "tablesync_deleted";
  while (source_table.find_column(mark_->name) != nullptr) mark_->name += "_";
  mark_->read = "(" + is_soft_deleted(column, "") + ") IS TRUE";
  mark_->target_type = "pg_catalog.bool";
}

std::string TablePair::files_of_target() const {
  return target_files(target_table, target->query(target_files_query(), {target_table.oid}));
}

bool TablePair::target_is_plain() {
  if (!is_plain_) is_plain_ = target->takes_rows_directly(target_table.name);
  return *is_plain_;
}

void TablePair::build_key(std::int64_t bytes) {
  steps.enter(Phase::key);
  constexpr std::int64_t worth_a_worker = 16 << 20;  // a worker's start costs what sorting a few MB does
  const std::vector<std::string> key = plan.key;
  naming_repeated_key(plan, [&] {
    target->execute(bytes >= worth_a_worker ? add_primary_key_in_parallel(spec.target, key)
                                            : add_primary_key(spec.target, key));
  });
  fault_point(FaultPoint::key_built);
  target_table = target->describe(spec.target);
  const QualifiedName stage = plan.stage;
  make_plan(key, false);
  plan.stage = stage;
}

void TablePair::check_source_keys(std::int64_t staged) {
  constexpr std::int64_t most_by_name = 1000;
  check_keys(*target, plan.stage, plan);
  SourceRows rows = all_rows;
  if (staged <= most_by_name) {
    const Rows keys = target->query(staged_keys(plan, most_by_name));
    if (keys.empty()) return;
    rows.conditions.push_back(key_is_one_of(source_table, plan, keys));
  }
  const std::string repeated = single_or<std::string>(source->query(find_repeated_key(rows, plan)), "");
  if (!repeated.empty()) fail_repeated_key(repeated, plan);
}

std::int64_t TablePair::stage(const QualifiedName &name, const SyncPlan &stage_plan, const SourceRows &rows) {
  return stage_from(name, stage_plan,
                    [&](const QualifiedName &into) { return receive(into, stage_plan, rows); });
}

std::int64_t TablePair::stage_if_any(Stage &stage, const SyncPlan &stage_plan, const SourceRows &rows) {
  const std::unique_ptr<RowSource> stream = source->rows(rows, stage_plan);
  PeekedRows peeked(*stream);
  if (peeked.is_empty()) return 0;
  stage.make(stage_plan);
  fault_point(FaultPoint::stage_made);
  return stage_from(stage.name(), stage_plan,
                    [&](const QualifiedName &into) { return receive(into, stage_plan, peeked); });
}

// `receive_into` puts the rows, as they are, into a table.
std::int64_t TablePair::stage_from(const QualifiedName &name, const SyncPlan &stage_plan,
                                   const std::function<std::int64_t(const QualifiedName &)> &receive_into) {
  if (stage_plan.converts()) target->query(create_received(stage_plan));
  const std::int64_t received = receive_into(stage_plan.converts() ? received_name : name);
  std::int64_t rejected = 0;
  if (stage_plan.converts()) {
    // A sync deletes what is not among the keys; a row whose key is bad must not seem to be gone.
    const OnBadRow on_bad_row =
        name == plan.stage || spec.command != Command::sync ? spec.on_bad_row : OnBadRow::raise;
    rejected = convert_received_rows(*target, spec, stage_plan, name, on_bad_row, run_id);
    target->query(drop_received());
    fault_point(FaultPoint::rows_converted);
  }
  if (name == plan.stage) {
    counts.read += received;
    counts.rejected += rejected;
  }
  return received - rejected;
}

std::int64_t TablePair::receive(const QualifiedName &name, const SyncPlan &received_plan, RowSource &stream) {
  stream.resume();  // tables may have been made since it began
  const std::int64_t stored =
      target->load(stream, name, received_plan, false, spec.max_rate, steps.progress());
  if (stored != stream.rows())
    throw Error(sqlstate::protocol_violation,
                "received " + with_commas(stream.rows()) + " rows, but staged " + with_commas(stored));
  counts.bytes += stream.bytes();
  return stored;
}

std::int64_t TablePair::receive(const QualifiedName &name, const SyncPlan &received_plan,
                                const SourceRows &rows) {
  if (!source) return target->execute(insert_selected(name, rows, received_plan));
  const std::unique_ptr<RowSource> stream = source->rows(rows, received_plan);
  return receive(name, received_plan, *stream);
}

std::int64_t TablePair::stage_by_key(const Rows &keys) {
  constexpr size_t batch = 1000;
  std::int64_t staged = 0;
  for (size_t at = 0; at < keys.size(); at += batch) {
    const auto begin = keys.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = keys.begin() + static_cast<std::ptrdiff_t>(std::min(at + batch, keys.size()));
    SourceRows rows = all_rows;
    rows.conditions.push_back(key_is_one_of(source_table, plan, Rows(begin, end)));
    staged += stage(plan.stage, plan.staged(), rows);
  }
  return staged;
}

}  // namespace tablesync::pg
