// ChunkLeader: the main worker of a run in chunks. It retries chunks that failed before, distributes the
// others to parallel workers if wanted, and raises the error if chunks have failed.
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

  // Throws 55000 if the incomplete run has another definition: it must be completed or abandoned first.
  void refuse_other_definition(const Checkpoint &begun, const std::string &definition) const;
  // Sets the chunks of a resumed run that were handed out so far: failed ones among them are retried.
  void redo_up_to(std::int64_t last_chunk) { redo_to_ = last_chunk; }
  // Chooses the next failed chunk, or keeps the current one for a retry; false if there is none.
  bool choose_failed();
  // Copies the remaining chunks with parallel workers, whose processes start in `entry`, each with `share`, a
  // serialized spec. Returns their counts, or nothing if there is no slot for any of them: then this run does
  // not try again.
  std::optional<RunCounts> copy_in_parallel(int wanted, const char *entry, const std::string &share);
  bool may_have_others() const { return !alone_; }
  bool has_failed() const { return count_failed_chunks(copier_.subject()) > 0; }
  // Throws the error of the failed chunks. `hint`: the statement that retries them.
  [[noreturn]] void fail_incomplete(const std::string &hint) const;

 private:
  const RunSpec &spec_;
  const std::int64_t run_id_;
  RunSteps &steps_;
  ChunkCopier &copier_;
  bool alone_ = false;                         // there was no slot for a further worker
  std::int64_t redo_from_ = 0, redo_to_ = -1;  // numbers of chunks
};

// The share of one of `workers` workers: a part of the maximum rate.
template <typename Spec>
Spec share_of(Spec spec, int workers) {
  spec.max_rate = part_of(spec.max_rate, workers);
  return spec;
}

// The request of a parallel worker.
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
