// The arithmetic of an incremental field's bounds, done by this server in the field's own type.
#pragma once

#include <optional>
#include <string>

#include "core/incremental_field.h"
#include "core/sync_spec.h"
#include "core/watermark.h"
#include "remote/horizon.h"

namespace tablesync::pg {

// How long a transaction of the source may last where that cannot be seen: the lookback, or 10 minutes.
std::int64_t assumed_transaction_ms(const SyncSpec &spec);

// The bound to read from: the watermark, less the lookback that the user asked for; never above the horizon,
// which is below the watermark when the source's clock went back.
std::string lower_bound(const IncrementalField &field, const std::string &watermark,
                        const remote::Horizon &horizon, const SyncSpec &spec);

// The value below which every row is there, by the horizon alone; empty where a field of numbers says nothing
// of time.
std::string proven_value(const IncrementalField &field, const remote::Horizon &horizon);

// What the watermark is after a run that has read, into `relation` here (SQL), all rows from the old one on;
// `of_other_type`: its field is of another type than the source's. Changes `watermark.value` and
// `watermark.pending`. `cap`: where a sync fills the source in turn, how far that is proven to have come.
void advance_watermark(Watermark &watermark, const IncrementalField &field, const std::string &relation,
                       bool of_other_type, const remote::Horizon &horizon,
                       const std::string &clock_after_snapshot, const SyncSpec &spec,
                       const std::optional<std::string> &cap);

}  // namespace tablesync::pg
