#include "pg/target/local_target.h"

#include "pg/filter/local_row_filter.h"
#include "pg/record/watermark_record.h"
#include "pg/rows/load.h"
#include "pg/server/modify_counter.h"
#include "pg/server/session_option.h"
#include "pg/server/spi.h"
#include "pg/server/transaction.h"
#include "pg/target/make_table.h"
#include "pg/target/plain_table.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {

Rows LocalTarget::query(const std::string &sql, const Row &parameters, const Where &where) {
  return pg::query(sql, parameters, where);
}

std::int64_t LocalTarget::execute(const std::string &sql, const Where &where) {
  return static_cast<std::int64_t>(pg::execute(sql, where));
}

Modified LocalTarget::modify(const std::string &sql, Progress &progress, const Where &where) {
  progress.rows = 0;
  start_counting(&progress.rows);
  Modified done;
  done.rows = static_cast<std::int64_t>(pg::execute(sql, where));
  const ModifyCounts counts = stop_counting();
  done.meant = static_cast<std::int64_t>(progress.rows.load());
  done.inserted = counts.inserted;
  done.updated = counts.updated;
  return done;
}

bool LocalTarget::attempt(const std::function<void()> &f,
                          const std::function<bool(const Diagnostics &)> &handles) {
  return in_subtransaction(f, [&](const ServerError &error) { return handles(error.diagnostics()); });
}

std::string LocalTarget::setting(const std::string &name) { return session_option(name.c_str()); }

void LocalTarget::set(const std::string &name, const std::string &value) {
  set_session_option(name.c_str(), value);
}

unsigned int LocalTarget::find(const QualifiedName &table) { return find_target(table); }

unsigned int LocalTarget::hold(const SyncSpec &spec) {
  const std::optional<HeldRelation> held =
      spec.writes() ? hold_target(spec.target, spec.may_delete(), spec) : hold_readable(spec.target);
  return held ? held->oid : 0;
}

void LocalTarget::check(const SyncSpec &spec) {
  const unsigned int oid = find_target(spec.target);
  if (!spec.writes() && oid == 0)
    throw Error(sqlstate::undefined_table, "table \"" + display_name(spec.target) + "\" does not exist");
  if (!spec.writes())
    find_readable(quote_qualified(spec.target));
  else if (oid != 0)
    check_target(oid, spec.may_delete(), spec);
  else
    check_may_prepare(spec.target.schema, spec);
}

bool LocalTarget::try_lock_exclusively(unsigned int oid) { return pg::try_lock_exclusively(oid); }

Table LocalTarget::describe(const QualifiedName &table) { return describe_target(table); }

void LocalTarget::make(const SyncSpec &spec, const Table &source) {
  create_target(spec.target, source, spec);
}

void LocalTarget::add_column(const QualifiedName &table, const Column &source) {
  add_target_column(table, source);
}

void LocalTarget::widen_column(const QualifiedName &table, const Column &source) {
  widen_target_column(table, source);
}

bool LocalTarget::takes_rows_directly(const QualifiedName &table) { return is_plain_table(table); }

std::int64_t LocalTarget::load(RowSource &rows, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                               const Rate &rate, Progress &progress) {
  return pg::load(rows, table, plan, is_new, rate, progress);
}

std::unique_ptr<RowFilter> LocalTarget::filter(const Table &table, const SyncPlan &plan, std::int64_t memory,
                                               Progress &progress, std::string &why_not) {
  return make_local_filter(table, plan, memory, progress, why_not);
}

std::optional<Watermark> LocalTarget::watermark(const std::string &oid) { return read_watermark(oid); }

void LocalTarget::record(std::int64_t run_id, const SyncSpec &spec, const std::string &oid,
                         const Watermark &watermark) {
  write_watermark(run_id, spec, oid, watermark);
}

}  // namespace tablesync::pg
