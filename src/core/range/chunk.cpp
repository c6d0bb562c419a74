#include "core/range/chunk.h"

#include <algorithm>

#include "core/base/cell.h"
#include "core/base/text.h"

namespace tablesync {

const char *name_of(ChunkBy by) {
  switch (by) {
    case ChunkBy::key:
      return "key";
    case ChunkBy::time:
      return "time";
    default:
      return "ctid";
  }
}

ChunkBy parse_chunk_by(const std::string &name) {
  if (name == "time") return ChunkBy::time;
  return name == "key" ? ChunkBy::key : ChunkBy::ctid;
}

std::string describe(const Chunk &chunk, ChunkBy by) {
  const auto end = [](const Bound &bound, const char *open) {
    return bound.empty() ? open : join(bound, ", ");
  };
  if (by != ChunkBy::key)
    return std::string(by == ChunkBy::time ? "readings" : "pages") + " from " +
           end(chunk.lower, "the first") + " to " + end(chunk.upper, "the last");
  std::string text = chunk.lower.empty() ? "the first keys" : "keys above (" + join(chunk.lower, ", ") + ")";
  if (!chunk.upper.empty()) text += " up to (" + join(chunk.upper, ", ") + ")";
  return text;
}

namespace {

std::string compare(const std::string &left, const char *comparison, const std::string &right) {
  return left + " OPERATOR(pg_catalog." + comparison + ") " + right;
}

// Compares the columns of a key with a bound, first column first. `comparison`: < or >. `or_equal`: includes
// the bound. The condition on the first column comes first, without OR, so that an index can be used.
std::string beyond(const Table &source, const SyncPlan &plan, const Bound &bound,
                   const std::string &comparison, bool or_equal) {
  std::string condition;
  for (size_t n = bound.size(); n-- > 0;) {
    const std::string column = quote_identifier(plan.key[n]);
    const std::string value =
        "CAST(" + quote_literal(bound[n]) + " AS " + qualified_type(*source.find_column(plan.key[n])) + ")";
    const bool last = n + 1 == bound.size();
    const std::string first = compare(column, (comparison + "=").c_str(), value);
    if (last) {
      condition = or_equal ? first : compare(column, comparison.c_str(), value);
    } else {
      condition = first + " AND (" + compare(column, comparison.c_str(), value) + " OR " +
                  compare(column, "=", value) + " AND (" + condition + "))";
    }
  }
  return condition;
}

}  // namespace

std::int64_t block_of(const Bound &bound, std::int64_t open) {
  return bound.empty() ? open : as_int64(only_text(bound));
}

std::vector<std::string> rows_of(const Chunk &chunk, ChunkBy by, const Table &source, const SyncPlan &plan) {
  if (by == ChunkBy::ctid) return in_blocks(block_of(chunk.lower, 0), block_of(chunk.upper, -1));
  std::vector<std::string> conditions;
  if (!chunk.lower.empty()) {
    std::string above = beyond(source, plan, chunk.lower, ">", false);
    // A null is beyond no bound. The last chunk takes it, so that it is refused and not silently skipped.
    if (chunk.upper.empty())
      for (const std::string &name : plan.key)
        if (!source.find_column(name)->not_null) above += " OR " + quote_identifier(name) + " IS NULL";
    conditions.push_back(above);
  }
  if (!chunk.upper.empty()) conditions.push_back(beyond(source, plan, chunk.upper, "<", true));
  return conditions;
}

SourceRows in_chunk(SourceRows rows, const Chunk &chunk, ChunkBy by, const SyncPlan &plan) {
  for (const std::string &condition : rows_of(chunk, by, *rows.table, plan))
    rows.conditions.push_back(condition);
  return rows;
}

std::string nth_key(const SourceRows &rows, const SyncPlan &plan, std::int64_t count) {
  std::vector<std::string> columns, texts, order;
  for (const std::string &name : plan.key) {
    columns.push_back(quote_identifier(name));
    texts.push_back(columns.back() + "::pg_catalog.text");
    order.push_back(columns.back() + " USING OPERATOR(pg_catalog.<)");
  }
  // A subquery, because in the same SELECT the name would mean the text.
  return "SELECT " + join(texts, ", ") + " FROM (" + select(rows, join(columns, ", ")) + " ORDER BY " +
         join(order, ", ") + " OFFSET " + std::to_string(count - 1) + " LIMIT 1) AS k";
}

Bound bound_of(const Rows &key) {
  Bound bound;
  if (key.empty()) return bound;
  for (const Cell &column : key.front()) {
    if (!column) return {};
    bound.push_back(*column);
  }
  return bound;
}

std::int64_t next_chunk_size(std::int64_t size, double seconds, std::int64_t bytes,
                             const ChunkLimits &limits) {
  constexpr double most = 4, least = 0.1;
  const double by_time = seconds > 0 ? limits.seconds / seconds : most;
  const double by_bytes = bytes > 0 ? static_cast<double>(limits.bytes) / static_cast<double>(bytes) : most;
  const double factor = std::clamp(std::min(by_time, by_bytes), least, most);
  constexpr double largest = 1e15;
  return static_cast<std::int64_t>(std::clamp(static_cast<double>(size) * factor, 1.0, largest));
}

std::int64_t smaller_chunk_size(std::int64_t size) {
  constexpr std::int64_t times = 4;
  return std::max<std::int64_t>(1, size / times);
}

}  // namespace tablesync
