// PivotChunkCopier: copies the chunks of a pivot, which are ranges of time of one length, from the newest to
// the oldest readings or from the oldest to the newest. Each is read in one transaction of the source and
// written in one of the target.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/range/source.h"
#include "pg/chunk/chunk_copier.h"
#include "pg/pivot/pivot_pass.h"
#include "pg/server/latch_host.h"

namespace tablesync::pg {

class PivotChunkCopier final : public ChunkCopier {
 public:
  PivotChunkCopier(const PivotSpec &spec, std::int64_t run_id, RunSteps &steps, bool in_parallel);

  std::string open() override;
  const std::string &subject() const override { return subject_; }
  bool recover(const Diagnostics &failure, bool by_source) override;
  bool alter_tables() override;

  // Valid after open(). For callers that read something other than a chunk.
  const PivotSource &source() const { return *source_; }
  const ReadingPlan &plan() const { return plan_; }
  PivotPass &pass() { return *pass_; }
  // Runs a query about the narrow table where that table is.
  Rows ask(const std::string &sql);
  // Passes the readings that a query about the narrow table selects to the sink; returns their number.
  std::int64_t read(const std::string &select, ReadingSink &sink);
  // The oldest and the newest finite time of the call's ships, of readings that meet all conditions.
  struct Ends {
    std::optional<Moment> oldest, newest;
  };
  Ends find_ends(const std::vector<std::string> &conditions);
  // Whether the source can find readings by their time. If not, it would read all of a large table for each
  // chunk: then raises a NOTICE, and the table is read in one chunk.
  bool finds_times();
  // Throws 0A000 where a source that queries other servers compares times differently from this server.
  void check_times();
  // Raises a NOTICE about the readings beyond the cutoff, where the caller may not expect any.
  void notice_beyond_cutoff();
  // The end of the query of select_readings() that makes the later of two readings of one cell come last.
  // Empty, with a NOTICE, where nothing shows which is the later.
  const std::string &order();
  void close_source() override;
  // The conditions on ships and channels, without those on time.
  std::vector<std::string> conditions() const;
  // All conditions of the call.
  std::vector<std::string> of_ships_and_call() const;
  // Forgets the state of the wide tables, which is no longer valid.
  void forget_tables() { pass_.reset(); }
  // Reads the wide tables from the catalogs, which adding columns requires. Call it after open().
  void look_at_tables();
  // Creates missing tables and columns, in a transaction of its own that never waits long for a lock.
  void change_tables(const Lacking &lacking);

 private:
  void find_end() override;
  Bound next_begin() const override;
  bool copy_rows() override;
  void lose_source() override;
  std::int64_t size_after(double) const override { return checkpoint.size; }
  void record_outcome(const Diagnostics *failure) override;
  std::optional<Moment> skip_gap(Moment begin);
  void change_at_once(const Lacking &lacking);
  void widen(const Lacking &lacking);
  bool must_repeat();
  void notice_beyond(const BeyondCutoff &beyond) const;

  const PivotSpec &spec_;
  const std::string subject_;
  LatchHost host_;
  std::unique_ptr<Source> remote_;
  Table narrow_;
  std::optional<PivotSource> source_;
  ReadingPlan plan_;
  std::unique_ptr<PivotPass> pass_;
  std::set<ChannelName> integers_;  // columns that cannot take decimals
  bool in_order_ = false;           // the chunk is read in the order of age
  std::optional<std::string> order_;
  int changes_ = 0;         // of tables by others, met by this chunk
  Lacking lacking_;         // missing in the last pass; created before the next one
  bool is_last_ = false;    // chunk_ is the last one
  bool was_empty_ = false;  // the previous chunk was empty
};

// Returns where the first chunk of length `size` begins: it contains the reading at `nearest`, and all chunks
// are cut at the same times as those of other calls. If the newest are read first, that is not after `end`.
Moment first_begin(const PivotSpec &spec, Moment nearest, std::int64_t size, Moment end);

}  // namespace tablesync::pg
