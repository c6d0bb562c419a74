#include "pg/changes/changed_rows.h"

#include "core/sql/deparse.h"
#include "pg/changes/digested_rows.h"
#include "pg/changes/filtered_rows.h"

namespace tablesync::pg {

std::string ChangedRows::obstacle(TablePair &pair) {
  if (pair.spec.compare == CompareBy::stage) return "the call says so";
  if (pair.target_is_empty) return "the target is empty";
  if (pair.plan.converts()) return "columns are converted after they have arrived";
  if (pair.plan.key_is_coarser) return "different keys of the source may be equal on the target";
  if (!pair.exclusively_locked) return "other sessions may write the target during the run";
  if (!pair.target_is_plain()) return "statements do not read and write the target where it is stored";
  return {};
}

std::string ChangedRows::digest_obstacle(const TablePair &pair, const SourceRows &rows) {
  if (!pair.plan.keyed()) return "rows without a key cannot be fetched one by one";
  if (!pair.plan.key_proven) return "only a scan shows that the source has no key twice";
  if (rows.conditions.size() != pair.all_rows.conditions.size())
    return "rows that are marked as deleted must be read";
  return {};
}

std::unique_ptr<ChangedRows> ChangedRows::of(TablePair &pair, const SourceRows &rows, std::string &why_not) {
  if (pair.spec.compare == CompareBy::digest && digest_obstacle(pair, rows).empty())
    if (std::unique_ptr<ChangedRows> digested = DigestedRows::of(pair, rows)) return digested;
  return FilteredRows::of(pair, rows, why_not);
}

void ChangedRows::list_gone() {
  Stage gone_rows(*pair_.target, gone_name);
  gone_rows.make(tablesync::gone_rows(pair_.plan));
  list_gone_in(gone_name);
  gone_rows.analyze_if_grown(gone(), {});
}

}  // namespace tablesync::pg
