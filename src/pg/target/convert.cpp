#include "pg/target/convert.h"

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "pg/record/run_record.h"
#include "pg/server/clipped.h"

namespace tablesync::pg {
namespace {

// Errors of a value: data exceptions, and what no form of the value would mend.
bool is_of_value(const Diagnostics &error) { return error.sqlstate.starts_with("22"); }

class Converter {
 public:
  Converter(Target &target, const SyncSpec &spec, const SyncPlan &plan, const QualifiedName &stage,
            OnBadRow on_bad_row, std::int64_t run_id)
      : target_(target), spec_(spec), plan_(plan), stage_(stage), on_bad_row_(on_bad_row), run_id_(run_id) {}

  std::int64_t run() {
    if (!try_convert("")) convert_blocks(0, block_count());
    return rejected_;
  }

 private:
  // Converts the rows for which the condition over r holds; false, and nothing done, where one is bad.
  bool try_convert(const std::string &condition) {
    return target_.attempt(
        [&] {
          target_.query(convert_received(stage_, plan_) + (condition.empty() ? "" : " WHERE " + condition));
        },
        is_of_value);
  }

  std::int64_t block_count() {
    return single<std::int64_t>(
        target_.query("SELECT pg_catalog.pg_relation_size(" + quote_literal(quote_qualified(received_name)) +
                      "::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::pg_catalog.int8"));
  }

  static std::string place(std::int64_t block, std::int64_t row) {
    return "'(" + std::to_string(block) + "," + std::to_string(row) + ")'::pg_catalog.tid";
  }

  // Halves the range until the bad rows are found: as many steps as the logarithm of the blocks, for each.
  void convert_blocks(std::int64_t begin, std::int64_t end) {
    if (begin >= end) return;
    if (end - begin == 1) return convert_rows(begin);
    const std::int64_t middle = begin + (end - begin) / 2;
    for (const auto &[from, to] : {std::pair{begin, middle}, std::pair{middle, end}})
      if (!try_convert("r.ctid OPERATOR(pg_catalog.>=) " + place(from, 0) +
                       " AND r.ctid OPERATOR(pg_catalog.<) " + place(to, 0)))
        convert_blocks(from, to);
  }

  void convert_rows(std::int64_t block) {
    const Rows rows = target_.query("SELECT r.ctid FROM " + quote_qualified(received_name) +
                                    " AS r WHERE r.ctid OPERATOR(pg_catalog.>=) " + place(block, 0) +
                                    " AND r.ctid OPERATOR(pg_catalog.<) " + place(block + 1, 0));
    for (const std::string &ctid : only_column<std::string>(rows)) {
      const std::string is_this = "r.ctid OPERATOR(pg_catalog.=) " + quote_literal(ctid) + "::pg_catalog.tid";
      if (!try_convert(is_this)) reject(is_this);
    }
  }

  void reject(const std::string &is_this) {
    const std::string from = " FROM " + quote_qualified(received_name) + " AS r WHERE " + is_this;
    std::vector<std::string> key;
    for (const std::string &column : plan_.key) key.push_back("r." + quote_identifier(column));
    const auto [row_key, row] = values_of<std::string, std::string>(only_row(target_.query(
        "SELECT " +
        (key.empty() ? "NULL" : "(ROW(" + join(key, ", ") + ")::pg_catalog.record)::pg_catalog.text") +
        ", pg_catalog.to_jsonb(r)::pg_catalog.text" + from)));
    Diagnostics found;
    found.sqlstate = "22000";
    found.message = "the row cannot be converted";
    for (const ColumnPlan &column : plan_.columns) {
      if (!column.converted()) continue;
      const bool good = target_.attempt([&] { target_.query("SELECT " + column.convert + from); },
                                        [&](const Diagnostics &error) {
                                          found = error;
                                          found.column = column.name;
                                          return is_of_value(error);
                                        });
      if (!good) break;
    }
    if (on_bad_row_ == OnBadRow::raise) fail(found, row_key, row, from);
    record_reject(run_id_, spec_, row_key, row, found);
    ++rejected_;
  }

  [[noreturn]] void fail(const Diagnostics &found, const std::string &row_key, const std::string &row,
                         const std::string &from) const {
    constexpr size_t longest = 200;
    std::string value;
    if (!found.column.empty())
      value = single<std::string>(
          target_.query("SELECT r." + quote_identifier(found.column) + "::pg_catalog.text" + from));
    if (value.size() > longest) value = clipped(value, longest) + " ...";
    const std::string key = join(plan_.key, ", ");
    throw Error(found.sqlstate, "column \"" + found.column + "\": " + found.message,
                (plan_.key.empty() ? "In row " + clipped(row, longest)
                                   : "In the row with key (" + key + ") = " + row_key) +
                    " of the source; the value is \"" + value + "\".",
                "Mend it on the source, convert it in custom_select, or let such rows go to "
                "tablesync.reject: options => "
                "'{\"on_bad_row\": \"reject\"}'.");
  }

  Target &target_;
  const SyncSpec &spec_;
  const SyncPlan &plan_;
  const QualifiedName &stage_;
  OnBadRow on_bad_row_;
  std::int64_t run_id_;
  std::int64_t rejected_ = 0;
};

}  // namespace

std::int64_t convert_received_rows(Target &target, const SyncSpec &spec, const SyncPlan &plan,
                                   const QualifiedName &stage, OnBadRow on_bad_row, std::int64_t run_id) {
  return Converter(target, spec, plan, stage, on_bad_row, run_id).run();
}

}  // namespace tablesync::pg
