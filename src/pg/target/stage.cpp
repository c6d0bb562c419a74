#include "pg/target/stage.h"

#include "core/base/record.h"

namespace tablesync::pg {

void Stage::make(const SyncPlan &plan) {
  drop_if_exists();
  definition_ = create_stage(name_, plan, on_commit_);
  target_.query(definition_);
  analyzed_rows_ = -1;
}

void Stage::make_or_keep(const SyncPlan &plan, double now, double max_age) {
  const bool is_same = !definition_.empty() && definition_ == create_stage(name_, plan, on_commit_);
  if (is_same && now - made_at_ < max_age && single<bool>(target_.query(table_exists(name_)))) return;
  make(plan);
  made_at_ = now;
}

void Stage::analyze(const std::vector<std::string> &columns) const {
  target_.query(tablesync::analyze(name_, columns));
}

void Stage::analyze_if_grown(std::int64_t rows, const std::vector<std::string> &columns) {
  constexpr std::int64_t worth_statistics = 1000, tenfold = 10;
  if (rows <= worth_statistics || (analyzed_rows_ >= 0 && rows <= tenfold * analyzed_rows_)) return;
  analyze(columns);
  analyzed_rows_ = rows;
}

void Stage::drop_if_exists() const {
  if (single<bool>(target_.query(table_exists(name_)))) target_.query(drop_table(name_));
}

}  // namespace tablesync::pg
