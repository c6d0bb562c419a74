#include "pg/rows/refill.h"

extern "C" {
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/index.h"
#include "commands/tablecmds.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"

#include "pg/server/compat.h"
}

#include "pg/rows/heap_pages.h"
#include "pg/rows/store_rows.h"

namespace tablesync::pg {

bool begin_refill(Relation relation, int column_count) {
  if (!relation->rd_rel->relhasindex || IsSystemRelation(relation) || !writes_heap_pages(relation) ||
      !stores_plain_rows(relation, column_count, Indexes::built_later))
    return false;
  // Rows that were deleted may be visible to an older snapshot.
  if (RelationGetNumberOfBlocks(relation) > 0) return false;
  if (!ConditionalLockRelation(relation, AccessExclusiveLock)) return false;
  if (RelationGetNumberOfBlocks(relation) > 0) return false;
  CheckTableNotInUse(relation, "sync into");
  compat_set_new_file(relation);
  CommandCounterIncrement();
  return true;
}

void end_refill(Oid relation) {
  CommandCounterIncrement();
  compat_reindex(relation);
  CommandCounterIncrement();
}

}  // namespace tablesync::pg
