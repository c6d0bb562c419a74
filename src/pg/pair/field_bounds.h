// The arithmetic of an incremental field's bounds, done by this server in the field's own type.
#pragma once

#include <optional>
#include <string>

#include "core/range/incremental_field.h"
#include "core/range/source.h"
#include "core/range/target.h"
#include "core/range/watermark.h"
#include "core/spec/sync_spec.h"

namespace tablesync::pg {

// How long a transaction of the source may last where that cannot be seen: the lookback, or 10 minutes.
std::int64_t assumed_transaction_ms(const SyncSpec &spec);

// The bound to read from: the watermark, less the lookback that the user asked for; never above the horizon,
// which is below the watermark when the source's clock went back.
std::string lower_bound(const IncrementalField &field, const std::string &watermark, const Horizon &horizon,
                        const SyncSpec &spec);

// The value below which every row is there, by the horizon alone; empty where a field of numbers says nothing
// of time.
std::string proven_value(const IncrementalField &field, const Horizon &horizon);

// The highest value of the field that is a proper one, as text that means the same in every session; empty
// where there is none. Over a column (SQL) that holds the field in the source's type: an expression of all
// rows; and its value over a table of the target that has it.
std::string highest_in_field(const IncrementalField &field, const std::string &column);
std::string find_highest(Target &target, const IncrementalField &field, const QualifiedName &table);

// What the watermark is after a run that has read all rows from the old one on; `highest`: as above, of them.
// Changes `watermark.value` and `watermark.pending`. `cap`: where a sync fills the source in turn, how far
// that is proven to have come.
void advance_watermark(Watermark &watermark, const IncrementalField &field, const std::string &highest,
                       const Horizon &horizon, const std::string &clock_after_snapshot, const SyncSpec &spec,
                       const std::optional<std::string> &cap);

}  // namespace tablesync::pg
