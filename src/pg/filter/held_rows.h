// HeldTable: the rows that a table of this server holds, itself or in its partitions, hashed one after the
// other.
//
// Plain data in memory contexts, and server code: it raises with ereport. The table must be locked so that
// nobody writes it.
#pragma once

extern "C" {
#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/rel.h"
}

#include "pg/filter/row_hasher.h"
#include "pg/rows/heap_scan.h"

namespace tablesync::pg {

struct HeldTable {
  const Oid *leaves;  // the heaps that hold the rows
  int leaf_count;
  RowHasher hasher;
  // Of the row that is looked at, in the order of the hasher's shape.
  Datum *values;
  bool *nulls;
  MemoryContext row;  // its values that were compressed or out of line
};

// One heap during a scan.
struct HeldScan {
  HeapScan heap;
  bool is_same;           // the heap has the hasher's columns, in their order, and no other
  const int *attributes;  // of the hasher's columns in the heap, from 0
  int width;              // of those that must be deformed
};

HeldScan begin_held_scan(const HeldTable &table, Oid leaf);
// Hashes the nth row of the page, and sets the table's `values` and `nulls`.
void look_at_held_row(HeldTable &table, HeldScan &scan, int n, RowHashes *hash);
// About how many rows the table holds: the rows of a few blocks, for all.
double estimate_held_rows(const HeldTable &table);

// Calls f(hash, leaf, place) for each row that the active snapshot sees, and `page_done(rows)` after each
// page.
template <typename F, typename G>
void each_held_row(HeldTable &table, F f, G page_done) {
  for (int leaf = 0; leaf < table.leaf_count; ++leaf) {
    HeldScan scan = begin_held_scan(table, table.leaves[leaf]);
    while (scan.heap.next_page()) {
      for (int n = 0; n < scan.heap.rows(); ++n) {
        RowHashes hash;
        look_at_held_row(table, scan, n, &hash);
        f(hash, table.leaves[leaf], scan.heap.place(n));
      }
      page_done(scan.heap.rows());
    }
    scan.heap.end();
  }
}

}  // namespace tablesync::pg
