// VerifyPivotWork: compares readings with the cells of the wide tables, chunk of time after chunk of time,
// and lists those that are missing or different.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "pg/pivot/pivot_chunk_copier.h"
#include "pg/run/work.h"

namespace tablesync::pg {

// What a verification returns to its caller in addition to the result of the run.
struct PivotComparison {
  std::int64_t compared = 0, different = 0;  // cells
  std::int64_t unstored = 0;                 // readings that no column can store

  template <typename Record, typename Visitor>
  static void each_column(Record &comparison, Visitor &&column) {
    column("compared", comparison.compared);
    column("different", comparison.different);
    column("unstored", comparison.unstored);
  }
};

class VerifyPivotWork final : public Work, private ReadingSink {
 public:
  VerifyPivotWork(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps);

  StepEnd step() override;
  const RunCounts &counts() const override { return counts_; }
  std::string watermark() const override { return {}; }
  bool progressed() const override { return false; }  // the differences are only in memory
  Row extra_columns() const override;                 // PivotComparison

 private:
  using Place = std::tuple<std::string, Moment, std::string>;  // ship, time, channel
  struct Difference {
    std::string expected;
    Cell found;
  };

  bool take(const Reading &reading) override;
  void compare_chunk(const std::string &select);
  void read(const std::string &select);
  void make_room();
  void compare(std::uint64_t before);
  void compare(WideTable &table, std::uint64_t before);
  void compare(const WideTable &table, const WideRow &row, const Row *found);
  void note(const Place &place, const std::string &expected, const Cell &found, bool equal);
  void begin();
  std::vector<std::string> choose_chunk();
  bool is_done();
  void refuse_unrecorded(std::string_view ship);
  void finish();

  const PivotSpec &spec_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  PivotChunkCopier copier_;
  bool begun_ = false;
  Moment begin_ = 0, end_ = 0;  // of what is left to compare
  Moment next_ = 0;             // where the chunk ends
  bool is_first_ = true;        // no chunk was chosen before it
  bool is_one_chunk_ = false;
  struct Found {
    std::map<Place, Difference> differences;
    std::int64_t compared = 0, different = 0, unstored = 0;
  };
  Found found_;
  // Of the chunk: whether a cell had two values; how often the buffer was compared, and how many cells
  // differed.
  bool two_values_ = false;
  std::int64_t batches_ = 0, differed_ = 0;
  RunCounts counts_;
  TempBlockFiles files_;
  std::optional<PivotSpill> spill_;  // of the readings of the chunk
  std::string room_, why_;
};

}  // namespace tablesync::pg
