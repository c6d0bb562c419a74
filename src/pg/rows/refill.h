// A refill: an empty table with indexes gets a new file, rows go there as whole pages, and the indexes are
// built at the end, as TRUNCATE, COPY and REINDEX would do it in one transaction. Nobody can read the table
// meanwhile.
//
// Server code: it raises with ereport.
#pragma once

extern "C" {
#include "postgres.h"

#include "utils/rel.h"
}

namespace tablesync::pg {

// Begins it where the table has indexes but no row for anybody, needs no other service, and can be locked
// against readers at once. Else returns false and does nothing.
bool begin_refill(Relation relation, int column_count);
// Builds the indexes. `relation`: its oid; it must be closed. Raises 23505 and 23P01 as they do.
void end_refill(Oid relation);

}  // namespace tablesync::pg
