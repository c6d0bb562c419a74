#include "pg/sync/key_pass.h"

#include <algorithm>

#include "core/deparse.h"
#include "pg/server/spi.h"
#include "pg/sync/target.h"

namespace tablesync::pg {

bool KeyPass::step() {
  if (done_) return false;
  const SyncPlan keys = pair_.plan.key_alone();
  // One may be left of an attempt before.
  if (!made_) drop_if_exists(keys_name);
  if (!made_) query(create_stage(keys_name, keys, OnCommit::keep));
  range_.upper.clear();
  const auto in_range = [&] {
    SourceRows rows = pair_.all_rows;
    for (const std::string &condition : rows_of(range_, ChunkBy::key, pair_.source_table, pair_.plan))
      rows.conditions.push_back(condition);
    return rows;
  };
  const Rows end = pair_.source->connection().query(nth_key(in_range(), pair_.plan, size_));
  // A null sorts last, so that only nulls are left.
  if (!end.empty() &&
      std::all_of(end[0].begin(), end[0].end(), [](const Cell &cell) { return cell.has_value(); }))
    for (const Cell &column : end[0]) range_.upper.push_back(*column);
  staged_ = pair_.stage(keys_name, keys, in_range());
  pair_.source->close();
  if (range_.upper.empty()) query(analyze(keys_name));
  return true;
}

void KeyPass::committed() {
  made_ = true;
  count_ += staged_;
  done_ = range_.upper.empty();
  range_.lower = range_.upper;
}

bool KeyPass::make_smaller() {
  constexpr std::int64_t times = 4;
  if (size_ == 1) return false;
  size_ = std::max<std::int64_t>(1, size_ / times);
  return true;
}

}  // namespace tablesync::pg
