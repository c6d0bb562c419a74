// The SQL function explain_row(): where a row is, which run wrote it, and what excludes it.
extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse_source.h"
#include "pg/record/run_record.h"
#include "pg/record/watermark_record.h"
#include "pg/run/call_arguments.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/server/spi.h"
#include "pg/server/sql_call.h"
#include "pg/source/foreign_server.h"
#include "pg/source/make_source.h"
#include "pg/sync/sync_call.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

class Explainer {
 public:
  Explainer(const QualifiedName &target, const std::vector<std::string> &key)
      : target_(describe_readable(quote_qualified(target), HeldFor::looking)), values_(key) {
    choose_key();
  }

  Rows run() {
    look_up_target();
    look_up_records();
    if (known_) look_up_source();
    add("verdict", verdict());
    return lines_;
  }

 private:
  void add(const std::string &item, const std::string &value) { lines_.push_back({item, value}); }

  void choose_key() {
    for (const UniqueKey &candidate : target_.keys)
      if (key_.empty() && candidate.columns.size() == values_.size()) {
        key_ = candidate.columns;
        equality_ = candidate.equality;
      }
    if (!key_.empty()) return;
    const UniqueKey *primary = target_.primary_key();
    throw Error(sqlstate::invalid_key,
                "\"" + display_name(target_.name) + "\" has no unique key of " +
                    std::to_string(values_.size()) + (values_.size() == 1 ? " column" : " columns"),
                {}, primary == nullptr ? "" : "Its primary key is (" + join(primary->columns, ", ") + ").");
  }

  void look_up_target() {
    std::vector<std::string> conditions;
    const unsigned int oid = as_oid(target_.oid);
    // Casts to the base type, because the checks of a domain are code of its owner.
    for (size_t n = 0; n < key_.size(); ++n)
      conditions.push_back("t." + quote_identifier(key_[n]) + " " + equality_[n] + " CAST($" +
                           std::to_string(n + 1) + " AS " + base_type(oid, key_[n]) + ")");
    const Rows rows = query("SELECT t.xmin::pg_catalog.text, pg_catalog.to_jsonb(t)::pg_catalog.text FROM " +
                                quote_qualified(target_.name) + " AS t WHERE " + join(conditions, " AND "),
                            Row(values_.begin(), values_.end()));
    in_target_ = !rows.empty();
    if (!in_target_) return add("target", "not found");
    const auto [xmin, row] = values_of<std::string, std::string>(rows.front());
    add("target", "found: " + row);
    add("written by", writer(xmin));
  }

  // The run whose transaction, or one of its subtransactions, wrote the row.
  std::string writer(const std::string &xmin) const {
    const std::optional<Writer> run = find_writer(display_name(target_.name), xmin);
    if (!run) return "no run on record (transaction " + xmin + ")";
    return (run->chunk_no ? "chunk " + std::to_string(*run->chunk_no) + " of " : std::string()) + "run " +
           std::to_string(run->run_id) + " of " + run->command + ", which ended " + run->finished_at;
  }

  void look_up_records() {
    // The definition of another role's sync is SQL of that role: it is neither shown nor run.
    known_ = read_watermark(target_.oid);
    if (known_ && !known_->own) known_.reset();
    const std::string name = display_name(target_.name);
    if (const std::optional<LastSync> last = find_last_sync(name))
      add("last sync", "run " + std::to_string(last->run_id) + ", " + last->status + ", started " +
                           last->started_at + (last->message.empty() ? "" : ": " + last->message));
    const std::optional<RejectRecord> reject = find_reject(name, values_);
    rejected_ = reject.has_value();
    if (rejected_)
      add("rejected", "by run " + std::to_string(reject->run_id) + ", column \"" + reject->column_name +
                          "\": " + reject->message);
    if (!known_) return;
    add("filled from", known_->server + ": " + known_->source + ", sync_mode " + name_of(known_->mode));
    if (!known_->restored.empty())
      add("restored", "from a dump: the next sync checks whether the table has the rows of the dump");
    if (known_->mode == SyncMode::incremental)
      add("watermark",
          known_->field + (known_->value.empty() ? ": nothing is proven yet" : " = " + known_->value));
    if (known_->mode == SyncMode::xmin)
      add("watermark", "transaction " + std::to_string(known_->position.xmin));
  }

  void look_up_source() {
    try {
      query_source();
    } catch (const Error &error) {
      const Diagnostics &diagnostics = error.diagnostics();
      if (diagnostics.sqlstate == sqlstate::canceled || diagnostics.sqlstate == sqlstate::admin_shutdown)
        throw;
      add("source", "cannot be queried: " + diagnostics.message);
    }
  }

  void query_source() {
    const std::unique_ptr<Source> source = make_source(host_, known_->server, memory_limit_mb);
    source->find(known_->source);
    const std::string select = trimmed_query(known_->custom_select);
    source->open({select, known_->custom_where, {}, {}});
    SyncPlan plan;
    plan.key = key_;
    for (const std::string &column : key_)
      if (source->table().find_column(column) == nullptr)
        return add("source", "has no column \"" + column + "\" to find the row by");
    const auto has = [&](const std::string &condition) {
      SourceRows rows{&source->table(), select, {}};
      rows.conditions.push_back(key_is_one_of(source->table(), plan, {Row(values_.begin(), values_.end())}));
      if (!condition.empty()) rows.conditions.push_back(condition);
      return !source->query(select_of(rows, plan)).empty();
    };
    queried_ = true;
    on_source_ = has("");
    const std::string absent = known_->custom_select.empty() ? "not found" : "not in custom_select";
    add("source", on_source_ ? "found" : absent);
    if (!on_source_) return;
    filtered_ = !known_->custom_where.empty() && !has(known_->custom_where);
    if (filtered_) add("filter", "custom_where excludes it: " + known_->custom_where);
    if (const Column *column = source->table().find_column(known_->soft_delete_column))
      marked_ = has(is_soft_deleted(*column, ""));
    if (marked_) add("marked", "as deleted, by " + known_->soft_delete_column);
    const std::optional<std::string> waiting =
        unproven_rows(*known_, source->table(), source->position(),
                      [&](int timeline) { return source->switch_point(timeline); });
    waiting_ = waiting && !waiting->empty() && has(*waiting);
    if (waiting_) add("waiting", "it was written after the watermark: the next sync reads it");
  }

  std::string verdict() const {
    if (!known_)
      return in_target_ ? "it is in the target; no sync of this target by you is on record"
                        : "no sync of this target by you is on record";
    if (!queried_) return "the source could not be queried";
    if (in_target_ && on_source_)
      return filtered_  ? "it was copied before the filter excluded it: a delete pass removes it "
                          "(delete_missing => true)"
             : marked_  ? "it is marked as deleted on the source: the next sync that reads it removes it"
             : waiting_ ? "it is in the target; the next sync may bring a later change"
                        : "it is on both sides; verify_table() shows whether it is the same";
    if (in_target_) return "it is gone from the source: a delete pass removes it (delete_missing => true)";
    if (!on_source_) return "it is on neither side";
    if (filtered_) return "the filter excludes it";
    if (marked_) return "it is marked as deleted on the source";
    if (rejected_) return "it was rejected: see tablesync.reject";
    if (waiting_) return "the next sync brings it";
    return "it is missing: SELECT * FROM verify_table(..., repair => true) brings it";
  }

  Table target_;
  std::vector<std::string> values_, key_, equality_;
  std::optional<Watermark> known_;
  LatchHost host_;
  bool in_target_ = false, on_source_ = false, queried_ = false, rejected_ = false, filtered_ = false,
       marked_ = false, waiting_ = false;
  Rows lines_;
};

Rows explain(FunctionCallInfo fcinfo) {
  const QualifiedName target = resolve_target(required(text_argument(fcinfo, 0), "target table"));
  const std::vector<std::string> key = text_array_argument(fcinfo, 1);
  if (key.empty())
    throw Error(sqlstate::null_not_allowed, "key must not be null", {},
                "For example: SELECT * FROM explain_row('raw.orders', '42').");
  return Explainer(target, key).run();
}

}  // namespace
}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_explain_row);

Datum tablesync_explain_row(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([=] { return pg::set_result(fcinfo, pg::explain(fcinfo)); });
}
}
