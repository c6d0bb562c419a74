#include "remote/server_source.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <numeric>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

#include "core/base/record.h"
#include "core/sql/deparse_source.h"
#include "core/table/describe.h"
#include "remote/copy.h"
#include "remote/horizon.h"
#include "remote/source_load.h"

namespace tablesync::remote {
namespace {

// Kinds of relations that hold rows to read: tables, partitioned tables, views, materialized views and
// foreign tables (pg_class.relkind).
constexpr std::string_view readable_kinds = "rpvmf";

// The first word of a statement, in lower case, after blanks, comments and parentheses.
std::string first_word(std::string_view sql) {
  for (;;) {
    if (sql.starts_with("--")) {
      sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
    } else if (sql.starts_with("/*")) {
      int depth = 0;
      do {
        const bool opens = sql.starts_with("/*"), closes = sql.starts_with("*/");
        depth += opens ? 1 : closes ? -1 : 0;
        sql.remove_prefix(opens || closes ? 2 : 1);
      } while (depth > 0 && !sql.empty());
    } else if (!sql.empty() && std::string_view(" \t\r\n\f(").find(sql[0]) != std::string_view::npos) {
      sql.remove_prefix(1);
    } else {
      break;
    }
  }
  std::string word;
  for (const char c : sql) {
    const char lower = static_cast<char>(c | 0x20);  // of an ASCII letter
    if (lower < 'a' || lower > 'z') break;
    word += lower;
  }
  return word;
}

// The result of resolve_query().
struct Resolved {
  std::string oid;
  QualifiedName name;
  std::string kind, path_of_role;

  template <typename Record, typename Visitor>
  static void each_column(Record &found, Visitor &&column) {
    column("oid", found.oid);
    column("schema", found.name.schema);
    column("name", found.name.name);
    column("kind", found.kind);
    column("path_of_role", found.path_of_role);
  }
};

// A row of held_relations_query(): a relation that the transaction has locked.
struct HeldRow {
  std::string oid, name;
  char kind = 0;
  bool lockable = false, rewritten = false;
  std::optional<std::string> marks;

  template <typename Record, typename Visitor>
  static void each_column(Record &held, Visitor &&column) {
    column("oid", held.oid);
    column("name", held.name);
    column("kind", held.kind);
    column("lockable", held.lockable);
    column("rewritten", held.rewritten);
    column("marks", held.marks);
  }
};

// The result of position_query().
struct PositionRow {
  SnapshotPosition position;
  std::string clock;

  template <typename Record, typename Visitor>
  static void each_column(Record &read, Visitor &&column) {
    column("xmin", or_null(read.position.xmin));
    column("lsn", read.position.lsn);
    column("timeline", or_null(read.position.timeline));
    column("clock", read.clock);
  }
};

bool is_query(std::string_view sql) {
  const std::string word = first_word(sql);
  return word == "select" || word == "values" || word == "table" || word == "with";
}

}  // namespace

void ServerSource::find(const std::string &sql_name) {
  const auto found = decode_first<Resolved>(connection_.query(resolve_query(), {sql_name}));
  if (!found)
    throw Error(sqlstate::undefined_table, "relation " + sql_name + " does not exist on the source", {},
                "Check the name, and that the role of the user mapping has USAGE on its schema.");
  sql_name_ = sql_name;
  name_ = found->name;
  kind_ = found->kind;
  path_of_role_ = found->path_of_role;
  if (kind_.size() != 1 || readable_kinds.find(kind_) == std::string_view::npos)
    throw Error(sqlstate::wrong_object_type,
                "\"" + display_name(name_) + "\" on the source is not a table or view");
}

// A relation that is rewritten between the snapshot and the lock (TRUNCATE and a new load, REFRESH, ALTER
// TYPE) is empty in that snapshot, although it never was. So each attempt locks the relations that the
// previous one found before it takes its snapshot.
const Table &ServerSource::open(const UserSql &sql, const std::string &snapshot) {
  constexpr int most_tries = 20;
  Held held;
  for (int tries = 0; tries < most_tries; ++tries) {
    begin(sql, snapshot, held.lockable);
    // From now on everything is read in one snapshot, and the shape of the table cannot change.
    read_position();
    describe_table();
    if (sql.any()) describe(sql);
    held = lock_all(sql);
    if (held.rewritten.empty()) return table_;
  }
  throw Error(
      "40001",
      "relation " + held.rewritten + " was rewritten repeatedly on the source before it could be read",
      "A TRUNCATE, REFRESH MATERIALIZED VIEW or ALTER TABLE committed between the snapshot and the lock, " +
          std::to_string(most_tries) + " times in a row.",
      "Run it again when these commands have finished.");
}

void ServerSource::begin(const UserSql &sql, const std::string &snapshot,
                         const std::vector<std::string> &locked) {
  const bool by_zone = !sql.time_zone.empty() && (sql.any() || kind_ == "v");
  time_zone_ = by_zone ? sql.time_zone : "UTC";
  connection_.execute((connection_.in_transaction() ? "COMMIT; " : "") +
                      begin_reading(name_, kind_.front(), connection_.server_version(),
                                    {time_limit_ms_, snapshot, time_zone_, locked}));
}

void ServerSource::describe_table() {
  const int version = connection_.server_version();
  const Rows relation = connection_.query(relation_query(), {quote_qualified(name_)});
  if (relation.size() == 1) table_ = decode_relation(relation.front());
  if (relation.size() != 1 || table_.kind != kind_.front())
    throw Error(sqlstate::undefined_table,
                "relation " + sql_name_ + " was replaced on the source during the call", {}, "Run it again.");
  if (table_.has_citus && table_.outside_heap.empty() &&
      single<bool>(connection_.query(distributed_query(), {table_.oid})))
    table_.outside_heap = quote_qualified(name_);
  decode_columns(table_, connection_.query(columns_query(version), {table_.oid}));
  decode_keys(table_, connection_.query(keys_query(), {table_.oid}));
  if (table_.columns.empty())
    throw Error(sqlstate::not_supported, "\"" + display_name(name_) + "\" on the source has no columns");
}

ServerSource::Held ServerSource::lock_all(const UserSql &sql) {
  const int version = connection_.server_version();
  if (sql.any() || !locks_all_it_reads(kind_.front(), version))
    connection_.query(plan_only(select(
        {&table_, sql.query, sql.condition.empty() ? std::vector<std::string>() : std::vector{sql.condition}},
        "*")));
  if (!sql.count.empty()) connection_.query(plan_only(select({&table_, sql.count, {}}, "*")));
  Held held;
  std::set<std::string> marks;
  for (const HeldRow &row : decode_all<HeldRow>(connection_.query(held_relations_query(version)))) {
    if (row.lockable) held.lockable.push_back(row.name);
    if (row.rewritten) held.rewritten = row.name;
    if (row.kind == 'f' || row.kind == 'm') table_.fed_from_elsewhere.push_back(row.name);
    // A child of another relation has no marks.
    if (row.marks && row.oid != table_.oid && !sql.condition.empty()) table_.joined.push_back(row.name);
    std::istringstream words(text_of(row.marks));
    marks.insert(std::istream_iterator<std::string>(words), {});
  }
  table_.marks.assign(marks.begin(), marks.end());
  return held;
}

void ServerSource::read_position() {
  const auto read = decode<PositionRow>(only_row(connection_.query(position_query())));
  position_ = read.position;
  clock_ = read.clock;
}

std::string ServerSource::export_snapshot() {
  connection_.execute(lift_idle_limit());
  return single<std::string>(connection_.query(export_snapshot_query()));
}

SourceFiles ServerSource::files() {
  // Before version 14, reading a range of blocks means reading the whole table.
  constexpr int first_with_ranges = 140000;
  SourceFiles files;
  files.in_blocks = table_.outside_heap.empty() && connection_.server_version() >= first_with_ranges;
  for (const Row &row : connection_.query(files_query(), {table_.oid})) {
    const auto [in_recovery, blocks, bytes, identity] =
        values_of<bool, std::optional<std::int64_t>, std::optional<std::int64_t>, std::string>(row);
    files.in_recovery = in_recovery;
    files.blocks.push_back(blocks.value_or(0));
    files.bytes += bytes.value_or(0);
    files.identity += identity + ";";
  }
  return files;
}

Feed ServerSource::feed() {
  const Rows known = connection_.query(feed_query(), {table_.oid});
  Feed feed;
  if (known.empty()) return feed;
  const auto [subscription, has_watermarks] = values_of<bool, bool>(known.front());
  feed.subscription = subscription;
  if (!has_watermarks) return feed;
  const Rows filled = connection_.query(feed_watermark_query(), {table_.oid});
  if (filled.empty()) return feed;
  feed.tablesync = true;
  std::tie(feed.mode, feed.field, feed.value) =
      values_of<std::string, std::string, std::string>(filled.front());
  return feed;
}

// A probe reads a page or two of the index of each partition; reading the rows instead reads all pages. An
// index of a parent does not cover its children.
std::optional<std::vector<std::string>> ServerSource::no_days(const IncrementalField &field,
                                                              const std::string &bound) {
  constexpr std::int64_t most = 20'000, looks_per_block = 2, cheap = 200;
  const bool has_index = (table_.kind == 'p' || !table_.has_children) &&
                         !connection_.query(column_index_query(), {table_.oid, field.name}).empty();
  if (!has_index) return std::nullopt;
  const std::vector<std::int64_t> blocks = files().blocks;
  const std::int64_t all = std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0});
  const std::int64_t looks =
      std::min(most, std::max(cheap, looks_per_block * all) /
                         std::max<std::int64_t>(static_cast<std::int64_t>(blocks.size()), 1));
  if (looks == 0) return std::nullopt;
  std::vector<std::string> values;
  for (const Row &row : connection_.query(find_no_days(field, bound, quote_qualified(name_), looks))) {
    const auto [value, gave_up] = values_of<std::string, std::optional<bool>>(row);
    if (gave_up.value_or(false)) return std::nullopt;
    values.push_back(value);
  }
  return values;
}

std::int64_t ServerSource::sequence_cache(const std::string &column) {
  return single_or<std::int64_t>(connection_.query(sequence_cache_query(), {table_.oid, column}), 1);
}

std::string ServerSource::switch_point(int timeline) {
  char name[64];
  std::snprintf(name, sizeof name, "pg_wal/%08X.history", static_cast<unsigned>(position_.timeline));
  // Separate queries, because a function without privilege is an error even if it is not reached.
  const auto yes = [](const Rows &rows) {
    return single_or<std::optional<bool>>(rows, false).value_or(false);
  };
  if (!yes(connection_.query(may_read_history_query())) ||
      !yes(connection_.query(history_exists_query(), {name})))
    return {};
  // Each line has a timeline, the LSN of its end, and the reason.
  std::istringstream lines(single_or<std::string>(connection_.query(history_query(), {name}), ""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    int ended = 0;
    std::string at;
    if (fields >> ended >> at && ended == timeline) return at;
  }
  return {};
}

// SQL of the user runs with the table's schema and the role's search_path.
void ServerSource::describe(const UserSql &sql) {
  const std::string path =
      quote_identifier(name_.schema) + (path_of_role_.empty() ? "" : ", " + path_of_role_);
  const auto use_path = [&] {
    connection_.query("SELECT pg_catalog.set_config('search_path', $1, true)", {path});
  };
  use_path();
  if (!sql.query.empty()) {
    describe_query(sql.query);
    use_path();
  }
  if (!sql.condition.empty()) check_condition(sql);
  if (!sql.count.empty()) check_count(sql.count);
}

// Replaces the table's columns by those of the query.
void ServerSource::describe_query(const std::string &sql) {
  const auto refuse = [](const char *state, const std::string &message, const std::string &hint = {}) {
    throw Error(state, message, {}, hint);
  };
  int parameters = 0;
  // EXPLAIN and SHOW have results too.
  const std::vector<ResultColumn> result =
      is_query(sql) ? connection_.describe(sql, parameters) : std::vector<ResultColumn>();
  if (result.empty()) refuse("42601", "custom_select must be one SELECT, VALUES or TABLE statement");
  if (parameters > 0) refuse("42P02", "parameters are not supported in custom_select", "It contains $1.");
  refuse_writing("custom_select", sql);
  for (auto column = result.begin(); column != result.end(); ++column) {
    if (column->name == "?column?")
      refuse("42701",
             "column " + std::to_string(column - result.begin() + 1) + " of custom_select has no name",
             "Give each column an alias.");
    if (std::any_of(result.begin(), column, [&](const auto &other) { return other.name == column->name; }))
      refuse("42701", "custom_select has the column \"" + column->name + "\" more than once",
             "Give each column an alias of its own.");
  }
  connection_.execute("SET LOCAL search_path = pg_catalog, pg_temp");
  Table described;
  decode_columns(described, connection_.query(result_columns_query(connection_.server_version(), result)));
  if (described.columns.size() != result.size())
    throw Error(sqlstate::protocol_violation, "the source did not describe every column of custom_select");
  table_.columns = std::move(described.columns);
  // The query may return a row twice, or a null in the key, so nothing is proven.
  table_.is_query = true;
  table_.keys.erase(std::remove_if(table_.keys.begin(), table_.keys.end(),
                                   [&](const UniqueKey &key) {
                                     return !std::all_of(
                                         key.columns.begin(), key.columns.end(),
                                         [&](const auto &c) { return table_.find_column(c) != nullptr; });
                                   }),
                    table_.keys.end());
}

// A WITH that writes is refused in parentheses, as it will be read. The server's message for that only
// concerns its position.
void ServerSource::refuse_writing(const std::string &what, const std::string &sql) {
  try {
    int parameters = 0;
    connection_.describe(select({&table_, sql, {}}, ""), parameters);
  } catch (const Error &error) {
    if (error.diagnostics().sqlstate != sqlstate::not_supported) throw;
    throw Error("25006", what + " must not write",
                "It has a WITH that changes rows, but the source is read in a read-only transaction.",
                "Remove INSERT, UPDATE, DELETE and MERGE from it.");
  }
}

// A text that is one expression both in brackets and in parentheses closes nothing that it has not opened, so
// it is one anywhere.
void ServerSource::check_condition(const UserSql &sql) {
  int parameters = 0;
  try {
    connection_.describe(select({&table_, sql.query, {sql.condition}}, ""), parameters);
    connection_.describe(
        select({&table_, sql.query, {}}, "ARRAY[CASE WHEN " + sql.condition + "\nTHEN true END]"),
        parameters);
  } catch (const Error &error) {
    // The source does not know which part of the statement is the user's.
    Diagnostics diagnostics = error.diagnostics();
    if (diagnostics.sqlstate.starts_with("42")) diagnostics.message = "custom_where: " + diagnostics.message;
    throw Error(diagnostics);
  }
  if (parameters > 0)
    throw Error("42P02", "parameters are not supported in custom_where", {}, "It contains $1.");
}

void ServerSource::check_count(const std::string &sql) {
  int parameters = 0;
  if (connection_.describe(sql, parameters).size() != 1 || parameters > 0)
    throw Error("42601", "custom_count must be one SELECT that returns one number");
  refuse_writing("custom_count", sql);
}

SourceLoad ServerSource::load() { return read_source_load(connection_); }

Horizon ServerSource::horizon(std::int64_t lookback_ms, const std::string &time_zone) {
  return read_horizon(connection_, lookback_ms, time_zone);
}

void ServerSource::execute(const std::string &set_local) { connection_.execute(set_local); }

Rows ServerSource::query(const std::string &sql, const std::vector<std::string> &parameters) {
  return connection_.query(sql, parameters);
}

void ServerSource::start_query(const std::string &sql) { connection_.start_query(sql); }

Rows ServerSource::finish_query() { return connection_.finish_query(); }

std::unique_ptr<RowSource> ServerSource::rows(const SourceRows &rows, const SyncPlan &plan) {
  return std::make_unique<CopyOut>(connection_, copy_out(rows, plan));
}

std::unique_ptr<RowSource> ServerSource::rows(const std::string &select) {
  return std::make_unique<CopyOut>(connection_, copy_of(select));
}

void ServerSource::close() {
  if (connection_.in_transaction()) connection_.execute("COMMIT");
}

}  // namespace tablesync::remote
