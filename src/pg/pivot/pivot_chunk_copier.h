// PivotChunkCopier: the chunks of a pivot: ranges of time, of one length, from the newest readings back or
// from the oldest on. Each is read in a transaction of the source and written in one here.
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

  // After open(), for those who read something else than a chunk.
  const PivotSource &source() const { return *source_; }
  const ReadingPlan &plan() const { return plan_; }
  PivotPass &pass() { return *pass_; }
  // One row of a query about the narrow table.
  Rows ask(const std::string &sql);
  // Gives the readings that a query about the narrow table selects to the sink; returns how many there were.
  std::int64_t read(const std::string &select, ReadingSink &sink);
  // The oldest and the newest finite time of the call's ships, of readings for which all conditions hold.
  struct Ends {
    std::optional<Moment> oldest, newest;
  };
  Ends find_ends(const std::vector<std::string> &conditions);
  // Whether the source can find readings by their time. Where it would read all of a large table for each
  // chunk, it is read once, with a NOTICE.
  bool finds_times();
  // Throws 0A000 where a source that asks others compares times in another way than this server.
  void check_times();
  // A NOTICE of the readings that lie beyond the cutoff, where the caller need not know that.
  void notice_beyond_cutoff();
  // What select_readings() ends with, so that of two readings of one cell the later comes last. Empty where
  // nothing shows which is the later, with a NOTICE.
  const std::string &order();
  void close_source() override;
  // The readings of these ships and channels, before any condition on time.
  std::vector<std::string> conditions() const;
  // Those that the call asks for.
  std::vector<std::string> of_ships_and_call() const;
  // What is known of the wide tables is not so any more.
  void forget_tables() { pass_.reset(); }
  // Looks at the tables themselves, for those who add columns to them. After open().
  void look_at_tables();
  // Makes what is lacking, in a transaction of its own that waits for nobody long; and what was lacking in
  // the pass before.
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
  int changes_ = 0;         // of tables by others, that the chunk has met in a row
  Lacking lacking_;         // what the last pass lacked: it is made before the next
  bool is_last_ = false;    // chunk_ is
  bool was_empty_ = false;  // the chunk before was
};

// Where the first chunk of so much time begins, so that it has the reading that is nearest to `end`, and the
// others are cut as those of any other call. `end`: no later than it, where the newest are first.
Moment first_begin(const PivotSpec &spec, Moment nearest, std::int64_t size, Moment end);

}  // namespace tablesync::pg
