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
  // Before the source's transaction begins: that need not wait for those who hold a lock here.
  const unsigned int oid = hold();
  open_source();
  choose_all_rows();
  match_target(oid, may_create);
}

// The target, held until the end of the transaction; 0 where there is none.
unsigned int TablePair::hold() {
  const unsigned int oid = the_target->hold(spec);
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
  // What only compares needs no index on the key.
  make_plan(spec.primary_key, target_is_new || !spec.writes() || (checkpoint && checkpoint->key_pending));
  refuse_unknown_content();
}

void TablePair::make_plan(const std::vector<std::string> &key, bool key_is_pending) {
  plan = plan_sync(source_table, target, key, key_is_pending, spec.empty_string_as_null);
  if (plan.keyed()) plan.mark = mark_;
}

// Of what each opening finds anew.
void TablePair::tell_once(const std::string &text) {
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
    the_target->make(spec, source_table);
    fault_point(FaultPoint::target_made);
    exclusively_locked = target_is_empty = true;
  } else {
    target_is_empty = single<bool>(the_target->query(is_empty(spec.target)));
    // What reads a few rows only lets others write.
    if (!shared && spec.command == Command::sync && (spec.mode == SyncMode::full || target_is_empty))
      exclusively_locked = the_target->try_lock_exclusively(oid);
    // Somebody may have written it before the lock was ours.
    if (target_is_empty && exclusively_locked)
      target_is_empty = single<bool>(the_target->query(is_empty(spec.target)));
  }
  target = the_target->describe(spec.target);
  is_plain_.reset();
  if (!target_is_new) opened_ = oid;
  refuse_same_table();
  fault_point(FaultPoint::target_described);
  known.reset();
  written_ = the_target->watermark(target.oid);
  checkpoint = read_checkpoint(target.oid);
  check_restored();
  if (written_ && written_->server == spec.server && written_->source == display_name(source_table.name))
    known = written_;
}

// What a dump brought is of the rows that the target had then: it holds where these are here, and no others.
void TablePair::check_restored() {
  const bool by_watermark = written_ && !written_->restored.empty();
  const bool by_checkpoint = checkpoint && !checkpoint->restored.empty();
  if (!by_watermark && !by_checkpoint) return;
  const std::string then = by_watermark ? written_->restored : checkpoint->restored;
  const bool holds = single<std::string>(the_target->query("SELECT tablesync.digest($1::pg_catalog.oid)",
                                                           {target.oid})) == then;
  settle_restored(target.oid, holds);
  if (by_watermark) written_->restored.clear();
  if (by_checkpoint) checkpoint->restored.clear();
  if (holds) return;
  disproved_ = by_watermark ? written_->server + ": " + written_->source
                            : checkpoint->since.server + ": " + checkpoint->since.source;
  if (!target_is_empty)
    tell_once("what a dump says of it is not used, because its rows are not those of the dump");
  if (by_watermark) written_.reset();
  if (by_checkpoint) checkpoint.reset();
}

// What on_schema_change asks for where the source has columns that the target lacks, or wider ones.
void TablePair::adapt_target() {
  if (target_is_new) return;
  tell_dropped_columns();
  if (spec.on_schema_change == OnSchemaChange::raise) return;  // plan_sync() does
  bool altered = false;
  std::erase_if(source_table.columns, [&](const Column &column) {
    const Column *const counterpart = target.find_column(column.name);
    const std::string name = "column \"" + column.name + "\"";
    if (spec.on_schema_change == OnSchemaChange::ignore || spec.command != Command::sync) {
      if (counterpart == nullptr) tell_once(name + " of the source is left out, since the target has none");
      return counterpart == nullptr;
    }
    if (counterpart == nullptr) {
      the_target->add_column(spec.target, column);
      notice(spec, name + " is new on the source and was added");
      altered = true;
    } else if (is_widened(*counterpart, column)) {
      the_target->widen_column(spec.target, column);
      notice(spec, name + " is wider on the source and was widened to " + column.sql_type);
      altered = true;
    }
    return false;
  });
  if (altered) target = the_target->describe(spec.target);
}

// A column that is gone from the source, or has another name there, would be NULL in every new row.
void TablePair::tell_dropped_columns() const {
  if (!known) return;
  for (const Column &column : target.columns) {
    if (source_table.find_column(column.name) != nullptr || !has_column(known->shape, column.name)) continue;
    const std::string what =
        "column \"" + column.name + "\" of \"" + known->source + "\" is gone from the source";
    if (spec.on_schema_change == OnSchemaChange::raise)
      throw Error(
          sqlstate::undefined_column, what, "It was there at the last sync: dropped since, or renamed.",
          "Drop or rename it in " + display_name(spec.target) +
              " too; or keep the values that are here: options => '{\"on_schema_change\": \"ignore\"}' (or "
              "\"add\").");
    notice(spec, what, "Rows of before keep its values; new rows have none.");
  }
}

void TablePair::refuse_same_table() const {
  if (source_table.oid == target.oid && source_table.database_oid == target.database_oid &&
      source_table.system_identifier == target.system_identifier && !target.system_identifier.empty())
    throw Error(sqlstate::invalid_parameter, "source and target are the same table",
                spec.server.empty() ? "" : "Server \"" + spec.server + "\" is this database.");
}

void TablePair::refuse_unknown_content() const {
  if (target_is_empty || spec.adopt || known || !spec.writes()) return;
  const std::string there = display_name(source_table.name);
  if (checkpoint && checkpoint->since.server == spec.server && checkpoint->since.source == there &&
      !overwritten_since(checkpoint->run_id))
    return;
  throw Error(sqlstate::wrong_state, "refusing to replace the rows of \"" + display_name(spec.target) + "\"",
              written_ && !written_->own ? "It was filled by another role."
              : written_ ? "It was filled from " + written_->server + ": " + written_->source +
                               ", not from " + spec.server + ": " + there + "."
              : !disproved_.empty() ? "A dump says that it was filled from " + disproved_ +
                                          ", but its rows are not those of the dump."
                                    : "It has rows that tablesync did not put there.",
              "If it is to become a copy of " + there +
                  ": options => '{\"adopt\": true}'. If it is one already, restored from a dump say: SELECT "
                  "* FROM verify_table(" +
                  quote_literal(spec.server) + ", " + quote_literal(spec.source) + ", " +
                  quote_literal(display_name(spec.target)) +
                  ", repair => true, options => '{\"adopt\": true}') compares it once, and then a sync reads "
                  "what is new.");
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
  return target_files(target, the_target->query(target_files_query(), {target.oid}));
}

bool TablePair::target_is_plain() {
  if (!is_plain_) is_plain_ = the_target->takes_rows_directly(target.name);
  return *is_plain_;
}

void TablePair::build_key(std::int64_t bytes) {
  steps.enter(Phase::key);
  constexpr std::int64_t worth_a_worker = 64 << 20;  // a worker's start costs what sorting a few MB does
  const std::vector<std::string> key = plan.key;
  naming_repeated_key(plan, [&] {
    the_target->execute(bytes >= worth_a_worker ? add_primary_key_in_parallel(spec.target, key)
                                                : add_primary_key(spec.target, key));
  });
  fault_point(FaultPoint::key_built);
  target = the_target->describe(spec.target);
  const QualifiedName stage = plan.stage;
  make_plan(key, false);
  plan.stage = stage;
}

void TablePair::check_source_keys(std::int64_t staged) {
  constexpr std::int64_t most_by_name = 1000;
  check_keys(*the_target, plan.stage, plan);
  SourceRows rows = all_rows;
  if (staged <= most_by_name) {
    const Rows keys = the_target->query(staged_keys(plan, most_by_name));
    if (keys.empty()) return;
    rows.conditions.push_back(key_is_one_of(source_table, plan, keys));
  }
  const std::string repeated = single_or<std::string>(source->query(find_repeated_key(rows, plan)), "");
  if (!repeated.empty()) fail_repeated_key(repeated, plan);
}

std::int64_t TablePair::stage(const QualifiedName &name, const SyncPlan &stage_plan, const SourceRows &rows) {
  if (stage_plan.converts()) the_target->query(create_received(stage_plan));
  const std::int64_t received = receive(stage_plan.converts() ? received_name : name, stage_plan, rows);
  std::int64_t rejected = 0;
  if (stage_plan.converts()) {
    // A sync deletes what is not among the keys; a row whose key is bad must not seem to be gone.
    const OnBadRow on_bad_row =
        name == plan.stage || spec.command != Command::sync ? spec.on_bad_row : OnBadRow::raise;
    rejected = convert_received_rows(*the_target, spec, stage_plan, name, on_bad_row, run_id);
    the_target->query(drop_received());
    fault_point(FaultPoint::rows_converted);
  }
  if (name == plan.stage) {
    counts.read += received;
    counts.rejected += rejected;
  }
  return received - rejected;
}

std::int64_t TablePair::receive(const QualifiedName &name, const SyncPlan &received_plan,
                                const SourceRows &rows) {
  if (!source) return the_target->execute(insert_selected(name, rows, received_plan));
  const std::unique_ptr<RowSource> stream = source->rows(rows, received_plan);
  const std::int64_t stored =
      the_target->load(*stream, name, received_plan, false, spec.max_rate, steps.progress());
  if (stored != stream->rows())
    throw Error(sqlstate::protocol_violation,
                "received " + with_commas(stream->rows()) + " rows, but staged " + with_commas(stored));
  counts.bytes += stream->bytes();
  return stored;
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
