/*
 * Stands in for an extension that owns the planning of a table, as TimescaleDB does of a hypertable and Citus
 * of a reference or a local table: every statement that names the table shell_table.name ("schema.table")
 * reads and writes the table of that name with "_store" behind it. What is written into the table past the
 * planner, no statement sees.
 *
 * shell_table.merge = off: MERGE is refused there, as Citus refuses it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/planner.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static char *shell_name;
static bool allows_merge = true;
static planner_hook_type next_planner;

/* The oid of schema.table with a suffix. */
static Oid find(const char *suffix) {
  char *const dot = strchr(shell_name, '.');
  Oid schema;

  if (dot == NULL) return InvalidOid;
  schema = get_namespace_oid(pnstrdup(shell_name, dot - shell_name), true);
  return OidIsValid(schema) ? get_relname_relid(psprintf("%s%s", dot + 1, suffix), schema) : InvalidOid;
}

typedef struct {
  Oid shell, store;
} Tables;

static bool redirect(Node *node, void *context) {
  const Tables *const tables = context;

  if (node == NULL) return false;
  if (IsA(node, Query)) {
    Query *const query = (Query *)node;
    ListCell *cell;

    foreach (cell, query->rtable) {
      RangeTblEntry *const entry = lfirst(cell);

      if (entry->rtekind != RTE_RELATION || entry->relid != tables->shell) continue;
      if (query->commandType == CMD_MERGE && !allows_merge)
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("MERGE is not supported on shell tables")));
      LockRelationOid(tables->store, entry->rellockmode);
      entry->relid = tables->store;
    }
#if PG_VERSION_NUM >= 160000
    foreach (cell, query->rteperminfos) {
      RTEPermissionInfo *const info = lfirst(cell);

      if (info->relid == tables->shell) info->relid = tables->store;
    }
#endif
    return query_tree_walker(query, redirect, context, 0);
  }
  return expression_tree_walker(node, redirect, context);
}

static PlannedStmt *plan(Query *query, const char *text, int options, ParamListInfo parameters) {
  Tables tables = {InvalidOid, InvalidOid};

  if (shell_name[0] != '\0') {
    tables.shell = find("");
    tables.store = find("_store");
  }
  if (OidIsValid(tables.shell) && OidIsValid(tables.store)) redirect((Node *)query, &tables);
  if (next_planner != NULL) return next_planner(query, text, options, parameters);
  return standard_planner(query, text, options, parameters);
}

void _PG_init(void) {
  DefineCustomStringVariable("shell_table.name", "A table whose planning is ours.", NULL, &shell_name, "",
                             PGC_SUSET, 0, NULL, NULL, NULL);
  DefineCustomBoolVariable("shell_table.merge", "Whether MERGE is allowed there.", NULL, &allows_merge, true,
                           PGC_SUSET, 0, NULL, NULL, NULL);
  next_planner = planner_hook;
  planner_hook = plan;
}
