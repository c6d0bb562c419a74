// Watermark: from which source a target was filled and how far, and which rows the next run must read. A
// watermark is a proof: the target holds every row that the source had below it, and no further row can
// appear below it.
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

// The position of a snapshot in the history of its cluster.
struct SnapshotPosition {
  std::uint64_t xmin = 0;  // every transaction below it has ended; has an epoch, so it never wraps. 0: none
  std::string lsn;         // everything that the snapshot sees was written before it
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
  std::string value;  // of the field: the target has all rows below it; empty: nothing is proven
  std::vector<PendingValue> pending;
  // Of the source's cluster and table; empty if the role may not read them.
  std::string system_identifier, database_oid, relation_oid;
  SnapshotPosition position;   // of the last run that read everything written up to it
  SnapshotPosition last_read;  // of the last run or repair; the target is not older
  std::string target_files;    // see target_files.h
  bool own = true;             // false: a run of another role wrote it
  bool hidden_definition =
      false;                // another role's custom_select, custom_where or soft_delete_column, left out
  std::int64_t run_id = 0;  // that wrote it; 0: before a restore
  std::string restored{};   // the required digest of a restored target; empty: not restored

  // Removes the texts that select its rows, because they are SQL of another role.
  void hide_definition();
  // Sets the cluster, the table and its shape.
  void take_table(const Table &source);
};

// The columns of a table as one line, in a fixed order, and its marks as another line.
std::string shape_of(const Table &table);
// Describes a change of the shape by which rows may have changed without being written; empty if there is
// none. Additional marks (a label added to an enum) change no row. Marks are comparable only for one table in
// one cluster.
std::string columns_change(const std::string &known, const Table &now);
std::string marks_change(const std::string &known, const Table &now);
bool has_column(const std::string &shape, const std::string &column);

std::string to_text(const std::vector<PendingValue> &pending);
std::vector<PendingValue> parse_pending(std::string_view text);

// Removes the values that `horizon` proves from the list, and returns the highest of them. Keeps the list
// short.
std::optional<std::int64_t> take_proven(std::vector<PendingValue> &pending, const std::string &horizon);

// The rows of the source that a run reads.
struct ReadWindow {
  enum class Kind { everything, at_or_above_value, written_since_position, nothing };
  Kind kind = Kind::everything;
  std::string why;  // the reason for reading everything despite a watermark; empty if that is expected
};

// Returns the LSN at which the given timeline of the source ended, or empty if it is unknown.
using SwitchPoint = std::function<std::string(int timeline)>;

// Whether the xmin of the rows shows which of them were written after a transaction: all rows are in heaps of
// one table, and no other relation decides which rows are synced.
bool has_history(const Table &source);

// Whether the watermark's position is in the history of the current source, so that transaction ids identify
// the rows written after it.
bool proves_position(const Watermark &known, const Table &source, const SnapshotPosition &now,
                     const SwitchPoint &switch_point);

// Whether the source is at an earlier position of the same history than the last read of the target.
bool is_behind(const Watermark &known, const Table &source, const SnapshotPosition &now);

// A condition over the source's rows: those that the target need not have yet, because the next sync reads
// them. Empty if there are none; nothing if that is unknown.
std::optional<std::string> unproven_rows(const Watermark &known, const Table &source,
                                         const SnapshotPosition &now, const SwitchPoint &switch_point);

// Chooses the rows to read. Throws 55000 in xmin mode unless the source provably has the history of the
// watermark.
ReadWindow choose_window(const SyncSpec &spec, const std::optional<Watermark> &known, const Table &source,
                         const SnapshotPosition &now, bool target_is_empty, const SwitchPoint &switch_point);

// The rows that the chunks of a sync, read one after the other, may have missed. `since` was taken before the
// first chunk. ReadWindow::Kind::nothing if the source cannot show them.
ReadWindow choose_catch_up(const Watermark &since, const Table &source, const SnapshotPosition &now,
                           const SwitchPoint &switch_point);

}  // namespace tablesync
