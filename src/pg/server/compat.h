// Every difference between PostgreSQL 15, 16, 17 and 18 that this module meets.
// Include after postgres.h, inside extern "C".
#pragma once

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_tablesync builds on PostgreSQL 15 to 18"
#endif

#include "access/xloginsert.h"
#include "catalog/index.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

// Logs pages with rows as full-page images and sets their LSN.
static inline void compat_log_newpages(Relation relation, int count, BlockNumber *blocks, Page *pages) {
#if PG_VERSION_NUM >= 160000
  log_newpages(&relation->rd_locator, MAIN_FORKNUM, count, blocks, pages, true);
#else
  log_newpages(&relation->rd_node, MAIN_FORKNUM, count, blocks, pages, true);
#endif
}

// Inserts a new row into all open indexes.
static inline void compat_insert_index_tuples(ResultRelInfo *table, TupleTableSlot *slot, EState *state) {
#if PG_VERSION_NUM >= 160000
  list_free(ExecInsertIndexTuples(table, slot, state, false, false, NULL, NIL, false));
#else
  list_free(ExecInsertIndexTuples(table, slot, state, false, false, NULL, NIL));
#endif
}

// Whether the table has columns that are computed on reading and not stored.
static inline bool compat_has_virtual_columns(TupleDesc row) {
#if PG_VERSION_NUM >= 180000
  return row->constr != NULL && row->constr->has_generated_virtual;
#else
  (void)row;
  return false;
#endif
}

// Sets how the nth attribute, from 0, is stored.
static inline void compat_set_storage(TupleDesc row, int n, char storage) {
  TupleDescAttr(row, n)->attstorage = storage;
#if PG_VERSION_NUM >= 180000
  populate_compact_attribute(row, n);
#endif
}

// Gives the table a new, empty file.
static inline void compat_set_new_file(Relation relation) {
#if PG_VERSION_NUM >= 160000
  RelationSetNewRelfilenumber(relation, relation->rd_rel->relpersistence);
#else
  RelationSetNewRelfilenode(relation, relation->rd_rel->relpersistence);
#endif
}

// Builds all indexes of a table again, and checks its exclusion constraints.
static inline void compat_reindex(Oid relation) {
  ReindexParams parameters = {0, InvalidOid};
#if PG_VERSION_NUM >= 170000
  reindex_relation(NULL, relation, REINDEX_REL_CHECK_CONSTRAINTS, &parameters);
#else
  reindex_relation(relation, REINDEX_REL_CHECK_CONSTRAINTS, &parameters);
#endif
}

// Raises an error if old_snapshot_threshold has removed rows that the snapshot should see.
static inline void compat_test_old_snapshot(Snapshot snapshot, Relation relation, Page page) {
#if PG_VERSION_NUM >= 170000
  (void)snapshot;
  (void)relation;
  (void)page;
#else
  TestForOldSnapshot(snapshot, relation, page);
#endif
}

static inline List *compat_parse_name(const char *name) {
#if PG_VERSION_NUM >= 160000
  return stringToQualifiedNameList(name, NULL);
#else
  return stringToQualifiedNameList(name);
#endif
}

static inline bool compat_lock_held_by_me(const LOCKTAG *tag, LOCKMODE mode) {
#if PG_VERSION_NUM >= 170000
  return LockHeldByMe(tag, mode, false);
#else
  return LockHeldByMe(tag, mode);
#endif
}

static inline AclResult compat_aclcheck_schema(Oid schema, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(NamespaceRelationId, schema, role, mode);
#else
  return pg_namespace_aclcheck(schema, role, mode);
#endif
}

static inline AclResult compat_aclcheck_database(Oid database, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(DatabaseRelationId, database, role, mode);
#else
  return pg_database_aclcheck(database, role, mode);
#endif
}

static inline AclResult compat_aclcheck_server(Oid server, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(ForeignServerRelationId, server, role, mode);
#else
  return pg_foreign_server_aclcheck(server, role, mode);
#endif
}

// The privilege of pg_has_role() that SET ROLE needs.
#if PG_VERSION_NUM >= 160000
#define compat_become_privilege "SET"
#else
#define compat_become_privilege "MEMBER"
#endif

// Walks the raw parse tree of a statement. The older declaration has an empty argument list, which C++ reads
// as none.
static inline bool compat_walk_raw(Node *node, bool (*walker)(Node *, void *), void *context) {
#if PG_VERSION_NUM >= 160000
  return raw_expression_tree_walker(node, walker, context);
#else
  return raw_expression_tree_walker(node, (bool (*)())(void (*)(void))walker, context);
#endif
}
