#include "core/range/watermark.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "core/base/error.h"
#include "core/range/incremental_field.h"
#include "core/sql/deparse_source.h"

namespace tablesync {
namespace {

// pg_lsn as it is written: two hexadecimal numbers of 32 bits.
std::uint64_t parse_lsn(const std::string &text) {
  char *end = nullptr;
  const std::uint64_t high = std::strtoull(text.c_str(), &end, 16);
  return *end == '/' ? high << 32 | std::strtoull(end + 1, nullptr, 16) : 0;
}

constexpr std::uint64_t half_of_xids = std::uint64_t{1} << 31;

// Whether the current source has everything in its history that the position saw.
bool is_in_history(const SnapshotPosition &then, const SnapshotPosition &now,
                   const SwitchPoint &switch_point) {
  // A source behind the position is a standby that lags, or has another history.
  if (then.timeline == now.timeline) return parse_lsn(then.lsn) <= parse_lsn(now.lsn);
  const std::string end = switch_point(then.timeline);
  return !end.empty() && parse_lsn(then.lsn) <= parse_lsn(end);
}

// Why earlier rows cannot be combined with those to be read now; empty if they can.
std::string definition_change(const SyncSpec &spec, const Watermark &known, const Table &source) {
  if (known.hidden_definition) return "a run of another role filled the target from some of the rows";
  if (known.custom_select != spec.custom_select || known.custom_where != spec.custom_where)
    return "custom_select or custom_where has changed";
  if (known.soft_delete_column != spec.deleting_column()) return "soft_delete_column has changed";
  return columns_change(known.shape, source);
}

std::string relation_change(const Watermark &known, const Table &source) {
  if (known.database_oid != source.database_oid || known.relation_oid != source.oid)
    return "the table on the source was recreated";
  return {};
}

bool is_other_cluster(const Watermark &known, const Table &source) {
  return known.system_identifier != source.system_identifier && !known.system_identifier.empty() &&
         !source.system_identifier.empty();
}

[[noreturn]] void fail_history(const SyncSpec &spec, const std::string &message, const std::string &detail) {
  const std::string call = "verify_table(" + quote_literal(spec.server) + ", " + quote_literal(spec.source) +
                           ", " + quote_literal(display_name(spec.target)) + ", repair => true)";
  throw Error(sqlstate::wrong_state, message, detail,
              "The transaction ids on record cannot be used. SELECT * FROM " + call +
                  " compares both sides, repairs the differences and writes a new watermark.");
}

void check_history(const SyncSpec &spec, const Watermark &known, const Table &source,
                   const SnapshotPosition &now, const SwitchPoint &switch_point) {
  const SnapshotPosition &then = known.position;
  if (is_other_cluster(known, source))
    fail_history(spec, "server \"" + spec.server + "\" is a different cluster than before",
                 "Its system identifier is " + source.system_identifier + "; the watermark has " +
                     known.system_identifier + ".");
  // A recreated table is read as a whole, whatever its transaction ids.
  if (!relation_change(known, source).empty()) return;
  const auto place = [](const SnapshotPosition &at) {
    return at.lsn + " on timeline " + std::to_string(at.timeline);
  };
  if (!is_in_history(then, now, switch_point)) {
    if (then.timeline != now.timeline)
      fail_history(spec, "server \"" + spec.server + "\" is on a different timeline than before",
                   "It is at " + place(now) + "; its history cannot be shown to include the watermark at " +
                       place(then) + ".");
    fail_history(spec, "server \"" + spec.server + "\" is behind the watermark",
                 "It is at " + place(now) + "; the watermark is at " + place(then) +
                     ". If it is a standby that lags, wait until it has caught up.");
  }
  if (now.xmin < then.xmin)
    fail_history(
        spec, "the transaction ids of server \"" + spec.server + "\" went backwards",
        "They are at " + std::to_string(now.xmin) + "; the watermark is " + std::to_string(then.xmin) + ".");
}

}  // namespace

void Watermark::hide_definition() {
  hidden_definition = !custom_select.empty() || !custom_where.empty() || !soft_delete_column.empty();
  custom_select.clear();
  custom_where.clear();
  soft_delete_column.clear();
}

void Watermark::take_table(const Table &source) {
  shape = shape_of(source);
  system_identifier = source.system_identifier;
  database_oid = source.database_oid;
  relation_oid = source.oid;
}

std::string shape_of(const Table &table) {
  std::vector<std::string> columns;
  for (const Column &column : table.columns)
    columns.push_back(quote_identifier(column.name) + " " + column.sql_type);
  std::sort(columns.begin(), columns.end());
  return join(columns, ", ") + "\n" + join(table.marks, " ");
}

namespace {

std::string_view columns_of(std::string_view shape) { return shape.substr(0, shape.rfind('\n')); }

std::vector<std::string> marks_of(const std::string &shape) {
  std::istringstream words(shape.substr(std::min(shape.rfind('\n'), shape.size() - 1) + 1));
  std::vector<std::string> marks(std::istream_iterator<std::string>(words), {});
  std::sort(marks.begin(), marks.end());
  return marks;
}

}  // namespace

std::string columns_change(const std::string &known, const Table &now) {
  if (columns_of(known) == columns_of(shape_of(now))) return {};
  return "the columns of the source have changed";
}

std::string marks_change(const std::string &known, const Table &now) {
  const std::vector<std::string> before = marks_of(known), after = marks_of(shape_of(now));
  if (std::includes(after.begin(), after.end(), before.begin(), before.end())) return {};
  return "a column, an enum label, or the definition of a view or a generated column has changed on the "
         "source";
}

bool has_column(const std::string &shape, const std::string &column) {
  const std::string name = quote_identifier(column) + " ";
  return shape.starts_with(name) || shape.find(", " + name) != std::string::npos;
}

std::string to_text(const std::vector<PendingValue> &pending) {
  std::vector<std::string> texts;
  for (const PendingValue &value : pending) texts.push_back(std::to_string(value.value) + "@" + value.clock);
  return join(texts, ",");
}

std::vector<PendingValue> parse_pending(std::string_view text) {
  std::vector<PendingValue> pending;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(','));
    const size_t at = entry.find('@');
    std::int64_t value = 0;
    std::from_chars(entry.data(), entry.data() + entry.size(), value);
    if (at != std::string_view::npos) pending.push_back({value, std::string(entry.substr(at + 1))});
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
  }
  return pending;
}

std::optional<std::int64_t> take_proven(std::vector<PendingValue> &pending, const std::string &horizon) {
  std::optional<std::int64_t> proven;
  std::erase_if(pending, [&](const PendingValue &value) {
    if (value.clock >= horizon) return false;
    proven = std::max(proven.value_or(value.value), value.value);
    return true;
  });
  // A transaction may stay open for days. Dropping entries proves less when it ends, never too much.
  constexpr size_t longest = 64;
  for (size_t n = 0; pending.size() > longest && n < pending.size(); ++n)
    pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(n));
  return proven;
}

bool has_history(const Table &source) {
  return source.outside_heap.empty() && source.joined.empty() && !source.is_query;
}

bool proves_position(const Watermark &known, const Table &source, const SnapshotPosition &now,
                     const SwitchPoint &switch_point) {
  return known.position.xmin != 0 && has_history(source) && known.custom_select.empty() &&
         !is_other_cluster(known, source) && relation_change(known, source).empty() &&
         now.xmin >= known.position.xmin && now.xmin - known.position.xmin < half_of_xids &&
         is_in_history(known.position, now, switch_point);
}

bool is_behind(const Watermark &known, const Table &source, const SnapshotPosition &now) {
  const SnapshotPosition &then = known.last_read;
  return !then.lsn.empty() && !is_other_cluster(known, source) && then.timeline == now.timeline &&
         parse_lsn(now.lsn) < parse_lsn(then.lsn);
}

std::optional<std::string> unproven_rows(const Watermark &known, const Table &source,
                                         const SnapshotPosition &now, const SwitchPoint &switch_point) {
  if (known.mode == SyncMode::full) return "";
  if (known.mode == SyncMode::incremental && !known.value.empty()) {
    const Column *const column = source.find_column(known.field);
    if (column == nullptr) return std::nullopt;
    // Texts are days. Numbers are compared as numbers, whether they are days or not.
    const bool text =
        column->type.name == "text" || column->type.name == "varchar" || column->type.name == "bpchar";
    return at_or_above(find_incremental_field(source, known.field, text ? "yyyymmdd" : ""), known.value);
  }
  if (!proves_position(known, source, now, switch_point)) return std::nullopt;
  return written_since(source, known.position.xmin);
}

ReadWindow choose_window(const SyncSpec &spec, const std::optional<Watermark> &known, const Table &source,
                         const SnapshotPosition &now, bool target_is_empty, const SwitchPoint &switch_point) {
  using Kind = ReadWindow::Kind;
  if (spec.mode == SyncMode::full || !known) return {};
  const bool xmin_mode = spec.mode == SyncMode::xmin;
  if (xmin_mode && known->position.xmin == 0) return {};
  if (target_is_empty) return {Kind::everything, "the target is empty"};
  if (xmin_mode && known->mode == SyncMode::xmin) check_history(spec, *known, source, now, switch_point);
  if (const std::string why = definition_change(spec, *known, source); !why.empty())
    return {Kind::everything, why};
  if (is_other_cluster(*known, source))
    return {Kind::everything, "the source is a different cluster than before"};
  if (const std::string why = relation_change(*known, source); !why.empty()) return {Kind::everything, why};
  if (const std::string why = marks_change(known->shape, source); !why.empty())
    return {Kind::everything, why};

  if (spec.mode == SyncMode::incremental && known->field == spec.incremental_field && !known->value.empty())
    return {Kind::at_or_above_value, {}};
  if (proves_position(*known, source, now, switch_point)) return {Kind::written_since_position, {}};
  if (xmin_mode && known->mode == SyncMode::xmin)
    return {Kind::everything, "more than 2^31 transactions have begun on the source since the last run"};
  if (!known->field.empty() && known->field != spec.incremental_field)
    return {Kind::everything, "incremental_field has changed"};
  return {};
}

ReadWindow choose_catch_up(const Watermark &since, const Table &source, const SnapshotPosition &now,
                           const SwitchPoint &switch_point) {
  using Kind = ReadWindow::Kind;
  if (proves_position(since, source, now, switch_point)) return {Kind::written_since_position, {}};
  return {since.value.empty() ? Kind::nothing : Kind::at_or_above_value, {}};
}

}  // namespace tablesync
