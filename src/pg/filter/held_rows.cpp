#include "pg/filter/held_rows.h"

extern "C" {
#include "access/detoast.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace tablesync::pg {
namespace {

bool is_toasted(Form_pg_attribute attribute, Datum value) {
  if (attribute->attlen != -1) return false;
  const char *const bytes = DatumGetPointer(value);
  return VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes);
}

// Whether it has a header of four bytes although one would do: the column's storage was PLAIN.
bool is_unpacked(Form_pg_attribute attribute, Datum value) {
  if (attribute->attlen != -1) return false;
  const char *const bytes = DatumGetPointer(value);
  return VARATT_IS_4B_U(bytes) && VARATT_CAN_MAKE_SHORT(bytes);
}

// Whether the row is stored as the hasher would form it.
bool is_stored_plainly(const HeldTable &table, HeapTupleHeader row, const Datum *values, const bool *nulls) {
  const TupleDesc shape = table.hasher.shape;
  if ((row->t_infomask & (HEAP_HASVARWIDTH | HEAP_HASEXTERNAL)) == 0) return true;
  if ((row->t_infomask & HEAP_HASEXTERNAL) != 0) return false;
  for (int n = 0; n < shape->natts; ++n)
    if (!nulls[n] &&
        (is_toasted(TupleDescAttr(shape, n), values[n]) || is_unpacked(TupleDescAttr(shape, n), values[n])))
      return false;
  return true;
}

}  // namespace

HeldScan begin_held_scan(const HeldTable &table, Oid leaf) {
  const TupleDesc shape = table.hasher.shape;
  Relation const relation = table_open(leaf, AccessShareLock);
  const TupleDesc stored = RelationGetDescr(relation);
  HeldScan scan{};
  auto *const attributes = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(shape->natts)));
  scan.attributes = attributes;
  scan.is_same = stored->natts == shape->natts;
  for (int n = 0; n < shape->natts; ++n) {
    Form_pg_attribute const wanted = TupleDescAttr(shape, n);
    const int at = attributes[n] = get_attnum(leaf, NameStr(wanted->attname)) - 1;
    // Datums of another type would be misread.
    if (at < 0 || TupleDescAttr(stored, at)->atttypid != wanted->atttypid)
      ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                      errmsg("a table was altered while the run read it"), errhint("Run it again.")));
    if (at != n) scan.is_same = false;
    if (at + 1 > scan.width) scan.width = at + 1;
  }
  auto *const types =
      static_cast<unsigned int *>(palloc0(sizeof(unsigned int) * static_cast<Size>(scan.width)));
  scan.heap = HeapScan::begin(leaf, scan.width, types);
  table_close(relation, NoLock);
  return scan;
}

void look_at_held_row(HeldTable &table, HeldScan &scan, int n, RowHashes *hash) {
  scan.heap.look_at(n);
  const bool is_whole = scan.heap.deform(scan.width);
  if (!is_whole) scan.heap.fill_missing(scan.width);
  const Datum *const values = scan.heap.values();
  const bool *const nulls = scan.heap.nulls();
  if (is_whole && scan.is_same && is_stored_plainly(table, scan.heap.row(), values, nulls)) {
    hash_stored(table.hasher, scan.heap.row(), scan.heap.size(n), values, hash);
    for (int k = 0; k < table.hasher.key_count; ++k) {
      const int column = table.hasher.key[k];
      table.values[column] = values[column];
      table.nulls[column] = nulls[column];
    }
    return;
  }
  MemoryContextReset(table.row);
  MemoryContext const outer = MemoryContextSwitchTo(table.row);
  for (int c = 0; c < table.hasher.shape->natts; ++c) {
    const int at = scan.attributes[c];
    table.nulls[c] = nulls[at];
    if (nulls[at]) continue;
    table.values[c] = values[at];
    if (is_toasted(TupleDescAttr(table.hasher.shape, c), values[at]))
      table.values[c] =
          PointerGetDatum(detoast_attr(reinterpret_cast<struct varlena *>(DatumGetPointer(values[at]))));
  }
  MemoryContextSwitchTo(outer);
  // A key that has a null finds no row: the row counts as gone, and its key as absent.
  if (!hash_values(table.hasher, table.values, table.nulls, hash)) *hash = {0, 0};
}

double estimate_held_rows(const HeldTable &table) {
  // Of all heaps together, but some of each.
  const BlockNumber samples = Max(4, 256 / Max(table.leaf_count, 1));
  double rows = 0;
  for (int leaf = 0; leaf < table.leaf_count; ++leaf) {
    Relation const relation = table_open(table.leaves[leaf], AccessShareLock);
    const BlockNumber blocks = RelationGetNumberOfBlocks(relation);
    const BlockNumber step = blocks / samples + 1;
    double sampled = 0, found = 0;
    for (BlockNumber block = 0; block < blocks; block += step) {
      CHECK_FOR_INTERRUPTS();
      Buffer const buffer = ReadBuffer(relation, block);
      LockBuffer(buffer, BUFFER_LOCK_SHARE);
      Page const page = BufferGetPage(buffer);
      const OffsetNumber last = PageGetMaxOffsetNumber(page);
      for (OffsetNumber n = FirstOffsetNumber; n <= last; n = OffsetNumberNext(n))
        if (ItemIdIsNormal(PageGetItemId(page, n))) ++found;
      UnlockReleaseBuffer(buffer);
      ++sampled;
    }
    if (sampled > 0) rows += found / sampled * blocks;
    table_close(relation, AccessShareLock);
  }
  return rows;
}

}  // namespace tablesync::pg
