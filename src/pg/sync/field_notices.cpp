#include "pg/sync/field_notices.h"

#include "core/base/text.h"
#include "pg/pair/field_bounds.h"

namespace tablesync::pg {
namespace {

// A session may use a cached sequence value after higher values were read.
void notice_sequence(TablePair &pair, const IncrementalField &field) {
  if (field.kind != FieldKind::integer || !pair.spec.lookback.empty()) return;
  const std::int64_t cache = pair.source->sequence_cache(pair.spec.incremental_field);
  if (cache <= 1) return;
  notice(
      pair.spec,
      "the sequence of incremental_field " + pair.spec.incremental_field + " has CACHE " + with_commas(cache),
      "A session reserves that many numbers in advance, and may use them after higher ones were synced. Such "
      "rows would not be read.",
      "Pass a lookback that covers the numbers that may be out of order: options => '{\"lookback\": \"" +
          std::to_string(100 * cache) +
          "\"}' for 100 such sessions. Or use a timestamp as the field, or sync_mode => 'xmin'.");
}

}  // namespace

void notice_horizon(TablePair &pair) {
  const std::string lookback = human_seconds(static_cast<double>(assumed_transaction_ms(pair.spec)) / 1000);
  constexpr double long_ago = 3600;
  if (pair.horizon->standby)
    notice(pair.spec, "the source is a standby, which does not show the transactions of its primary",
           "Transactions are assumed to last no longer than the lookback of " + lookback + ".",
           "Sync from the primary, or use sync_mode => 'xmin'.");
  else if (pair.horizon->hidden)
    notice(pair.spec, "the source does not show this role how old other sessions' transactions are",
           "They are assumed to last no longer than the lookback of " + lookback + ".",
           "On the source: GRANT pg_read_all_stats TO " + pair.source->role() + ".");
  if (pair.horizon->untracked)
    notice(pair.spec, "a session on the source has track_activities off",
           "Transactions are assumed to last no longer than the lookback of " + lookback + ".");
  if (pair.horizon->prepared)
    notice(pair.spec, "a prepared transaction on the source keeps the watermark from advancing", {},
           "On the source: SELECT * FROM pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED.");
  else if (pair.horizon->oldest_seconds > long_ago)
    notice(pair.spec, "a transaction on the source keeps the watermark from advancing",
           "Process " + pair.horizon->oldest_pid + " has had it open for " +
               human_seconds(pair.horizon->oldest_seconds) + ".");
}

// Rows from another server carry its times, and arrive late.
std::optional<std::string> notice_feed(TablePair &pair, const IncrementalField &field) {
  notice_sequence(pair, field);
  const Feed feed = pair.source->feed();
  const std::string hint = "Use sync_mode => 'xmin', which follows the transactions of the source itself.";
  const std::string detail = "Rows that arrive late on the source may have a lower " +
                             pair.spec.incremental_field + " than the rows that were already read.";
  if (feed.subscription) notice(pair.spec, "the source is fed by a subscription", detail, hint);
  if (!feed.tablesync) return std::nullopt;
  if (feed.mode == name_of(SyncMode::incremental) && feed.field == pair.spec.incremental_field)
    return feed.value;
  notice(pair.spec, "the source is filled by a sync in " + feed.mode + " mode", detail, hint);
  return std::nullopt;
}

}  // namespace tablesync::pg
