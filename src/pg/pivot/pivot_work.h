// PivotWork: runs a pivot, one transaction after the other.
//
//   checks -> sample of the channels, tables -> chunk after chunk -> end
#pragma once

#include <cstdint>
#include <string>

#include "pg/chunk/chunk_leader.h"
#include "pg/pivot/pivot_chunk_copier.h"
#include "pg/run/work.h"

namespace tablesync::pg {

class PivotWork final : public Work {
 public:
  PivotWork(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps);

  StepEnd step() override;
  bool recover(const Diagnostics &failure, bool by_source) override {
    return copier_.recover(failure, by_source);
  }
  const RunCounts &counts() const override { return counts_; }
  std::string watermark() const override { return {}; }
  bool progressed() const override { return progressed_; }

 private:
  StepEnd prepare();
  void check_ships();
  void refuse_unknown(const std::string &ship);
  void analyze();
  void make_sampled(const Lacking &lacking);
  void resume(const Checkpoint &begun);
  void start();
  void save_start();
  bool copy_in_parallel();
  StepEnd copy_chunk();
  StepEnd finish();

  const PivotSpec &spec_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  PivotChunkCopier copier_;
  ChunkLeader leader_;
  Checkpoint &checkpoint_;  // the copier's
  bool begun_ = false;
  bool starts_ = false;          // the run begins with the first chunk
  bool changed_tables_ = false;  // tables were changed before the first chunk
  bool progressed_ = false;      // in the last step
  RunCounts counts_;
};

}  // namespace tablesync::pg
