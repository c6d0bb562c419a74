// PivotVerify: compares readings with the cells of the wide tables, chunk of time after chunk of time, and
// lists those that are missing there, or are another.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "pg/pivot/pivot_chunk_copier.h"
#include "pg/run/work.h"

namespace tablesync::pg {

class PivotVerify final : public Work, private ReadingSink {
 public:
  PivotVerify(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps);

  bool step() override;
  const RunCounts &counts() const override { return counts_; }
  std::string told_watermark() const override { return {}; }
  bool progressed() const override { return false; }  // what was compared is in memory alone
  // The readings that were compared, and those that no column could take.
  Row told() const override;

 private:
  using Place = std::tuple<std::string, Moment, std::string>;  // ship, time, channel
  struct Difference {
    std::string expected;
    Cell found;
  };

  void take(const Reading &reading) override;
  void compare();
  void compare(WideTable &table);
  void compare(const WideTable &table, const WideRow &row, const Row *found);
  void note(const Place &place, const std::string &expected, const Cell &found, bool equal);
  bool find_range();
  void finish();

  const PivotSpec &spec_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  PivotChunkCopier copier_;
  bool begun_ = false;
  Moment begin_ = 0, end_ = 0;  // of what is left to compare
  std::map<Place, Difference> differences_;
  std::int64_t compared_ = 0, different_ = 0, unstored_ = 0;
  RunCounts counts_;
  std::string room_, why_;
};

}  // namespace tablesync::pg
