#include "pg/sync/key_pass.h"

#include "core/sql/deparse.h"

namespace tablesync::pg {

bool KeyPass::step() {
  if (done_) return false;
  reads_ = true;
  const SyncPlan keys = pair_.plan.key_alone();
  if (!made_) keys_.make(keys);
  range_.upper.clear();
  const auto in_range = [&] { return in_chunk(pair_.all_rows, range_, ChunkBy::key, pair_.plan); };
  range_.upper = bound_of(pair_.source->query(nth_key(in_range(), pair_.plan, size_)));
  staged_ = pair_.stage(keys_.name(), keys, in_range());
  pair_.source->close();
  if (range_.upper.empty()) keys_.analyze();
  return true;
}

void KeyPass::committed() {
  if (!reads_) return;
  reads_ = false;
  made_ = true;
  count_ += staged_;
  done_ = range_.upper.empty();
  range_.lower = range_.upper;
}

bool KeyPass::make_smaller() {
  reads_ = false;
  if (size_ == 1) return false;
  size_ = smaller_chunk_size(size_);
  return true;
}

}  // namespace tablesync::pg
