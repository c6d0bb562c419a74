#include "pg/pivot/wide_view.h"

#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/pivot/wide_table.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

constexpr char view_suffix[] = "all";
constexpr char view_comment[] = "The wide tables of one ship, joined by time: made by pivot_ship()";

QualifiedName view_of(const PivotSource &source, const std::string &ship) {
  return {source.spec.target.schema, wide_table_name(source.spec.target.name, ship, view_suffix)};
}

// A column of a relation that may be our view; without a name where it has no columns.
struct ViewColumn {
  std::string comment;  // of the view, if the current user owns it
  std::string name;

  template <typename Record, typename Visitor>
  static void each_column(Record &view, Visitor &&column) {
    column("comment", view.comment);
    column("name", view.name);
  }
};

// Returns the columns of the view if it exists and is ours, which its comment shows; nothing if it does not
// exist. Throws 42710 where another relation has its name.
std::optional<std::vector<std::string>> find_view(const QualifiedName &view) {
  // Anyone can set such a comment, so the current user must also own the view.
  const auto found = decode_all<ViewColumn>(query(R"(
SELECT CASE WHEN c.relkind = 'v'
             AND c.relowner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
            THEN pg_catalog.obj_description(c.oid, 'pg_class') END AS comment,
       a.attname AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname = $1
  AND c.relname = $2
ORDER BY a.attnum)",
                                                  {view.schema, view.name}));
  if (found.empty()) return std::nullopt;
  if (found.front().comment != view_comment)
    throw Error(
        "42710",
        "\"" + display_name(view) + "\" already exists, but is not a view that pivot_ship() created for you",
        "The view that joins the wide tables of a ship would have this name.", "Rename it.");
  std::vector<std::string> columns;
  for (const ViewColumn &column : found) columns.push_back(column.name);
  return columns;
}

}  // namespace

void drop_wide_view(const PivotSource &source, const std::string &ship) {
  const QualifiedName view = view_of(source, ship);
  if (find_view(view)) execute("DROP VIEW " + quote_qualified(view));
}

void make_wide_view(const PivotSource &source, const std::string &ship, const std::vector<WidePart> &tables) {
  constexpr size_t most_columns = 1600;  // MaxHeapAttributeNumber
  std::vector<WidePart> parts;
  std::set<std::string> lacking;
  size_t left_out = 0;
  for (const WidePart &table : tables) {
    if (lacking.size() + table.columns.size() + 1 > most_columns) {
      ++left_out;
      continue;
    }
    parts.push_back(table);
    lacking.insert(table.columns.begin(), table.columns.end());
  }
  const QualifiedName view = view_of(source, ship);
  if (left_out > 0)
    notice_once(source,
                "view " + display_name(view) + " leaves out " +
                    counted(static_cast<std::int64_t>(left_out), "table") + " of ship " + ship,
                "A view has at most 1600 columns.",
                "Query the tables themselves: tablesync.pivot_column lists their columns.");
  if (parts.size() < 2) return;
  // Existing columns keep their places, so that the view can be replaced and its dependent objects stay.
  std::vector<std::string> columns;
  const std::optional<std::vector<std::string>> existing = find_view(view);
  bool replaces = existing.has_value();
  for (size_t n = 1; existing && n < existing->size(); ++n) {
    replaces = replaces && lacking.erase((*existing)[n]) > 0;
    columns.push_back((*existing)[n]);
  }
  if (existing && !replaces) {
    execute("DROP VIEW " + quote_qualified(view));
    columns.clear();
    for (const WidePart &part : parts) lacking.insert(part.columns.begin(), part.columns.end());
  }
  for (const WidePart &part : parts)
    for (const std::string &name : part.columns)
      if (lacking.contains(name)) columns.push_back(name);
  execute(create_wide_view(view, parts, columns));
  if (!replaces) execute("COMMENT ON VIEW " + quote_qualified(view) + " IS " + quote_literal(view_comment));
}

}  // namespace tablesync::pg
