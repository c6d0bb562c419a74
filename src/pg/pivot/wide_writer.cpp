#include "pg/pivot/wide_writer.h"

extern "C" {
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pg/server/compat.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/tuplestore.h"
}

#include <algorithm>

#include "core/sql/deparse_wide_table.h"
#include "pg/rows/heap_pages.h"
#include "pg/server/airlock.h"
#include "pg/server/statement_check.h"

namespace tablesync::pg {
namespace {

static_assert(sizeof(Datum) == sizeof(std::uint64_t), "eight-byte values are passed by value");
static_assert(sizeof(bool) == 1);

// All data below are plain data in memory contexts, because an ereport may leave from anywhere.

// A row that is being formed: it may have fewer attributes than the table by now.
struct Form {
  const WideTarget *target;
  Datum *values;
  bool *nulls;
  TupleDesc shape;
};

Datum time_in(const WideTarget &target, Moment time) {
  if (target.form == TimeForm::as_it_is) return Int64GetDatum(time);
  Datum const zone = PointerGetDatum(cstring_to_text(target.time_zone.c_str()));
  return DirectFunctionCall2(target.form == TimeForm::clock_to_moment ? timestamp_zone : timestamptz_zone,
                             zone, Int64GetDatum(time));
}

Form begin_form(const WideTarget &target, Relation relation) {
  TupleDesc const shape = RelationGetDescr(relation);
  return {&target, static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(shape->natts))),
          static_cast<bool *>(palloc(static_cast<Size>(shape->natts))), shape};
}

void fill(const Form &form, const WideRow &row) {
  const auto width = static_cast<Size>(Min(row.width, form.shape->natts));
  memcpy(form.values, row.values, width * sizeof(Datum));
  memcpy(form.nulls, row.nulls, width);
  memset(form.nulls + width, true, static_cast<Size>(form.shape->natts) - width);
  if (form.target->form != TimeForm::as_it_is)
    form.values[form.target->time_at] = time_in(*form.target, row.time);
}

HeapTuple form_tuple(const Form &form, const WideRow &row) {
  fill(form, row);
  return heap_form_tuple(form.shape, form.values, form.nulls);
}

// Runs f for each row, in a context that is emptied now and then.
template <typename F>
void each_row(const WideRow *const *rows, size_t count, F f) {
  constexpr size_t rows_per_reset = 64;
  MemoryContext const context =
      AllocSetContextCreate(CurrentMemoryContext, "wide rows being stored", ALLOCSET_DEFAULT_SIZES);
  for (size_t n = 0; n < count; ++n) {
    MemoryContext const outer = MemoryContextSwitchTo(context);
    f(*rows[n]);
    MemoryContextSwitchTo(outer);
    if (n % rows_per_reset == rows_per_reset - 1) MemoryContextReset(context);
  }
  MemoryContextDelete(context);
}

void store_in_pages(Relation relation, const WideTarget &target, const WideRow *const *rows, size_t count) {
  Form const form = begin_form(target, relation);
  HeapPages pages = begin_heap_pages(relation, true);
  each_row(rows, count, [&](const WideRow &row) { add_to_heap_pages(pages, form_tuple(form, row)); });
  end_heap_pages(pages);
}

void store_and_index(Relation relation, const WideTarget &target, const WideRow *const *rows, size_t count) {
  constexpr int batch = 64;
  EState *const state = CreateExecutorState();
  MemoryContext const outer = MemoryContextSwitchTo(state->es_query_cxt);
  Form const form = begin_form(target, relation);
  ResultRelInfo *const info = makeNode(ResultRelInfo);
  InitResultRelInfo(info, relation, 1, nullptr, 0);
  ExecOpenIndices(info, false);
  BulkInsertState const bulk = GetBulkInsertState();
  const CommandId command = GetCurrentCommandId(true);
  // A table without pages has no free space, and no map of it to search.
  const int options = RelationGetNumberOfBlocks(relation) == 0 ? TABLE_INSERT_SKIP_FSM : 0;
  TupleTableSlot *slots[batch];
  for (TupleTableSlot *&slot : slots) slot = MakeSingleTupleTableSlot(form.shape, &TTSOpsHeapTuple);
  MemoryContext const tuples =
      AllocSetContextCreate(CurrentMemoryContext, "wide rows being stored", ALLOCSET_DEFAULT_SIZES);
  for (size_t n = 0; n < count;) {
    int pending = 0;
    MemoryContextSwitchTo(tuples);
    for (; n < count && pending < batch; ++n)
      ExecStoreHeapTuple(form_tuple(form, *rows[n]), slots[pending++], false);
    table_multi_insert(relation, slots, pending, command, options, bulk);
    for (int i = 0; i < pending; ++i) {
      slots[i]->tts_tableOid = RelationGetRelid(relation);
      if (info->ri_NumIndices > 0) compat_insert_index_tuples(info, slots[i], state);
      ResetPerTupleExprContext(state);
      ExecClearTuple(slots[i]);
    }
    MemoryContextSwitchTo(state->es_query_cxt);
    MemoryContextReset(tuples);
  }
  for (TupleTableSlot *slot : slots) ExecDropSingleTupleTableSlot(slot);
  FreeBulkInsertState(bulk);
  table_finish_bulk_insert(relation, options);
  ExecCloseIndices(info);
  MemoryContextSwitchTo(outer);
  FreeExecutorState(state);
}

void store(const WideTarget &target, const WideRow *const *rows, size_t count, bool is_first) {
  Relation const relation = table_open(target.oid, RowExclusiveLock);
  if (is_first && writes_heap_pages(relation))
    store_in_pages(relation, target, rows, count);
  else
    store_and_index(relation, target, rows, count);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

// Returns the rows as a relation that a statement of this session can name.
EphemeralNamedRelation as_relation(const WideTarget &target, const WideRow *const *rows, size_t count) {
  Relation const relation = table_open(target.oid, RowExclusiveLock);
  Form const form = begin_form(target, relation);
  Tuplestorestate *const store = tuplestore_begin_heap(false, false, work_mem);
  each_row(rows, count, [&](const WideRow &row) {
    fill(form, row);
    tuplestore_putvalues(store, form.shape, form.values, form.nulls);
  });
  table_close(relation, NoLock);
  auto *const named = static_cast<EphemeralNamedRelation>(palloc0(sizeof(EphemeralNamedRelationData)));
  named->md.name = pstrdup(rows_name);
  named->md.reliddesc = target.oid;
  named->md.enrtype = ENR_NAMED_TUPLESTORE;
  named->md.enrtuples = static_cast<double>(count);
  named->reldata = store;
  return named;
}

struct Outcomes {
  Upserted *rows;
  size_t count;
};

std::optional<Moment> time_at(const SPITupleTable *table, uint64 row, int column) {
  bool is_null = false;
  const Moment time = DatumGetInt64(SPI_getbinval(table->vals[row], table->tupdesc, column, &is_null));
  return is_null ? std::nullopt : std::optional(time);
}

// The result is allocated in the caller's memory context.
Outcomes run_upsert(const WideTarget &target, const char *statement, const WideRow *const *rows,
                    size_t count) {
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  EphemeralNamedRelation const named = as_relation(target, rows, count);
  if (SPI_register_relation(named) != SPI_OK_REL_REGISTER) elog(ERROR, "SPI_register_relation failed");
  const int code = SPI_execute(statement, false, 0);
  if (code != SPI_OK_INSERT_RETURNING && code != SPI_OK_SELECT)
    elog(ERROR, "SPI failed: %s", SPI_result_code_string(code));
  const auto outcome_count = static_cast<size_t>(SPI_processed);
  auto *const outcomes = static_cast<Upserted *>(SPI_palloc(sizeof(Upserted) * (outcome_count + 1)));
  for (int column = 1; column <= 2; ++column) {
    Oid const type = SPI_gettypeid(SPI_tuptable->tupdesc, column);
    if (type != (target.time_has_zone ? TIMESTAMPTZOID : TIMESTAMPOID))
      elog(ERROR, "an upsert returned type %u instead of the time's", type);
  }
  for (size_t n = 0; n < outcome_count; ++n) {
    bool is_null = false;
    const Datum replaced = SPI_getbinval(SPI_tuptable->vals[n], SPI_tuptable->tupdesc, 3, &is_null);
    outcomes[n] = {time_at(SPI_tuptable, n, 1), time_at(SPI_tuptable, n, 2),
                   !is_null && DatumGetBool(replaced)};
  }
  tuplestore_end(static_cast<Tuplestorestate *>(named->reldata));
  SPI_finish();
  return {outcomes, outcome_count};
}

// No reading is stored in a type with a modifier, such as a varchar with a length, because its values would
// have to be changed.
bool has_attribute(TupleDesc shape, const Attribute &wanted) {
  if (wanted.at < 0 || wanted.at >= shape->natts) return false;
  auto *attribute = TupleDescAttr(shape, wanted.at);
  return !attribute->attisdropped && attribute->atttypid == wanted.type && attribute->atttypmod == -1 &&
         strcmp(NameStr(attribute->attname), wanted.name) == 0;
}

bool has_all(const WideTarget &target, const Attribute *attributes, size_t count) {
  Relation const relation = table_open(target.oid, RowExclusiveLock);
  TupleDesc const shape = RelationGetDescr(relation);
  bool found = true;
  for (size_t n = 0; found && n < count; ++n) found = has_attribute(shape, attributes[n]);
  table_close(relation, NoLock);
  return found;
}

// Types have defaults too, and a domain can refuse a NULL.
bool is_null_unless_given(Form_pg_attribute attribute) {
  return !attribute->atthasdef && get_typtype(attribute->atttypid) != TYPTYPE_DOMAIN &&
         get_typdefault(attribute->atttypid) == nullptr;
}

bool is_plain(const WideTarget &target, const Attribute *attributes, size_t count) {
  Relation const relation = table_open(target.oid, RowExclusiveLock);
  TupleDesc const shape = RelationGetDescr(relation);
  const TupleConstr *const constraints = shape->constr;
  bool plain =
      relation->rd_rel->relkind == RELKIND_RELATION && relation->trigdesc == nullptr &&
      !relation->rd_rel->relhasrules && !relation->rd_rel->relispartition &&
      !(constraints != nullptr && (constraints->num_check > 0 || constraints->has_generated_stored)) &&
      check_enable_rls(target.oid, InvalidOid, true) != RLS_ENABLED &&
      // Without the privilege, the executor raises the error.
      pg_class_aclcheck(target.oid, GetUserId(), ACL_INSERT) == ACLCHECK_OK;
  auto *const filled = static_cast<bool *>(palloc0(static_cast<Size>(shape->natts)));
  for (size_t n = 0; n < count; ++n) filled[attributes[n].at] = true;
  for (int n = 0; plain && n < shape->natts; ++n) {
    auto *attribute = TupleDescAttr(shape, n);
    if (attribute->attisdropped || n == target.time_at) continue;
    plain = !attribute->attnotnull && (filled[n] || is_null_unless_given(attribute));
  }
  pfree(filled);
  table_close(relation, NoLock);
  return plain;
}

}  // namespace

bool has_attributes(const WideTarget &target, const Attributes &attributes) {
  return call([&] { return has_all(target, attributes.data(), attributes.size()); });
}

bool takes_plain_rows(const WideTarget &target, const Attributes &attributes) {
  return call([&] { return is_plain(target, attributes.data(), attributes.size()); });
}

bool has_no_page(const WideTarget &target) {
  return call([&] {
    Relation const relation = table_open(target.oid, RowExclusiveLock);
    const bool none =
        relation->rd_rel->relkind == RELKIND_RELATION && RelationGetNumberOfBlocks(relation) == 0;
    table_close(relation, NoLock);
    return none;
  });
}

void store_first(const WideTarget &target, const RowPointers &rows) {
  call([&] { store(target, rows.data(), rows.size(), true); });
}

void store_indexed(const WideTarget &target, const RowPointers &rows) {
  call([&] { store(target, rows.data(), rows.size(), false); });
}

std::vector<Upserted> upsert(const WideTarget &target, const std::string &statement,
                             const RowPointers &rows) {
  check_statement(statement, SearchPath::session, std::source_location::current());
  const Outcomes outcomes =
      call([&] { return run_upsert(target, statement.c_str(), rows.data(), rows.size()); });
  std::vector<Upserted> all(outcomes.rows, outcomes.rows + outcomes.count);
  call([&] { pfree(outcomes.rows); });
  return all;
}

Moment stored_time(const WideTarget &target, Moment time) {
  if (target.form == TimeForm::as_it_is) return time;
  return call([&] { return DatumGetInt64(time_in(target, time)); });
}

void set_text_header(char *text, std::size_t bytes) { SET_VARSIZE(text, bytes + VARHDRSZ); }

std::string_view stored_text(std::uint64_t value) {
  const auto *const text = reinterpret_cast<const varlena *>(value);
  return {VARDATA(text), VARSIZE(text) - VARHDRSZ};
}

}  // namespace tablesync::pg
