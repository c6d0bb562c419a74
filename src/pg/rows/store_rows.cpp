#include "pg/rows/store_rows.h"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

#include "core/base/copy_binary.h"
#include "pg/rows/heap_pages.h"
#include "pg/rows/row_former.h"

// All of this is plain data in memory contexts: an ereport may leave it from anywhere.
namespace tablesync::pg {
namespace {

// As many rows are inserted at a time as COPY FROM does (copyfrom.c).
constexpr int batch_rows = 1000;
constexpr Size batch_bytes = 65535 * 8;

struct RowStore {
  Relation relation;
  RowFormer former;
  MemoryContext batch;  // tuples not yet inserted
  bool in_pages;        // the rows go into pages of our own; else by batches of slots
  HeapPages pages;
  CommandId command;
  int options;
  BulkInsertState bulk;
  TupleTableSlot **slots;
  int pending;
  Size pending_bytes;
  uint64 stored;
};

// The tuple is in `place`, its values in the former's context.
HeapTuple form_row(RowStore &store, CopyMessage &message, MemoryContext place) {
  form_values(store.former, message);
  MemoryContext const outer = MemoryContextSwitchTo(place);
  HeapTuple const tuple =
      heap_form_tuple(RelationGetDescr(store.relation), store.former.values, store.former.nulls);
  MemoryContextSwitchTo(outer);
  return tuple;
}

void insert_pending(RowStore &store) {
  if (store.pending == 0) return;
  MemoryContext const outer = MemoryContextSwitchTo(store.former.row);
  table_multi_insert(store.relation, store.slots, store.pending, store.command, store.options, store.bulk);
  MemoryContextSwitchTo(outer);
  for (int i = 0; i < store.pending; ++i) ExecClearTuple(store.slots[i]);
  MemoryContextReset(store.batch);
  store.stored += static_cast<uint64>(store.pending);
  store.pending = 0;
  store.pending_bytes = 0;
}

void store_row(RowStore &store, CopyMessage &message, Size size) {
  if (store.in_pages) {
    HeapTuple const tuple = form_row(store, message, store.former.row);
    MemoryContext const outer = MemoryContextSwitchTo(store.former.row);
    add_to_heap_pages(store.pages, tuple);
    MemoryContextSwitchTo(outer);
    ++store.stored;
    return;
  }
  // The batch's context frees it.
  ExecStoreHeapTuple(form_row(store, message, store.batch), store.slots[store.pending++], false);
  store.pending_bytes += size;
  if (store.pending == batch_rows || store.pending_bytes > batch_bytes) insert_pending(store);
}

void add_error_context(void *argument) {
  const auto *store = static_cast<RowStore *>(argument);
  add_row_context(store->former, store->stored + static_cast<uint64>(store->pending) + 1);
}

void prepare(RowStore &store, const char *const *names, int column_count, bool freeze) {
  // If several workers fill one table, the free space map shows the pages that one has added for all.
  store.options =
      (RELATION_IS_LOCAL(store.relation) ? TABLE_INSERT_SKIP_FSM : 0) | (freeze ? TABLE_INSERT_FROZEN : 0);
  store.command = GetCurrentCommandId(true);
  store.bulk = GetBulkInsertState();
  store.in_pages = writes_heap_pages(store.relation);
  if (store.in_pages) store.pages = begin_heap_pages(store.relation, freeze);
  TupleDesc const shape = RelationGetDescr(store.relation);
  const char *const table = RelationGetRelationName(store.relation);
  store.former = make_row_former(table, column_count, shape->natts);
  for (int i = 0; i < column_count; ++i) {
    const int attribute = get_attnum(RelationGetRelid(store.relation), names[i]) - 1;
    if (attribute < 0)
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                      errmsg("column \"%s\" of relation \"%s\" does not exist", names[i], table)));
    describe_column(store.former, i, names[i], attribute, TupleDescAttr(shape, attribute));
  }
  // Keeps its first block, because memory that is returned to the system after each batch must be zeroed
  // again.
  constexpr Size kept = 1 << 20;
  store.batch = AllocSetContextCreate(CurrentMemoryContext, "rows being loaded", kept,
                                      ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
  store.slots = static_cast<TupleTableSlot **>(palloc(sizeof(TupleTableSlot *) * batch_rows));
  for (int i = 0; i < batch_rows; ++i) store.slots[i] = MakeSingleTupleTableSlot(shape, &TTSOpsHeapTuple);
}

}  // namespace

bool stores_plain_rows(Relation relation, int column_count, Indexes indexes) {
  TupleDesc const shape = RelationGetDescr(relation);
  const TupleConstr *const constraints = shape->constr;
  const bool checks =
      constraints != nullptr && (constraints->num_check > 0 || constraints->has_generated_stored);
  return relation->rd_rel->relkind == RELKIND_RELATION &&
         (indexes == Indexes::built_later || !relation->rd_rel->relhasindex) &&
         !relation->rd_rel->relispartition && relation->trigdesc == nullptr && !checks &&
         shape->natts == column_count;
}

uint64 store_rows(Relation relation, const char *const *names, int column_count, bool freeze,
                  NextMessage next, void *context) {
  RowStore store{};
  store.relation = relation;
  prepare(store, names, column_count, freeze);
  ErrorContextCallback callback{error_context_stack, add_error_context, &store};
  error_context_stack = &callback;

  bool header_taken = false, trailer_taken = false;
  size_t size = 0;
  while (char *bytes = next(context, &size)) {
    CopyMessage message{bytes, bytes + size};
    if (!header_taken) take_header<bad_format>(message);
    header_taken = true;
    if (message.at == message.end) continue;
    if (trailer_taken) bad_format("data after the end of the COPY");
    trailer_taken = !take_row<bad_format>(message, column_count);
    if (trailer_taken) continue;
    store_row(store, message, size);
  }
  if (!trailer_taken) bad_format("a COPY without a trailer");
  insert_pending(store);
  if (store.in_pages) end_heap_pages(store.pages);

  error_context_stack = callback.previous;
  FreeBulkInsertState(store.bulk);
  table_finish_bulk_insert(relation, store.options);
  for (int i = 0; i < batch_rows; ++i) ExecDropSingleTupleTableSlot(store.slots[i]);
  MemoryContextDelete(store.batch);
  free_row_former(store.former);
  return store.stored;
}

}  // namespace tablesync::pg
