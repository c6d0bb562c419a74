// Which columns and heaps of a table are compared. Server code: it raises with ereport.
#pragma once

#include "pg/filter/comparison.h"

namespace tablesync::pg {

struct Wanted {
  const char *const *columns;  // of the stream
  int column_count;
  const char *const *key;
  int key_count;
  const char *mark;  // of the columns, the one that is not the table's; or null
};

// Describes the table and the stream, in the current memory context. The table has no leaves where rows of
// other tables belong to it.
void describe_target(Comparison &comparison, Oid oid, const Wanted &wanted);

// The default equality of a type, and whether equal values have equal images, so that two rows with one key
// have one hash (nbtree.h, BTEQUALIMAGE_PROC).
struct Equality {
  NameData schema, name;
  bool by_image;
};

// The column of that name, from 0; below 0: there is none.
int position_of(TupleDesc shape, const char *name);
Equality equality_of(Form_pg_attribute attribute);

}  // namespace tablesync::pg
