// HeapPages: rows of a heap that nobody else looks at yet, laid out in pages of our own and written to its
// file behind its end, without a buffer, a lock or a WAL record for each: as CLUSTER writes a table anew
// (rewriteheap.c), and several of us at once. All rows are frozen.
#pragma once

extern "C" {
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/htup.h"
#include "access/htup_details.h"
#include "utils/rel.h"
}

namespace tablesync::pg {

// Plain data in memory contexts: an ereport may leave it from anywhere.
struct HeapPages {
  Relation relation;
  char *pages;  // room for several
  int count;    // of those that have rows; the last one is being filled
  int rows;     // in them
  TransactionId transaction;
  CommandId command;
  Size spared;       // on each page, for updates
  Size most_inline;  // of a row that is not toasted
};

// Whether the rows of a table can be written so: a heap whose changes nobody decodes from the WAL.
bool writes_heap_pages(Relation relation);

// In the current memory context. Server code, all of it: raises with ereport.
HeapPages begin_heap_pages(Relation relation);
// Toasts the row where it is longer than the table's toast_tuple_target.
void add_to_heap_pages(HeapPages &heap, HeapTuple tuple);
// Writes what is left.
void end_heap_pages(HeapPages &heap);

}  // namespace tablesync::pg
