#include "pg/sync/load.h"

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

#include <unistd.h>

#include <fstream>

#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/sync/store_rows.h"

namespace tablesync::pg {
namespace {

// The server's callback type has no argument for context: set and cleared by load() alone.
struct Stream {
  remote::CopyOut *source;
  const Rate *rate;
  Progress *progress;
  std::int64_t began_ms;
  std::int64_t next_memory_check_ms;
  std::uint64_t rows_before, bytes_before;  // what `progress` had
};
Stream *stream = nullptr;

// Publishes how far the stream is. The clock and the system's account of memory are dear next to a row.
void tell_progress(bool look_at_clock) {
  stream->progress->rows.store(stream->rows_before + static_cast<std::uint64_t>(stream->source->rows()),
                               std::memory_order_relaxed);
  stream->progress->bytes.store(stream->bytes_before + static_cast<std::uint64_t>(stream->source->bytes()),
                                std::memory_order_relaxed);
  if (!look_at_clock) return;
  const std::int64_t now = steady_ms();
  if (now < stream->next_memory_check_ms) return;
  stream->next_memory_check_ms = now + 1000;
  stream->progress->memory_bytes = private_memory();
}

// What is not read stays in the buffers between the two servers, until the source waits for room in them.
void keep_pace() {
  if (!stream->rate->limited()) return;
  const std::int64_t elapsed_ms = steady_ms() - stream->began_ms;
  const std::int64_t wait_ms =
      ms_ahead(*stream->rate, stream->source->rows(), stream->source->bytes(), elapsed_ms);
  constexpr std::int64_t worth_a_wait = 20;
  if (wait_ms >= worth_a_wait) wait_for_ms(wait_ms);
}

int next_bytes(void *buffer, int wanted, int capacity) {
  return enter([&] {
    check_for_interrupts();
    const size_t got = stream->source->read(static_cast<char *>(buffer), static_cast<size_t>(wanted),
                                            static_cast<size_t>(capacity));
    fault_point(FaultPoint::row_received);
    tell_progress(true);
    keep_pace();
    return static_cast<int>(got);
  });
}

char *next_row(size_t *size) {
  return enter([&] {
    check_for_interrupts();
    char *const row = stream->source->next_row(*size);
    fault_point(FaultPoint::row_received);
    tell_progress(stream->source->rows() % 256 == 0);
    keep_pace();
    return row;
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
                   bool is_new) {
  Relation relation = table_openrv(makeRangeVar(pstrdup(schema), pstrdup(name), -1), RowExclusiveLock);
  // COPY itself freezes only what no other session can open.
  const bool of_this_transaction = relation->rd_createSubid != InvalidSubTransactionId;
  uint64 const stored =
      stores_plain_rows(relation, column_count)
          ? store_rows(relation, columns, column_count, is_new, next_row)
          : copy_from_stream(relation, columns, column_count, is_new && of_this_transaction);
  table_close(relation, NoLock);
  CommandCounterIncrement();
  return stored;
}

}  // namespace

std::int64_t load(remote::CopyOut &source, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                  const Rate &rate, Progress &progress) {
  std::vector<const char *> columns;
  for (const ColumnPlan &column : plan.columns) columns.push_back(column.name.c_str());
  Stream this_stream{&source, &rate, &progress, steady_ms(), 0, progress.rows, progress.bytes};
  stream = &this_stream;
  const auto forget = []() noexcept { stream = nullptr; };
  const uint64 stored = on_failure(
      [&] {
        return call([&] {
          return load_stream(table.schema.c_str(), table.name.c_str(), columns.data(),
                             static_cast<int>(columns.size()), is_new);
        });
      },
      forget);
  forget();

  // COPY FROM stops at the format's trailer; what matters is that the server said it was all.
  char rest = 0;
  if (!source.finished() && source.read(&rest, 1, 1) != 0)
    throw Error(sqlstate::protocol_violation, "the source sent data after the end of the COPY");
  fault_point(FaultPoint::copy_finished);
  progress.rows = this_stream.rows_before + static_cast<std::uint64_t>(source.rows());
  progress.bytes = this_stream.bytes_before + static_cast<std::uint64_t>(source.bytes());
  progress.memory_bytes = private_memory();
  return static_cast<std::int64_t>(stored);
}

std::int64_t private_memory() {
  // proc(5): size, resident, shared, ... in pages.
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0, shared = 0;
  if (!(statm >> size >> resident >> shared)) return 0;
  return (resident - shared) * sysconf(_SC_PAGESIZE);
}

}  // namespace tablesync::pg
