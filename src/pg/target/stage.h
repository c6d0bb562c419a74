// Stage: a temporary table of a session on the target. Rows of the source wait in it before they go into the
// target, or keys before they are compared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/range/target.h"
#include "core/sql/deparse.h"
#include "core/table/sync_plan.h"

namespace tablesync::pg {

class Stage {
 public:
  // A stage of `target`, which must outlive this. Nothing is made yet. `on_commit`: what happens to the stage
  // when a transaction commits.
  Stage(Target &target, QualifiedName name, OnCommit on_commit = OnCommit::drop)
      : target_(target), name_(std::move(name)), on_commit_(on_commit) {}

  // Makes it with the columns of `plan`, empty. A stage of that name that an earlier attempt has left behind
  // is dropped first.
  void make(const SyncPlan &plan);
  // The same, but keeps the stage that this has made in an earlier transaction (OnCommit::empty) where its
  // columns are those of `plan` and it is not `max_age` seconds old yet: each new one costs rows in the
  // catalogs. `now`: seconds, of any clock that goes on.
  void make_or_keep(const SyncPlan &plan, double now, double max_age);
  // Collects statistics, of the given columns or of all.
  void analyze(const std::vector<std::string> &columns = {}) const;
  // Collects them where it now holds so many rows that those of before mislead the planner.
  void analyze_if_grown(std::int64_t rows, const std::vector<std::string> &columns);
  // Drops the one of that name, whoever made it.
  void drop_if_exists() const;
  // After a failed attempt: its transaction may have taken the stage with it.
  void forget() { definition_.clear(); }

  bool is_made() const { return !definition_.empty(); }
  const QualifiedName &name() const { return name_; }

 private:
  Target &target_;
  QualifiedName name_;
  OnCommit on_commit_;
  std::string definition_;           // as it was made; empty: not by this
  double made_at_ = 0;               // as `now`
  std::int64_t analyzed_rows_ = -1;  // when statistics were collected; below 0: never
};

}  // namespace tablesync::pg
