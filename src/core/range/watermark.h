// Watermark: what a target was filled from and how far, and what follows from it for the next run. A
// watermark is a proof: the target holds every row that the source had below it, and below it no row can
// appear any more.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/sync_spec.h"
#include "core/table/table.h"

namespace tablesync {

// Where in the history of its cluster a transaction reads.
struct SnapshotPosition {
  std::uint64_t xmin = 0;  // every transaction below has ended; with its epoch, so it never wraps. 0: none
  std::string lsn;         // all that the snapshot sees was written before it
  int timeline = 0;
  bool operator==(const SnapshotPosition &) const = default;
};

// The highest value of an integer field that a snapshot saw, and the source's clock after it. Once every
// transaction that was open at that time has ended, the values below are proven.
struct PendingValue {
  std::int64_t value;
  std::string clock;  // as Horizon::instant: texts of one length, ordered as the moments are
  bool operator==(const PendingValue &) const = default;
};

struct Watermark {
  std::string server, source;
  SyncMode mode = SyncMode::full;
  std::string field, custom_select, custom_where, soft_delete_column;
  std::string shape;  // of the source: see shape_of()
  std::string value;  // of the field: rows below it are all there; empty: nothing is proven
  std::vector<PendingValue> pending;
  // Of the source's cluster and table; empty where they may not be read.
  std::string system_identifier, database_oid, relation_oid;
  SnapshotPosition position;   // of the last run that read all that was written up to it
  SnapshotPosition last_read;  // of the last run or repair that read anything: the target is not older
  std::string target_files;    // see target_files.h
  bool own = true;             // else another role's run wrote it
  bool hidden_definition =
      false;                // another role's custom_select, custom_where or soft_delete_column, left out
  std::int64_t run_id = 0;  // that wrote it; 0: before a restore
  std::string
      restored{};  // what the target's digest must be, where a dump brought it; empty: nothing is open

  // Leaves out the texts that say which rows it is of: they are SQL of another role.
  void hide_definition();
  // Takes over which table of which cluster it is of, and its shape.
  void take_table(const Table &source);
};

// The columns of a table as one line, whatever their order; and its marks, another line.
std::string shape_of(const Table &table);
// What of a known shape is not so any more, so that rows may have changed that nobody wrote; empty where all
// is as it was. More marks (a label added to an enum) change no row. Marks are those of one table in one
// cluster.
std::string columns_change(const std::string &known, const Table &now);
std::string marks_change(const std::string &known, const Table &now);
bool has_column(const std::string &shape, const std::string &column);

std::string to_text(const std::vector<PendingValue> &pending);
std::vector<PendingValue> parse_pending(std::string_view text);

// Takes from the list what `horizon` proves, and returns the highest value of it. Keeps the list short.
std::optional<std::int64_t> take_proven(std::vector<PendingValue> &pending, const std::string &horizon);

// What a run reads of the source.
struct ReadWindow {
  enum class Kind { everything, at_or_above_value, written_since_position, nothing };
  Kind kind = Kind::everything;
  std::string why;  // why everything although there is a watermark; empty where that is no surprise
};

// LSN of the point at which the given timeline of the source ended, or empty where that cannot be known.
using SwitchPoint = std::function<std::string(int timeline)>;

// Whether the xmin of its rows tells which of them, among those that the sync is of, were written since a
// transaction: they are those of a table, all are in heaps, and no other relation decides which they are.
bool has_history(const Table &source);

// Whether the transactions that the watermark's position speaks of are those of the source as it is now, so
// that what was written since can be told by them.
bool proves_position(const Watermark &known, const Table &source, const SnapshotPosition &now,
                     const SwitchPoint &switch_point);

// Whether the source is at an earlier place of the same history than the last read of the target.
bool is_behind(const Watermark &known, const Table &source, const SnapshotPosition &now);

// A condition over the source's rows: those that the target need not have yet, since the next sync reads
// them; empty where there are none; nothing where that cannot be told.
std::optional<std::string> unproven_rows(const Watermark &known, const Table &source,
                                         const SnapshotPosition &now, const SwitchPoint &switch_point);

// Chooses what to read. Throws 55000 in xmin mode where the source is not, or not provably, of the history
// that the watermark is of.
ReadWindow choose_window(const SyncSpec &spec, const std::optional<Watermark> &known, const Table &source,
                         const SnapshotPosition &now, bool target_is_empty, const SwitchPoint &switch_point);

// What the chunks of a sync, read one after the other, may have missed: `since` was taken before the first of
// them. Nothing where the source cannot tell.
ReadWindow choose_catch_up(const Watermark &since, const Table &source, const SnapshotPosition &now,
                           const SwitchPoint &switch_point);

}  // namespace tablesync
