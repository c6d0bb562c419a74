// VerifyWork: compares a table with its source, and repairs it if asked.
#pragma once

#include <optional>
#include <string>

#include "pg/pair/compare.h"
#include "pg/pair/table_pair.h"
#include "pg/run/work.h"

namespace tablesync::pg {

// What a verification returns to its caller in addition to the result of the run.
struct ComparedRows {
  std::int64_t compared = 0, missing = 0, extra = 0, different = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &rows, Visitor &&column) {
    column("compared", rows.compared);
    column("missing", rows.missing);
    column("extra", rows.extra);
    column("different", rows.different);
  }
};

class VerifyWork final : public Work {
 public:
  VerifyWork(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
      : spec_(spec), run_id_(run_id), steps_(steps) {}

  StepEnd step() override;
  const RunCounts &counts() const override { return counts_; }
  std::string watermark() const override { return {}; }
  Row extra_columns() const override;  // ComparedRows

 private:
  void take_definition();
  std::string choose_pending();
  void repair();
  void refuse_older_source();
  void refuse_many_deletes() const;
  void choose_watermark();

  SyncSpec spec_;
  std::int64_t run_id_;
  RunSteps &steps_;
  std::optional<TablePair> pair_;
  std::string pending_;
  Comparison found_;
  RunCounts counts_;
  std::optional<Watermark> watermark_;  // to be written
};

}  // namespace tablesync::pg
