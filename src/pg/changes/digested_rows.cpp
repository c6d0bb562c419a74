#include "pg/changes/digested_rows.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/sql/deparse_verify.h"
#include "pg/changes/absent_rows.h"
#include "pg/server/fault.h"

namespace tablesync::pg {

std::unique_ptr<ChangedRows> DigestedRows::of(TablePair &pair, const SourceRows &rows) {
  pair.steps.enter(Phase::verify);
  const Comparison found = compare(pair, {}, 0);
  fault_point(FaultPoint::target_compared);
  constexpr std::int64_t most_in_memory = 100'000;  // their keys
  const std::int64_t differing = found.missing + found.different;
  if (differing > most_in_memory || is_cheaper_to_read_all(differing, found.source_rows)) return nullptr;
  return std::make_unique<DigestedRows>(pair, rows, found);
}

std::int64_t DigestedRows::stage(Stage &stage) {
  pair_.steps.explain("fetches " + counted(differing(), "row") + " of " + with_commas(found_.source_rows) +
                      ", whose digests differ");
  if (differing() > 0 || gone() > 0) {
    stage.make(pair_.plan.staged());
    fault_point(FaultPoint::stage_made);
  }
  if (differing() > 0) {
    const std::int64_t staged =
        pair_.stage_by_key(pair_.target->query(list_keys_to_fetch(pair_.plan.key.size())));
    if (staged != differing())
      throw Error(
          sqlstate::protocol_violation,
          "of " + counted(differing(), "row") + " that the source has, it returned " + with_commas(staged));
  }
  pair_.counts.read = found_.source_rows;
  return differing();
}

void DigestedRows::list_gone_in(const QualifiedName &table) {
  pair_.target->query(insert_extra_keys(table, pair_.plan));
}

}  // namespace tablesync::pg
