#include "pg/filter/compared_table.h"

extern "C" {
#include "access/nbtree.h"
#include "access/table.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "pg/server/compat.h"
}

namespace tablesync::pg {

int position_of(TupleDesc shape, const char *name) {
  for (int n = 0; n < shape->natts; ++n)
    if (strcmp(NameStr(TupleDescAttr(shape, n)->attname), name) == 0) return n;
  return -1;
}

namespace {

// The tables that hold the rows of a table; none where some rows are of other tables, or are elsewhere.
void find_leaves(HeldTable &held, Oid table) {
  List *const all = find_all_inheritors(table, NoLock, nullptr);
  const bool is_partitioned = get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE;
  auto *const leaves = static_cast<Oid *>(palloc(sizeof(Oid) * static_cast<Size>(list_length(all))));
  if (!is_partitioned && list_length(all) != 1) return;
  int count = 0;
  for (int n = 0; n < list_length(all); ++n) {
    const char kind = get_rel_relkind(list_nth_oid(all, n));
    if (kind == RELKIND_PARTITIONED_TABLE) continue;
    if (kind != RELKIND_RELATION) return;
    leaves[count++] = list_nth_oid(all, n);
  }
  held.leaves = leaves;
  held.leaf_count = count;
}

// Copies the attributes of `stored` at these places. Whatever the storage of a column is, its short values
// have short headers in an image.
TupleDesc pick(TupleDesc stored, const int *attributes, int count) {
  const TupleDesc shape = CreateTemplateTupleDesc(count);
  for (int n = 0; n < count; ++n) {
    const auto to = static_cast<AttrNumber>(n + 1), from = static_cast<AttrNumber>(attributes[n] + 1);
    TupleDescCopyEntry(shape, to, stored, from);
    if (TupleDescAttr(shape, n)->attlen == -1) compat_set_storage(shape, n, TYPSTORAGE_EXTENDED);
  }
  return shape;
}

void describe_columns(Comparison &comparison, TupleDesc shape, const char *table, const Wanted &wanted) {
  comparison.mark = -1;
  comparison.former = make_row_former(table, wanted.column_count, shape->natts + 1);
  for (int n = 0; n < wanted.column_count; ++n) {
    const char *const name = wanted.columns[n];
    if (wanted.mark != nullptr && strcmp(name, wanted.mark) == 0) {
      const TupleDesc mark = CreateTemplateTupleDesc(1);
      TupleDescInitEntry(mark, 1, name, BOOLOID, -1, 0);
      comparison.mark = shape->natts;
      describe_column(comparison.former, n, name, comparison.mark, TupleDescAttr(mark, 0));
    } else {
      const int at = position_of(shape, name);
      describe_column(comparison.former, n, name, at, TupleDescAttr(shape, at));
    }
  }
}

}  // namespace

void describe_target(Comparison &comparison, Oid oid, const Wanted &wanted) {
  Relation const relation = table_open(oid, AccessShareLock);
  const TupleDesc stored = RelationGetDescr(relation);
  auto *const attributes = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(stored->natts)));
  int count = 0;
  for (int n = 0; n < stored->natts; ++n) {
    if (TupleDescAttr(stored, n)->attisdropped) continue;
    for (int c = 0; c < wanted.column_count; ++c)
      if (strcmp(wanted.columns[c], NameStr(TupleDescAttr(stored, n)->attname)) == 0) attributes[count++] = n;
  }
  const TupleDesc shape = pick(stored, attributes, count);
  auto *const key = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(wanted.key_count + 1)));
  for (int n = 0; n < wanted.key_count; ++n) key[n] = position_of(shape, wanted.key[n]);
  HeldTable &held = comparison.held;
  held.hasher = make_row_hasher(shape, key, wanted.key_count);
  held.values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<Size>(count)));
  held.nulls = static_cast<bool *>(palloc0(static_cast<Size>(count)));
  held.row = AllocSetContextCreate(CurrentMemoryContext, "row that is compared", ALLOCSET_DEFAULT_SIZES);
  find_leaves(held, oid);
  describe_columns(comparison, shape, pstrdup(RelationGetRelationName(relation)), wanted);
  table_close(relation, NoLock);
}

Equality equality_of(Form_pg_attribute attribute) {
  Equality found{};
  const TypeCacheEntry *const type =
      lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
  HeapTuple const row = SearchSysCache1(OPEROID, ObjectIdGetDatum(type->eq_opr));
  if (!HeapTupleIsValid(row)) return found;
  auto *const equality = reinterpret_cast<Form_pg_operator>(GETSTRUCT(row));
  found.name = equality->oprname;
  namestrcpy(&found.schema, get_namespace_name(equality->oprnamespace));
  ReleaseSysCache(row);
  const Oid function =
      get_opfamily_proc(type->btree_opf, type->btree_opintype, type->btree_opintype, BTEQUALIMAGE_PROC);
  found.by_image =
      OidIsValid(function) && DatumGetBool(OidFunctionCall1Coll(function, attribute->attcollation,
                                                                ObjectIdGetDatum(type->btree_opintype)));
  return found;
}

}  // namespace tablesync::pg
