#include "pg/server/statement_check.h"

#ifdef TABLESYNC_FAULTS

extern "C" {
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/memutils.h"

#include "pg/server/compat.h"
}

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <string_view>

#include "core/base/error.h"
#include "core/sql/deparse_wide_table.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

// ---- the rules -----------------------------------------------------------------------------------------

// Plain data: the grammar's code raises errors across these functions.
struct Walk {
  bool safe_path;
  bool in_state_module;
  const char *queries[32];  // names of WITH that are in scope
  int query_count;
  char violation[256];  // empty: none
};

bool fail(Walk *walk, const char *what, const char *name) {
  snprintf(walk->violation, sizeof walk->violation, "%s %s", what, name);
  return true;
}

// Operators, functions and types.
bool is_bare(const Walk *walk, List *name) { return !walk->safe_path && list_length(name) < 2; }

bool check_relation(Walk *walk, const RangeVar *relation) {
  if (relation->schemaname == nullptr) {
    if (relation->relpersistence == RELPERSISTENCE_TEMP) return false;
    for (int n = 0; n < walk->query_count; ++n)
      if (strcmp(walk->queries[n], relation->relname) == 0) return false;
    // The rows of an upsert: a name that is registered with SPI hides tables.
    if (relation->relname == std::string_view(rows_name)) return false;
    return fail(walk, "relation without a schema:", relation->relname);
  }
  if (strcmp(relation->schemaname, "tablesync") == 0 && !walk->in_state_module)
    return fail(walk, "state table outside of its module:", relation->relname);
  return false;
}

bool check_relation_name(Walk *walk, List *name) {
  return list_length(name) < 2 && fail(walk, "relation without a schema:", NameListToString(name));
}

bool check_sub_link(Walk *walk, const SubLink *link) {
  if (link->subLinkType != ANY_SUBLINK && link->subLinkType != ALL_SUBLINK) return false;
  // IN has no operator name.
  return is_bare(walk, link->operName) &&
         fail(walk, "operator without a schema:",
              link->operName == NIL ? "IN (SELECT ...)" : NameListToString(link->operName));
}

// Checks the names that a node itself looks up; its children are walked afterwards.
bool check_node(Walk *walk, Node *node) {
  const auto bare = [&](List *name, const char *what) {
    return is_bare(walk, name) && fail(walk, what, NameListToString(name));
  };
  switch (nodeTag(node)) {
    case T_A_Expr:  // also IN, LIKE, BETWEEN, NULLIF, IS DISTINCT FROM
      return bare(castNode(A_Expr, node)->name, "operator without a schema:");
    case T_SubLink:
      return check_sub_link(walk, castNode(SubLink, node));
    case T_SortBy:
      return castNode(SortBy, node)->useOp != NIL &&
             bare(castNode(SortBy, node)->useOp, "operator without a schema:");
    case T_CaseExpr:
      return !walk->safe_path && castNode(CaseExpr, node)->arg != nullptr &&
             fail(walk, "operator without a schema:", "CASE ... WHEN");
    case T_JoinExpr:
      return !walk->safe_path &&
             (castNode(JoinExpr, node)->isNatural || castNode(JoinExpr, node)->usingClause != NIL) &&
             fail(walk, "operator without a schema:", "JOIN ... USING");
    case T_FuncCall:
      return bare(castNode(FuncCall, node)->funcname, "function without a schema:");
    case T_TypeName:
      return bare(reinterpret_cast<::TypeName *>(node)->names, "type without a schema:");
    case T_CollateClause:
      return bare(castNode(CollateClause, node)->collname, "collation without a schema:");
    case T_RangeTableSample:
      return bare(castNode(RangeTableSample, node)->method, "function without a schema:");
    case T_IndexElem:
      return castNode(IndexElem, node)->opclass != NIL &&
             bare(castNode(IndexElem, node)->opclass, "operator class without a schema:");
    case T_RangeVar:
      return check_relation(walk, castNode(RangeVar, node));
    default:
      return false;
  }
}

// ---- the tree ------------------------------------------------------------------------------------------

bool walk_node(Node *node, void *context);

bool walk_list(List *list, Walk *walk) {
  ListCell *cell = nullptr;
  foreach (cell, list)
    if (walk_node(static_cast<Node *>(lfirst(cell)), walk)) return true;
  return false;
}

WithClause *with_of(Node *node) {
  switch (nodeTag(node)) {
    case T_SelectStmt:
      return castNode(SelectStmt, node)->withClause;
    case T_InsertStmt:
      return castNode(InsertStmt, node)->withClause;
    case T_UpdateStmt:
      return castNode(UpdateStmt, node)->withClause;
    case T_DeleteStmt:
      return castNode(DeleteStmt, node)->withClause;
    case T_MergeStmt:
      return castNode(MergeStmt, node)->withClause;
    default:
      return nullptr;
  }
}

bool walk_below(Node *node, Walk *walk) {
  const int outer = walk->query_count;
  if (WithClause *const with = with_of(node); with != nullptr) {
    ListCell *cell = nullptr;
    foreach (cell, with->ctes) {
      if (walk->query_count == lengthof(walk->queries)) elog(ERROR, "too many queries in WITH");
      walk->queries[walk->query_count++] = lfirst_node(CommonTableExpr, cell)->ctename;
    }
  }
  const bool found = compat_walk_raw(node, walk_node, walk);
  walk->query_count = outer;
  return found;
}

bool walk_dropped(const DropStmt *drop, Walk *walk) {
  ListCell *cell = nullptr;
  foreach (cell, drop->objects)
    if (check_relation_name(walk, lfirst_node(List, cell))) return true;
  return false;
}

bool walk_commented(const CommentStmt *comment, Walk *walk) {
  List *const name = castNode(List, comment->object);
  // A column's name follows that of its table.
  return comment->objtype == OBJECT_COLUMN
             ? check_relation_name(walk, list_truncate(name, list_length(name) - 1))
             : check_relation_name(walk, name);
}

bool walk_definition(const ColumnDef *column, Walk *walk) {
  return walk_node(reinterpret_cast<Node *>(column->typeName), walk) ||
         walk_node(column->raw_default, walk) ||
         walk_node(reinterpret_cast<Node *>(column->collClause), walk) ||
         walk_list(column->constraints, walk);
}

template <typename T>
Node *node_of(T *part) {
  return reinterpret_cast<Node *>(part);
}

// Utility statements and their parts, which the server's walker does not know. A node that neither knows
// raises "unrecognized node type".
bool walk_node(Node *node, void *context) {
  auto *const walk = static_cast<Walk *>(context);
  if (node == nullptr) return false;
  check_stack_depth();
  if (check_node(walk, node)) return true;
  switch (nodeTag(node)) {
    case T_RawStmt:
      return walk_node(castNode(RawStmt, node)->stmt, walk);
    case T_LockingClause:  // names of FROM
    case T_CreateSchemaStmt:
    case T_VariableSetStmt:
    case T_DefElem:
    case T_RoleSpec:
      return false;
    case T_CreateStmt:
      return walk_node(node_of(castNode(CreateStmt, node)->relation), walk) ||
             walk_list(castNode(CreateStmt, node)->tableElts, walk);
    case T_CreateTableAsStmt:
      return walk_node(node_of(castNode(CreateTableAsStmt, node)->into), walk) ||
             walk_node(castNode(CreateTableAsStmt, node)->query, walk);
    case T_ViewStmt:
      return walk_node(node_of(castNode(ViewStmt, node)->view), walk) ||
             walk_node(castNode(ViewStmt, node)->query, walk);
    case T_AlterTableStmt:
      return walk_node(node_of(castNode(AlterTableStmt, node)->relation), walk) ||
             walk_list(castNode(AlterTableStmt, node)->cmds, walk);
    case T_AlterTableCmd:  // options are a list of DefElem
      return walk_node(castNode(AlterTableCmd, node)->def, walk);
    case T_ColumnDef:
      return walk_definition(castNode(ColumnDef, node), walk);
    case T_Constraint:
      return walk_node(castNode(Constraint, node)->raw_expr, walk);
    case T_RenameStmt:
      return walk_node(node_of(castNode(RenameStmt, node)->relation), walk);
    case T_DropStmt:
      return walk_dropped(castNode(DropStmt, node), walk);
    case T_CommentStmt:
      return walk_commented(castNode(CommentStmt, node), walk);
    case T_GrantStmt:
      return walk_list(castNode(GrantStmt, node)->objects, walk);
    case T_VacuumStmt:
      return walk_list(castNode(VacuumStmt, node)->rels, walk);
    case T_VacuumRelation:
      return walk_node(node_of(castNode(VacuumRelation, node)->relation), walk);
    case T_ExplainStmt:
      return walk_node(castNode(ExplainStmt, node)->query, walk);
    default:
      return walk_below(node, walk);
  }
}

// The first violation of a rule; or empty.
std::string violation_in(const std::string &sql, bool safe_path, bool in_state_module) {
  Walk walk{};
  walk.safe_path = safe_path;
  walk.in_state_module = in_state_module;
  const char *const text = sql.c_str();
  call([&] {
    MemoryContext const parsed =
        AllocSetContextCreate(CurrentMemoryContext, "statement being checked", ALLOCSET_DEFAULT_SIZES);
    MemoryContext const outer = MemoryContextSwitchTo(parsed);
    walk_list(raw_parser(text, RAW_PARSE_DEFAULT), &walk);
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(parsed);
  });
  return walk.violation;
}

// ---- places --------------------------------------------------------------------------------------------

std::string_view file_of(const std::source_location &where) {
  const std::string_view file = where.file_name();
  const size_t at = file.find("src/pg/");
  return at == std::string_view::npos ? file : file.substr(at);
}

bool is_state_module(std::string_view file) { return file.starts_with("src/pg/record/"); }

// Statements with SQL of the caller of sync_table, if the source is in this database. The caller is
// responsible for its names.
bool holds_users_text(std::string_view file, std::string_view sql) {
  return file == "src/pg/pair/table_pair.cpp" && sql.starts_with("INSERT INTO ");
}

// ---- the list ------------------------------------------------------------------------------------------

void append_to_list(const std::string &entry) {
  const char *const name = std::getenv("TABLESYNC_STATEMENTS");
  if (name == nullptr || *name == '\0') return;
  // Lines of several processes stay whole up to 4 kB.
  constexpr size_t longest = 4000;
  std::string line = entry.substr(0, longest);
  std::replace(line.begin(), line.end(), '\n', ' ');
  line += '\n';
  const int file = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return;
  // script/lint reports statements that are not on the list.
  static_cast<void>(!write(file, line.data(), line.size()));
  close(file);
}

}  // namespace

void check_statement(const std::string &sql, SearchPath path, const std::source_location &where) {
  constexpr size_t most_remembered = 10000;
  static std::set<std::string, std::less<>> checked;
  const std::string_view file = file_of(where);
  std::string entry = std::string(file) + ":" + std::to_string(where.line()) + "\t" +
                      (path == SearchPath::safe ? "safe" : "session") + "\t" + sql;
  if (checked.contains(entry)) return;
  const std::string violation =
      holds_users_text(file, sql) ? "" : violation_in(sql, path == SearchPath::safe, is_state_module(file));
  if (!violation.empty())
    throw Error(sqlstate::internal, "statement breaks a rule: " + violation,
                std::string(file) + ":" + std::to_string(where.line()) + " runs: " + sql);
  append_to_list(entry);
  if (checked.size() >= most_remembered) checked.clear();
  checked.insert(std::move(entry));
}

}  // namespace tablesync::pg

#endif
