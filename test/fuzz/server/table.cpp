#include "fuzz/server/table.h"

extern "C" {
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
}

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "fuzz/server/check.h"
#include "fuzz/server/server.h"
#include "pg/rows/heap_pages.h"

namespace tablesync::fuzz {
namespace {

constexpr int most_columns = 32;

struct Table {
  std::vector<Kind> kinds;
  alignas(8) char shape[most_columns * 2 * sizeof(FormData_pg_attribute)];
  char names[most_columns][16];
  FormData_pg_class form;
  TableAmRoutine methods;
  RelationData relation;
  bool in_pages = false;
  bool refuses_values = false;
  long rows = 0;
  Random random{0};
  std::vector<Datum> received;  // of the current row, by the receive functions
};

Table table;

// What heap_form_tuple() makes here: this, and then the texts of the values.
struct Row {
  HeapTupleData tuple;
  std::size_t size;
  unsigned sum;
};

unsigned sum_of(const char *bytes, std::size_t size) {
  unsigned sum = 0;
  for (std::size_t n = 0; n < size; ++n) sum = sum * 31 + static_cast<unsigned char>(bytes[n]);
  return sum;
}

void count_row(HeapTuple tuple) {
  const auto *const row = reinterpret_cast<const Row *>(tuple);
  must(sum_of(reinterpret_cast<const char *>(row + 1), row->size) == row->sum, "a row as it was formed");
  ++table.rows;
}

void insert_rows(Relation, TupleTableSlot **filled, int count, CommandId, int, struct BulkInsertStateData *) {
  for (int n = 0; n < count; ++n) count_row(reinterpret_cast<HeapTupleTableSlot *>(filled[n])->tuple);
}

void clear_slot(TupleTableSlot *slot) { reinterpret_cast<HeapTupleTableSlot *>(slot)->tuple = nullptr; }

bool is_by_value(Kind kind) {
  return kind != Kind::text && kind != Kind::numeric && kind != Kind::jsonb && kind != Kind::other;
}

Kind kind_of(Oid oid) {
  int kind = 0;
  while (oid_of(static_cast<Kind>(kind)) != oid) ++kind;
  return static_cast<Kind>(kind);
}

std::string text_of(Kind kind, Datum value) {
  const bool is_received =
      std::find(table.received.begin(), table.received.end(), value) != table.received.end();
  if (is_by_value(kind) || !is_received)
    return kind == Kind::jsonb ? text_of_jsonb(value) : sent(kind, value);
  const char *const bytes = DatumGetPointer(value);
  return {VARDATA(bytes), VARSIZE(bytes) - std::size_t{VARHDRSZ}};
}

}  // namespace

Relation make_table(Random &random, const std::vector<Kind> &columns, bool in_pages) {
  table = Table{};
  table.random = Random(random.bits());
  table.kinds = columns;
  table.in_pages = in_pages;
  auto *const shape = reinterpret_cast<TupleDesc>(table.shape);
  shape->natts = static_cast<int>(columns.size());
  must(shape->natts <= most_columns, "a table of few columns");
  for (int n = 0; n < shape->natts; ++n) {
    auto *const attribute = TupleDescAttr(shape, n);
    const Kind kind = columns[static_cast<std::size_t>(n)];
    attribute->atttypid = oid_of(kind);
    attribute->atttypmod = kind == Kind::timestamp && random.one_in(4) ? 3 : -1;
    attribute->attnotnull = random.one_in(16);
    table.refuses_values = table.refuses_values || attribute->attnotnull;
    table.names[n][0] = 'c';
    table.names[n][1] = static_cast<char>('a' + n);
  }
  table.methods.multi_insert = insert_rows;
  table.relation.rd_att = shape;
  table.relation.rd_rel = &table.form;
  table.relation.rd_tableam = &table.methods;
  return &table.relation;
}

std::vector<const char *> names_of_table() {
  std::vector<const char *> names;
  for (std::size_t n = 0; n < table.kinds.size(); ++n) names.push_back(table.names[n]);
  return names;
}

bool table_refuses_values() { return table.refuses_values; }
long rows_in_table() { return table.rows; }

}  // namespace tablesync::fuzz

namespace tablesync::pg {

using fuzz::table;

bool writes_heap_pages(Relation) { return table.in_pages; }
HeapPages begin_heap_pages(Relation, bool) { return {}; }
void add_to_heap_pages(HeapPages &, HeapTuple tuple) { fuzz::count_row(tuple); }
void end_heap_pages(HeapPages &) {}

}  // namespace tablesync::pg

using namespace tablesync::fuzz;

extern "C" {

const TupleTableSlotOps TTSOpsHeapTuple = [] {
  TupleTableSlotOps operations{};
  operations.clear = clear_slot;
  return operations;
}();

// ---- the catalog ------------------------------------------------------------------------------------------

AttrNumber get_attnum(Oid, const char *name) {
  const std::vector<const char *> names = names_of_table();
  const auto place =
      std::find_if(names.begin(), names.end(), [&](auto *other) { return !strcmp(name, other); });
  return static_cast<AttrNumber>(place - names.begin() + 1);
}

// The functions are called as their types.
void getTypeBinaryInputInfo(Oid type, Oid *function, Oid *parameter) {
  *function = type;
  *parameter = type;
}

void fmgr_info(Oid function, FmgrInfo *info) {
  info->fn_oid = function;
  info->fn_strict = !table.random.one_in(8);
}

// ---- values and rows --------------------------------------------------------------------------------------

// Reads what the function of the type may read: all bytes, and a zero behind them. What it makes of them is
// made of them all.
Datum ReceiveFunctionCall(FmgrInfo *function, StringInfo message, Oid, int32) {
  if (message == nullptr) return 0;
  const auto size = static_cast<std::size_t>(message->len);
  must(message->data[size] == 0 && message->maxlen > message->len, "a zero behind the value");
  const Kind kind = kind_of(function->fn_oid);
  // Of the wrong size.
  if (is_by_value(kind) && size != 8) throw Refused{ERRCODE_PROTOCOL_VIOLATION};
  const bool leaves_bytes = size > 0 && table.random.one_in(200);
  table.refuses_values = table.refuses_values || leaves_bytes;
  message->cursor = leaves_bytes ? 0 : message->len;
  if (is_by_value(kind)) return 0;
  auto *const value = static_cast<char *>(palloc(VARHDRSZ + size));
  SET_VARSIZE(value, VARHDRSZ + size);
  memcpy(VARDATA(value), message->data, size);
  table.received.push_back(PointerGetDatum(value));
  return PointerGetDatum(value);
}

HeapTuple heap_form_tuple(TupleDesc shape, Datum *values, bool *nulls) {
  std::string texts;
  for (int n = 0; n < shape->natts; ++n)
    if (!nulls[n]) texts += text_of(table.kinds[static_cast<std::size_t>(n)], values[n]);
  table.received.clear();
  auto *const row = static_cast<Row *>(palloc0(sizeof(Row) + texts.size()));
  memcpy(reinterpret_cast<char *>(row + 1), texts.data(), texts.size());
  row->size = texts.size();
  row->sum = sum_of(texts.data(), texts.size());
  return &row->tuple;
}

// ---- storing them -----------------------------------------------------------------------------------------

// A run makes one for each row of a batch, and has no others. They are not made of memory that a sanitizer
// guards: there would be 1000 pieces for each stream.
TupleTableSlot *MakeSingleTupleTableSlot(TupleDesc, const TupleTableSlotOps *operations) {
  constexpr std::size_t batch_rows = 1000;
  alignas(HeapTupleTableSlot) static char slots[batch_rows][sizeof(HeapTupleTableSlot)];
  static std::size_t next = 0;
  char *const bytes = slots[next++ % batch_rows];
  memset(bytes, 0, sizeof(HeapTupleTableSlot));
  memcpy(bytes + offsetof(TupleTableSlot, tts_ops), &operations, sizeof operations);
  return reinterpret_cast<TupleTableSlot *>(bytes);
}

TupleTableSlot *ExecStoreHeapTuple(HeapTuple tuple, TupleTableSlot *slot, bool) {
  reinterpret_cast<HeapTupleTableSlot *>(slot)->tuple = tuple;
  return slot;
}

void ExecDropSingleTupleTableSlot(TupleTableSlot *) {}
BulkInsertState GetBulkInsertState() { return nullptr; }
void FreeBulkInsertState(BulkInsertState) {}
CommandId GetCurrentCommandId(bool) { return 0; }

}  // extern "C"
