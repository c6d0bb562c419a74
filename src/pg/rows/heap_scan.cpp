#include "pg/rows/heap_scan.h"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am_d.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/snapmgr.h"
}

#include "pg/server/airlock.h"
#include "pg/server/compat.h"

namespace tablesync::pg {

bool can_scan_heap(unsigned int oid) {
  return call([&] {
    Relation const relation = table_open(oid, AccessShareLock);
    bool const can = relation->rd_rel->relam == HEAP_TABLE_AM_OID && !IsolationIsSerializable() &&
                     !compat_has_virtual_columns(RelationGetDescr(relation));
    table_close(relation, AccessShareLock);
    return can;
  });
}

// Datums of other types would be misread.
static void check_types(TupleDesc row, int columns, const unsigned int *types) {
  bool expected = columns <= row->natts;
  for (int n = 0; expected && n < columns; ++n)
    expected = types[n] == 0 ||
               (TupleDescAttr(row, n)->atttypid == types[n] && !TupleDescAttr(row, n)->attisdropped);
  if (!expected)
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("a table was altered while the run read it"), errhint("Run it again.")));
}

HeapScan HeapScan::begin(unsigned int oid, int columns, const unsigned int *types) {
  HeapScan scan{};
  scan.relation_ = table_open(oid, AccessShareLock);
  check_types(RelationGetDescr(scan.relation_), columns, types);
  scan.snapshot_ = GetActiveSnapshot();
  scan.blocks_ = RelationGetNumberOfBlocks(scan.relation_);
  scan.block_ = 0;
  scan.buffer_ = InvalidBuffer;
  // As initscan(): a large table uses a small ring of buffers.
  if (scan.blocks_ > static_cast<BlockNumber>(NBuffers) / 4) scan.strategy_ = GetAccessStrategy(BAS_BULKREAD);
  const auto count = static_cast<Size>(columns);
  scan.values_ = static_cast<Datum *>(palloc0(count * sizeof(Datum)));
  scan.nulls_ = static_cast<bool *>(palloc0(count * sizeof(bool)));
  scan.attributes_ = static_cast<Attribute *>(palloc0(count * sizeof(Attribute)));
  for (int n = 0; n < columns; ++n) {
    Form_pg_attribute const attribute = TupleDescAttr(RelationGetDescr(scan.relation_), n);
    scan.attributes_[n] = {attribute->attlen,
                           static_cast<unsigned int>(att_align_nominal(1, attribute->attalign)) - 1,
                           attribute->attbyval};
  }
  pgstat_count_heap_scan(scan.relation_);
  return scan;
}

bool HeapScan::next_page() {
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    if (BufferIsValid(buffer_)) ReleaseBuffer(buffer_);
    buffer_ = InvalidBuffer;
    if (block_ >= blocks_) return false;
    buffer_ = ReadBufferExtended(relation_, MAIN_FORKNUM, block_, RBM_NORMAL, strategy_);
    // Visible rows stay in place while the page is pinned.
    LockBuffer(buffer_, BUFFER_LOCK_SHARE);
    page_ = BufferGetPage(buffer_);
    compat_test_old_snapshot(snapshot_, relation_, page_);
    bool const all_visible = PageIsAllVisible(page_) && !snapshot_->takenDuringRecovery;
    OffsetNumber const last = PageGetMaxOffsetNumber(page_);
    rows_ = 0;
    for (OffsetNumber n = FirstOffsetNumber; n <= last; n = OffsetNumberNext(n)) {
      ItemId const item = PageGetItemId(page_, n);
      if (!ItemIdIsNormal(item)) continue;
      if (!all_visible) {
        HeapTupleData row;
        row.t_tableOid = RelationGetRelid(relation_);
        row.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page_, item));
        row.t_len = ItemIdGetLength(item);
        ItemPointerSet(&row.t_self, block_, n);
        if (!HeapTupleSatisfiesVisibility(&row, snapshot_, buffer_)) continue;
      }
      offsets_[rows_++] = n;
      __builtin_prefetch(PageGetItem(page_, item));
    }
    LockBuffer(buffer_, BUFFER_LOCK_UNLOCK);
    ++block_;
    pgstat_count_index_tuples(relation_, rows_);  // counts returned rows, also of tables
    if (rows_ > 0) return true;
  }
}

void HeapScan::fill_missing(int count) {
  for (int n = done_; n < count; ++n)
    values_[n] = getmissingattr(RelationGetDescr(relation_), n + 1, &nulls_[n]);
  done_ = count;
}

void HeapScan::end() {
  if (BufferIsValid(buffer_)) ReleaseBuffer(buffer_);
  if (strategy_ != nullptr) FreeAccessStrategy(strategy_);
  table_close(relation_, AccessShareLock);
}

}  // namespace tablesync::pg
