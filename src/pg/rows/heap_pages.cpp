#include "pg/rows/heap_pages.h"

extern "C" {
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xloginsert.h"
#include "catalog/catalog.h"
#include "catalog/pg_am_d.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/smgr.h"

#include "pg/server/compat.h"
}

namespace tablesync::pg {
namespace {

// Of one WAL record (XLR_MAX_BLOCK_ID), and of one lock for extension.
constexpr int pages_at_a_time = 32;

Page page_at(const HeapPages &heap, int n) { return heap.pages + static_cast<Size>(n) * BLCKSZ; }

void begin_page(HeapPages &heap) { PageInit(page_at(heap, heap.count++), BLCKSZ, 0); }

// Their place is known only now.
void place_rows(Page page, BlockNumber block) {
  const OffsetNumber last = PageGetMaxOffsetNumber(page);
  for (OffsetNumber at = FirstOffsetNumber; at <= last; ++at) {
    auto *const row = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, PageGetItemId(page, at)));
    ItemPointerSet(&row->t_ctid, block, at);
  }
}

// Marks the blocks as all-visible and all-frozen, with two bits each (visibilitymap.c).
void mark_visible(Relation relation, BlockNumber block, int count) {
  constexpr BlockNumber per_byte = 4;
  constexpr BlockNumber per_page = (BLCKSZ - MAXALIGN(SizeOfPageHeaderData)) * per_byte;
  Buffer map = InvalidBuffer;
  while (count > 0) {
    visibilitymap_pin(relation, block, &map);
    LockBuffer(map, BUFFER_LOCK_EXCLUSIVE);
    START_CRIT_SECTION();
    char *const bits = PageGetContents(BufferGetPage(map));
    for (; count > 0 && visibilitymap_pin_ok(block, map); ++block, --count)
      bits[block % per_page / per_byte] |=
          static_cast<char>(VISIBILITYMAP_VALID_BITS << (block % per_byte * BITS_PER_HEAPBLOCK));
    MarkBufferDirty(map);
    if (RelationNeedsWAL(relation)) log_newpage_buffer(map, false);
    END_CRIT_SECTION();
    LockBuffer(map, BUFFER_LOCK_UNLOCK);
  }
  ReleaseBuffer(map);
}

void write_pages(HeapPages &heap) {
  if (heap.count == 0) return;
  Relation const relation = heap.relation;
  BlockNumber blocks[pages_at_a_time];
  Page pages[pages_at_a_time];
  const bool alone = RELATION_IS_LOCAL(relation);
  if (!alone) LockRelationForExtension(relation, ExclusiveLock);
  const BlockNumber first = RelationGetNumberOfBlocks(relation);
  for (int n = 0; n < heap.count; ++n) {
    blocks[n] = first + static_cast<BlockNumber>(n);
    pages[n] = page_at(heap, n);
    place_rows(pages[n], blocks[n]);
    if (heap.frozen) PageSetAllVisible(pages[n]);
  }
  // A checkpoint must not begin after the WAL record and end before the pages are written, because it writes
  // only buffers. If an error leaves this set, the end of the transaction clears it.
  MyProc->delayChkptFlags |= DELAY_CHKPT_START;
  if (RelationNeedsWAL(relation)) {
    compat_log_newpages(relation, heap.count, blocks, pages);
    // The WAL writer starts immediately, so that the commit need not wait for all of it.
    XLogSetAsyncXactLSN(PageGetLSN(pages[heap.count - 1]));
  }
  for (int n = 0; n < heap.count; ++n) {
    PageSetChecksumInplace(pages[n], blocks[n]);
    // One request for each file: to make it durable by the end of the next checkpoint.
    const bool last_of_file = n + 1 == heap.count || blocks[n] % RELSEG_SIZE == RELSEG_SIZE - 1;
    smgrextend(RelationGetSmgr(relation), MAIN_FORKNUM, blocks[n], pages[n], !last_of_file);
  }
  MyProc->delayChkptFlags &= ~DELAY_CHKPT_START;
  if (!alone) UnlockRelationForExtension(relation, ExclusiveLock);
  if (heap.frozen) mark_visible(relation, first, heap.count);
  pgstat_count_heap_insert(relation, heap.rows);
  heap.count = heap.rows = 0;
}

// As heap_prepare_insert() does (heapam.c).
void set_writer(const HeapPages &heap, HeapTuple tuple) {
  HeapTupleHeader const header = tuple->t_data;
  header->t_infomask &= static_cast<uint16>(~HEAP_XACT_MASK);
  header->t_infomask2 &= static_cast<uint16>(~HEAP2_XACT_MASK);
  header->t_infomask |= HEAP_XMAX_INVALID;
  HeapTupleHeaderSetXmin(header, heap.transaction);
  if (heap.frozen) HeapTupleHeaderSetXminFrozen(header);
  HeapTupleHeaderSetCmin(header, heap.command);
  HeapTupleHeaderSetXmax(header, 0);
  tuple->t_tableOid = RelationGetRelid(heap.relation);
}

}  // namespace

bool writes_heap_pages(Relation relation) {
  return relation->rd_rel->relam == HEAP_TABLE_AM_OID && !RelationIsLogicallyLogged(relation) &&
         relation->rd_rel->relpersistence != RELPERSISTENCE_TEMP;
}

HeapPages begin_heap_pages(Relation relation, bool frozen) {
  return {relation,
          frozen,
          static_cast<char *>(palloc(static_cast<Size>(pages_at_a_time) * BLCKSZ)),
          0,
          0,
          GetCurrentTransactionId(),
          GetCurrentCommandId(true),
          RelationGetTargetPageFreeSpace(relation, HEAP_DEFAULT_FILLFACTOR),
          Max(TOAST_TUPLE_THRESHOLD, static_cast<Size>(RelationGetToastTupleTarget(relation, 0)))};
}

void add_to_heap_pages(HeapPages &heap, HeapTuple tuple) {
  const int options = HEAP_INSERT_SKIP_FSM | HEAP_INSERT_NO_LOGICAL | (heap.frozen ? HEAP_INSERT_FROZEN : 0);
  set_writer(heap, tuple);
  if (HeapTupleHasExternal(tuple) || tuple->t_len > heap.most_inline)
    tuple = heap_toast_insert_or_update(heap.relation, tuple, nullptr, options);
  const Size size = MAXALIGN(tuple->t_len);
  if (size > MaxHeapTupleSize)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("row is too big: size %zu, maximum size %zu", size, MaxHeapTupleSize)));
  const bool fits =
      heap.count > 0 && (PageGetHeapFreeSpace(page_at(heap, heap.count - 1)) >= size + heap.spared ||
                         PageIsEmpty(page_at(heap, heap.count - 1)));
  if (!fits) {
    if (heap.count == pages_at_a_time) write_pages(heap);
    begin_page(heap);
  }
  if (PageAddItem(page_at(heap, heap.count - 1), reinterpret_cast<Item>(tuple->t_data), tuple->t_len,
                  InvalidOffsetNumber, false, true) == InvalidOffsetNumber)
    elog(ERROR, "a row does not fit into an empty page");
  ++heap.rows;
}

void end_heap_pages(HeapPages &heap) {
  write_pages(heap);
  pfree(heap.pages);
}

}  // namespace tablesync::pg
