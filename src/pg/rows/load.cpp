#include "pg/rows/load.h"

extern "C" {
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/copy.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/rel.h"
}

#include <optional>
#include <vector>

#include "pg/rows/refill.h"
#include "pg/rows/store_rows.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/source/stream_watch.h"

namespace tablesync::pg {
namespace {

struct Stream {
  RowSource &source;
  StreamWatch *watch;  // null: the source is watched
  RowBytes bytes{source};

  void look(bool at_clock) const {
    if (watch == nullptr) return;
    fault_point(FaultPoint::row_received);
    watch->look(at_clock);
  }
};

char *next_row(void *context, size_t *size) {
  return enter([&] {
    Stream &stream = *static_cast<Stream *>(context);
    check_for_interrupts();
    char *const row = stream.source.next_row(*size);
    stream.look(stream.source.rows() % 256 == 0);
    return row;
  });
}

// The callback type of COPY FROM has no argument for context: set and cleared by load() alone.
Stream *copied = nullptr;

int next_bytes(void *buffer, int wanted, int capacity) {
  return enter([&] {
    check_for_interrupts();
    const size_t got = copied->bytes.read(static_cast<char *>(buffer), static_cast<size_t>(wanted),
                                          static_cast<size_t>(capacity));
    copied->look(true);
    return static_cast<int>(got);
  });
}

// Server calls only: runs inside the airlock.
uint64 copy_from_stream(Relation relation, const char *const *columns, int column_count, bool freeze) {
  ParseState *parse = make_parsestate(nullptr);
  addRangeTableEntryForRelation(parse, relation, RowExclusiveLock, nullptr, false, false);
  List *names = NIL;
  for (int i = 0; i < column_count; ++i) names = lappend(names, makeString(pstrdup(columns[i])));
  List *options =
      list_make1(makeDefElem(pstrdup("format"), reinterpret_cast<Node *>(makeString(pstrdup("binary"))), -1));
  if (freeze)
    options = lappend(
        options, makeDefElem(pstrdup("freeze"), reinterpret_cast<Node *>(makeString(pstrdup("true"))), -1));
  CopyFromState copy = BeginCopyFrom(parse, relation, nullptr, nullptr, false, next_bytes, names, options);
  uint64 const stored = CopyFrom(copy);
  EndCopyFrom(copy);
  free_parsestate(parse);
  return stored;
}

uint64 load_stream(const char *schema, const char *name, const char *const *columns, int column_count,
                   bool is_new, Stream *stream) {
  Relation relation = table_openrv(makeRangeVar(pstrdup(schema), pstrdup(name), -1), RowExclusiveLock);
  // COPY itself freezes only rows of tables that no other session can open.
  const bool of_this_transaction = relation->rd_createSubid != InvalidSubTransactionId;
  const bool is_refill = begin_refill(relation, column_count);
  uint64 const stored =
      is_refill || stores_plain_rows(relation, column_count)
          ? store_rows(relation, columns, column_count, is_new, next_row, stream)
          : copy_from_stream(relation, columns, column_count, is_new && of_this_transaction);
  Oid const oid = RelationGetRelid(relation);
  table_close(relation, NoLock);
  if (is_refill) end_refill(oid);
  CommandCounterIncrement();
  return stored;
}

}  // namespace

std::int64_t load(RowSource &source, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                  const Rate &rate, Progress &progress) {
  std::vector<const char *> columns;
  for (const ColumnPlan &column : plan.columns) columns.push_back(column.name.c_str());
  std::optional<StreamWatch> watch;
  if (!source.is_watched()) watch.emplace(source, rate, progress);
  Stream stream{source, watch ? &*watch : nullptr};
  copied = &stream;
  const auto forget = []() noexcept { copied = nullptr; };
  const uint64 stored = on_failure(
      [&] {
        return call([&] {
          return load_stream(table.schema.c_str(), table.name.c_str(), columns.data(),
                             static_cast<int>(columns.size()), is_new, &stream);
        });
      },
      forget);
  forget();

  // COPY FROM stops at the format's trailer, but only the end of the source confirms that all rows arrived.
  char rest = 0;
  if (stream.bytes.read(&rest, 1, 1) != 0)
    throw Error(sqlstate::protocol_violation, "the source sent data after the end of the COPY");
  fault_point(FaultPoint::copy_finished);
  if (watch) watch->finish();
  return static_cast<std::int64_t>(stored);
}

}  // namespace tablesync::pg
