#include "pg/rows/store_rows.h"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

#include "core/base/copy_binary.h"
#include "pg/rows/decode_value.h"
#include "pg/rows/heap_pages.h"
#include "pg/server/fault.h"  // says whether this is the build with fault points

// All of this is plain data in memory contexts: an ereport may leave it from anywhere.
namespace tablesync::pg {
namespace {

static_assert(sizeof(Datum) == 8, "eight-byte values are passed by value");

// As many rows are inserted at a time as COPY FROM does (copyfrom.c).
constexpr int batch_rows = 1000;
constexpr Size batch_bytes = 65535 * 8;

constexpr Size room_size = MAXALIGN(VARATT_SHORT_MAX);

struct StoredColumn {
  const char *name;
  int attribute;  // in the table, from 0
  Oid type;
  Oid parameter;
  int32 typmod;
  bool not_null;
  FmgrInfo receive;
};

struct RowStore {
  Relation relation;
  StoredColumn *columns;
  int column_count;
  Datum *values;
  bool *nulls;
  char *rooms;          // for one short value per column
  MemoryContext row;    // values of the current row
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
  const StoredColumn *reading;  // for the error context
};

[[noreturn]] void bad_format(const char *what) {
  ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("the source sent %s", what)));
  pg_unreachable();
}

template <typename T>
T take(CopyMessage &message) {
  return tablesync::take<T, bad_format>(message);
}

Datum receive_value(StoredColumn &column, char *bytes, int length) {
  // Receive functions may read a zero after the value (stringinfo.h); the original byte is restored.
  const char behind = bytes[length];
  bytes[length] = 0;
  StringInfoData buffer{bytes, length, length + 1, 0};
  Datum const value = ReceiveFunctionCall(&column.receive, &buffer, column.parameter, column.typmod);
  bytes[length] = behind;
  if (buffer.cursor != length)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("incorrect binary data format")));
  return value;
}

// The build with fault points compares every fast path with the receive function.
#ifdef TABLESYNC_FAULTS
void check_decoded(StoredColumn &column, char *bytes, int length, Datum value) {
  Datum const expected = receive_value(column, bytes, length);
  int16 size = 0;
  bool by_value = false;
  get_typlenbyval(column.type, &size, &by_value);
  // Its header may be a short one.
  const auto *const got = reinterpret_cast<struct varlena *>(DatumGetPointer(value));
  const bool short_header = size == -1 && VARATT_IS_SHORT(got);
  const auto *const full = reinterpret_cast<struct varlena *>(DatumGetPointer(expected));
  const bool same = short_header
                        ? VARSIZE_ANY_EXHDR(got) == VARSIZE_ANY_EXHDR(full) &&
                              memcmp(VARDATA_ANY(got), VARDATA_ANY(full), VARSIZE_ANY_EXHDR(got)) == 0
                        : datumIsEqual(value, expected, by_value, size);
  if (!same)
    elog(ERROR, "column \"%s\" was decoded to another value than its receive function returns", column.name);
}
#else
void check_decoded(StoredColumn &, char *, int, Datum) {}
#endif

void take_value(RowStore &store, int at, CopyMessage &message) {
  StoredColumn &column = store.columns[at];
  store.reading = &column;
  const auto length = static_cast<int32>(take<uint32>(message));
  store.nulls[column.attribute] = length == -1;
  if (length == -1) {
    if (column.not_null)
      ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
                      errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
                             column.name, RelationGetRelationName(store.relation))));
    // A domain may refuse nulls, for which strict functions are not called.
    if (!column.receive.fn_strict)
      ReceiveFunctionCall(&column.receive, nullptr, column.parameter, column.typmod);
    return;
  }
  if (length < 0 || length > message.end - message.at) bad_format("a truncated value");
  Datum &value = store.values[column.attribute];
  if (decode_value(column.type, column.typmod, message.at, length, store.rooms + at * room_size, &value))
    check_decoded(column, message.at, length, value);
  else
    value = receive_value(column, message.at, length);
  message.at += length;
}

// The tuple is in `place`, its values in the row's context.
HeapTuple form_row(RowStore &store, CopyMessage &message, MemoryContext place) {
  MemoryContextReset(store.row);
  MemoryContext const outer = MemoryContextSwitchTo(store.row);
  for (int i = 0; i < store.column_count; ++i) take_value(store, i, message);
  store.reading = nullptr;
  if (message.at != message.end) bad_format("a row that is too long");
  MemoryContextSwitchTo(place);
  HeapTuple const tuple = heap_form_tuple(RelationGetDescr(store.relation), store.values, store.nulls);
  MemoryContextSwitchTo(outer);
  return tuple;
}

void insert_pending(RowStore &store) {
  if (store.pending == 0) return;
  MemoryContext const outer = MemoryContextSwitchTo(store.row);
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
    HeapTuple const tuple = form_row(store, message, store.row);
    MemoryContext const outer = MemoryContextSwitchTo(store.row);
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
  const char *const table = RelationGetRelationName(store->relation);
  const auto line = static_cast<unsigned long long>(store->stored + static_cast<uint64>(store->pending) + 1);
  if (store->reading != nullptr)
    errcontext("COPY %s, line %llu, column %s", table, line, store->reading->name);
  else
    errcontext("COPY %s, line %llu", table, line);
}

void prepare(RowStore &store, const char *const *names, bool freeze) {
  // If several workers fill one table, the free space map shows the pages that one has added for all.
  store.options =
      (RELATION_IS_LOCAL(store.relation) ? TABLE_INSERT_SKIP_FSM : 0) | (freeze ? TABLE_INSERT_FROZEN : 0);
  store.command = GetCurrentCommandId(true);
  store.bulk = GetBulkInsertState();
  store.in_pages = freeze && writes_heap_pages(store.relation);
  if (store.in_pages) store.pages = begin_heap_pages(store.relation);
  TupleDesc const shape = RelationGetDescr(store.relation);
  store.columns =
      static_cast<StoredColumn *>(palloc0(sizeof(StoredColumn) * static_cast<Size>(store.column_count)));
  for (int i = 0; i < store.column_count; ++i) {
    StoredColumn &column = store.columns[i];
    column.name = names[i];
    column.attribute = get_attnum(RelationGetRelid(store.relation), names[i]) - 1;
    if (column.attribute < 0)
      ereport(ERROR,
              (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" of relation \"%s\" does not exist",
                                                         names[i], RelationGetRelationName(store.relation))));
    auto *attribute = TupleDescAttr(shape, column.attribute);
    column.type = attribute->atttypid;
    column.typmod = attribute->atttypmod;
    column.not_null = attribute->attnotnull;
    Oid function = InvalidOid;
    getTypeBinaryInputInfo(column.type, &function, &column.parameter);
    fmgr_info(function, &column.receive);
  }
  store.values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<Size>(shape->natts)));
  store.nulls = static_cast<bool *>(palloc0(static_cast<Size>(shape->natts)));
  store.rooms = static_cast<char *>(palloc(room_size * static_cast<Size>(store.column_count)));
  store.row = AllocSetContextCreate(CurrentMemoryContext, "row being loaded", ALLOCSET_DEFAULT_SIZES);
  // Keeps its first block, because memory that is returned to the system after each batch must be zeroed
  // again.
  constexpr Size kept = 1 << 20;
  store.batch = AllocSetContextCreate(CurrentMemoryContext, "rows being loaded", kept,
                                      ALLOCSET_DEFAULT_INITSIZE, ALLOCSET_DEFAULT_MAXSIZE);
  store.slots = static_cast<TupleTableSlot **>(palloc(sizeof(TupleTableSlot *) * batch_rows));
  for (int i = 0; i < batch_rows; ++i) store.slots[i] = MakeSingleTupleTableSlot(shape, &TTSOpsHeapTuple);
}

}  // namespace

bool stores_plain_rows(Relation relation, int column_count) {
  TupleDesc const shape = RelationGetDescr(relation);
  const TupleConstr *const constraints = shape->constr;
  const bool checks =
      constraints != nullptr && (constraints->num_check > 0 || constraints->has_generated_stored);
  return relation->rd_rel->relkind == RELKIND_RELATION && !relation->rd_rel->relhasindex &&
         !relation->rd_rel->relispartition && relation->trigdesc == nullptr && !checks &&
         shape->natts == column_count;
}

uint64 store_rows(Relation relation, const char *const *names, int column_count, bool freeze,
                  NextMessage next, void *context) {
  RowStore store{};
  store.relation = relation;
  store.column_count = column_count;
  prepare(store, names, freeze);
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
  MemoryContextDelete(store.row);
  return store.stored;
}

}  // namespace tablesync::pg
