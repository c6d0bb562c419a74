#include "pg/filter/gone_rows.h"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

#include "pg/filter/compared_table.h"

namespace tablesync::pg {
namespace {

struct GoneList {
  Relation relation;
  const int *columns;  // of the compared ones, those of the list, in its order; unused without a key
  Datum *values;
  bool *nulls;
  BulkInsertState bulk;
  int64 listed;
};

// Lists the rows of the target that are among those in the hash table.
void list_known(Comparison &comparison, GoneList &list) {
  PushActiveSnapshot(GetTransactionSnapshot());
  const RowHasher &hasher = comparison.held.hasher;
  MemoryContext const row =
      AllocSetContextCreate(CurrentMemoryContext, "row that is gone", ALLOCSET_DEFAULT_SIZES);
  each_held_row(
      comparison.held,
      [&](const RowHashes &hash, Oid leaf, ItemPointerData place) {
        if (!comparison.known->take_same(hash)) return;
        MemoryContext const outer = MemoryContextSwitchTo(row);
        if (hasher.key_count == 0) {
          list.values[0] = ObjectIdGetDatum(leaf);
          list.values[1] = PointerGetDatum(&place);
        }
        for (int n = 0; n < hasher.key_count; ++n) {
          list.values[n] = comparison.held.values[list.columns[n]];
          list.nulls[n] = comparison.held.nulls[list.columns[n]];
        }
        HeapTuple const tuple = heap_form_tuple(RelationGetDescr(list.relation), list.values, list.nulls);
        heap_insert(list.relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_SKIP_FSM, list.bulk);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(row);
        ++list.listed;
      },
      [](int) {});
  PopActiveSnapshot();
}

// The columns of the list have the names of the key's, in an order of their own.
const int *columns_of(const Comparison &comparison, TupleDesc list) {
  const RowHasher &hasher = comparison.held.hasher;
  if (hasher.key_count == 0) return nullptr;
  auto *const columns = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(list->natts)));
  for (int n = 0; n < list->natts; ++n) {
    columns[n] = position_of(hasher.shape, NameStr(TupleDescAttr(list, n)->attname));
    if (columns[n] < 0) elog(ERROR, "the list of rows that are gone has another column than the key");
  }
  return columns;
}

}  // namespace

void list_gone(Comparison &comparison, const char *schema, const char *name) {
  GoneList list{};
  list.relation = table_openrv(makeRangeVar(pstrdup(schema), pstrdup(name), -1), RowExclusiveLock);
  const auto columns = static_cast<Size>(RelationGetDescr(list.relation)->natts);
  list.values = static_cast<Datum *>(palloc0(columns * sizeof(Datum)));
  list.nulls = static_cast<bool *>(palloc0(columns));
  list.columns = columns_of(comparison, RelationGetDescr(list.relation));
  list.bulk = GetBulkInsertState();
  if (comparison.spill.parts == 0) {
    list_known(comparison, list);
  } else {
    // As many at a time as the hash table has room for.
    RowHashes hash;
    uint64 times = 0;
    rewind_left(comparison.spill);
    comparison.known->clear();
    bool more = read_left(comparison.spill, &hash, &times);
    while (more) {
      if (!comparison.known->add(hash, times)) {
        list_known(comparison, list);
        comparison.known->clear();
        continue;
      }
      more = read_left(comparison.spill, &hash, &times);
    }
    list_known(comparison, list);
  }
  if (list.listed != comparison.left)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("two scans of one table found different rows")));
  FreeBulkInsertState(list.bulk);
  table_close(list.relation, NoLock);
  CommandCounterIncrement();
}

}  // namespace tablesync::pg
