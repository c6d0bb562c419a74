// ChunkLeader: the worker of a run that does the chunks which failed before, hands the others out to several
// workers where these are wanted, and says how it ends where some have failed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/rate.h"
#include "pg/chunk/chunk_copier.h"

namespace tablesync::pg {

class ChunkLeader {
 public:
  ChunkLeader(const RunSpec &spec, std::int64_t run_id, RunSteps &steps, ChunkCopier &copier)
      : spec_(spec), run_id_(run_id), steps_(steps), copier_(copier) {}

  // What was begun is to be completed, or given up, before something else is done. Throws 55000.
  void refuse_other_definition(const Checkpoint &begun, const std::string &definition) const;
  // Of a run that is resumed, those that were handed out so far: their failed ones are to be done again.
  void redo_up_to(std::int64_t last_chunk) { redo_to_ = last_chunk; }
  // Chooses the next of these, or keeps the chunk that is to be done once more; false where there is none.
  bool choose_failed();
  // All that is not handed out yet, by several workers whose processes begin at `entry`, each with its
  // `share`, a spec as bytes; returns what they did. Nothing where there is no slot for one of them: then
  // there is none in this run.
  std::optional<RunCounts> copy_in_parallel(int wanted, const char *entry, const std::string &share);
  bool may_have_others() const { return !alone_; }
  bool has_failed() const { return count_failed_chunks(copier_.subject()) > 0; }
  // `hint`: how to do them again.
  [[noreturn]] void fail_incomplete(const std::string &hint) const;

 private:
  const RunSpec &spec_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  ChunkCopier &copier_;
  bool alone_ = false;                         // there were no slots for several workers
  std::int64_t redo_from_ = 0, redo_to_ = -1;  // numbers of chunks
};

// What one of so many workers is to keep to.
template <typename Spec>
Spec share_of(Spec spec, int workers) {
  spec.max_rate = part_of(spec.max_rate, workers);
  return spec;
}

// The request of such a worker.
struct CopierRequest {
  std::string share;
  std::int64_t run_id = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &request, Visitor &&column) {
    column("share", request.share);
    column("run_id", request.run_id);
  }
};
CopierRequest read_copier_request(std::string_view request);

}  // namespace tablesync::pg
