// HeapPages: writes rows to a heap that no other session sees yet. It builds whole pages and appends them to
// the file, without a buffer, a lock or a WAL record for each row, as CLUSTER does (rewriteheap.c). Several
// workers can append concurrently.
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
  bool frozen;  // the rows are visible to all once the transaction has committed
  char *pages;  // a buffer of several pages
  int count;    // pages with rows; the last one is being filled
  int rows;     // in them
  TransactionId transaction;
  CommandId command;
  Size spared;       // left free on each page for updates
  Size most_inline;  // of a row that is not toasted
};

// Whether rows of the table can be written as pages: a heap that is not logically decoded.
bool writes_heap_pages(Relation relation);

// Rows that are not frozen are those of this transaction. Allocates in the current memory context. These
// functions are server code: they raise with ereport.
HeapPages begin_heap_pages(Relation relation, bool frozen);
// Adds a row. Toasts it if it is longer than the table's toast_tuple_target.
void add_to_heap_pages(HeapPages &heap, HeapTuple tuple);
// Writes the remaining pages.
void end_heap_pages(HeapPages &heap);

}  // namespace tablesync::pg
