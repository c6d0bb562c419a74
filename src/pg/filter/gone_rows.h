// Gone rows: those of the target that no row of the stream had the key of, or was like.
#pragma once

#include "pg/filter/comparison.h"

namespace tablesync::pg {

// Scans the target again and puts them into this table: their keys; without a key their places, the oid of
// the heap that holds the row and its ctid. Server code: it raises with ereport.
void list_gone(Comparison &comparison, const char *schema, const char *name);

}  // namespace tablesync::pg
