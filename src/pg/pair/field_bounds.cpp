#include "pg/pair/field_bounds.h"

#include "core/base/record.h"
#include "core/spec/option_value.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

std::string evaluate(const std::string &expression) {
  return single<std::string>(query("SELECT " + expression));
}

std::string value_of(FieldKind kind, const std::string &value) {
  return "CAST(" + quote_literal(value) + " AS " + watermark_type(kind) + ")";
}

// A value of the field's type as text that means the same in every session.
std::string portable_text(FieldKind kind, const std::string &expression) {
  if (kind == FieldKind::timestamptz)
    return "CAST((" + expression + ") AT TIME ZONE 'UTC' AS pg_catalog.text) OPERATOR(pg_catalog.||) '+00'";
  return "CAST(" + expression + " AS pg_catalog.text)";
}

std::string moment(FieldKind kind, const Horizon &horizon) {
  return moment_in_field(kind, horizon.instant, horizon.local);
}

}  // namespace

std::string highest_in_field(const IncrementalField &field, const std::string &column) {
  return portable_text(field.kind, highest_value(field.kind, column));
}

std::string find_highest(Target &target, const IncrementalField &field, const QualifiedName &table) {
  return single<std::string>(target.query("SELECT " +
                                          highest_in_field(field, "r." + quote_identifier(field.name)) +
                                          " FROM " + quote_qualified(table) + " AS r"));
}

std::int64_t assumed_transaction_ms(const SyncSpec &spec) {
  return parse_duration_ms(spec.lookback.empty() ? "10min" : spec.lookback);
}

std::string lower_bound(const IncrementalField &field, const std::string &watermark, const Horizon &horizon,
                        const SyncSpec &spec) {
  std::string bound = watermark;
  if (field.kind != FieldKind::integer && !horizon.instant.empty())
    bound = evaluate(portable_text(
        field.kind, "least(" + value_of(field.kind, watermark) + ", " + moment(field.kind, horizon) + ")"));
  if (spec.lookback.empty()) return bound;
  return evaluate(portable_text(field.kind, less_lookback(field.kind, bound, spec.lookback)));
}

std::string proven_value(const IncrementalField &field, const Horizon &horizon) {
  if (field.kind == FieldKind::integer || horizon.instant.empty()) return {};
  return evaluate(portable_text(field.kind, moment(field.kind, horizon)));
}

namespace {

void advance_integer(Watermark &watermark, const std::string &highest, const Horizon &horizon,
                     const std::string &clock_after_snapshot, const SyncSpec &spec) {
  if (!horizon.instant.empty())
    if (const auto proven = take_proven(watermark.pending, horizon.instant))
      watermark.value = std::to_string(*proven);
  if (highest.empty()) return;
  if (spec.lookback.empty()) {
    watermark.pending.push_back({as_int64(highest), clock_after_snapshot});
  } else {
    // A number of values to go back is the user's own statement of how far they come out of order.
    watermark.value = highest;
    watermark.pending.clear();
  }
}

void advance_moment(Watermark &watermark, FieldKind kind, const std::string &highest,
                    const Horizon &horizon) {
  if (horizon.instant.empty() || highest.empty()) return;
  const std::string reached = "least(" + value_of(kind, highest) + ", " + moment(kind, horizon) + ")";
  // What was proven stays proven; but where the source's clock went back, rows of that time are still to
  // come.
  const std::string kept = watermark.value.empty()
                               ? reached
                               : "greatest(" + reached + ", least(" + value_of(kind, watermark.value) + ", " +
                                     moment(kind, horizon) + "))";
  watermark.value = evaluate(portable_text(kind, kept));
}

}  // namespace

void advance_watermark(Watermark &watermark, const IncrementalField &field, const std::string &highest,
                       const Horizon &horizon, const std::string &clock_after_snapshot, const SyncSpec &spec,
                       const std::optional<std::string> &cap) {
  if (field.kind == FieldKind::integer)
    advance_integer(watermark, highest, horizon, clock_after_snapshot, spec);
  else
    advance_moment(watermark, field.kind, highest, horizon);
  if (!cap || watermark.value.empty()) return;
  watermark.value =
      cap->empty() ? ""
                   : evaluate(portable_text(field.kind, "least(" + value_of(field.kind, watermark.value) +
                                                            ", " + value_of(field.kind, *cap) + ")"));
}

}  // namespace tablesync::pg
