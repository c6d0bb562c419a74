#include "pg/server/modify_counter.h"

extern "C" {
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/execnodes.h"
}

namespace tablesync::pg {
namespace {

// All of this is plain data: the hooks are called by the server's C, and neither throw nor own anything.
struct Counting {
  std::atomic<std::uint64_t> *rows_seen;
  ModifyTableState *node;      // of the statement being counted
  ExecProcNodeMtd pull_input;  // the original ExecProcNode of its input
  ModifyCounts counts;
};
Counting counting{};
bool armed = false;

ExecutorStart_hook_type next_start = nullptr;
ExecutorEnd_hook_type next_end = nullptr;

TupleTableSlot *pull_and_count(PlanState *input) {
  TupleTableSlot *const slot = counting.pull_input(input);
  if (!TupIsNull(slot)) counting.rows_seen->fetch_add(1, std::memory_order_relaxed);
  return slot;
}

// The ModifyTable at the top takes the first statement; a trigger's own statements start later.
void watch(QueryDesc *query) {
  if (!armed || counting.node != nullptr || query->planstate == nullptr ||
      !IsA(query->planstate, ModifyTableState))
    return;
  counting.node = castNode(ModifyTableState, query->planstate);
  PlanState *const input = outerPlanState(counting.node);
  if (input == nullptr) return;
  // ExecProcNodeFirst puts ExecProcNodeReal in place when the node first runs.
  counting.pull_input = input->ExecProcNodeReal;
  input->ExecProcNodeReal = pull_and_count;
}

void on_start(QueryDesc *query, int flags) {
  if (next_start != nullptr)
    next_start(query, flags);
  else
    standard_ExecutorStart(query, flags);
  watch(query);
}

void on_end(QueryDesc *query) {
  if (armed && counting.node != nullptr && query->planstate == &counting.node->ps) {
    counting.counts.inserted = static_cast<std::int64_t>(counting.node->mt_merge_inserted);
    counting.counts.updated = static_cast<std::int64_t>(counting.node->mt_merge_updated);
    counting.counts.deleted = static_cast<std::int64_t>(counting.node->mt_merge_deleted);
    armed = false;
  }
  if (next_end != nullptr)
    next_end(query);
  else
    standard_ExecutorEnd(query);
}

}  // namespace

void install_modify_counter() {
  next_start = ExecutorStart_hook;
  ExecutorStart_hook = on_start;
  next_end = ExecutorEnd_hook;
  ExecutorEnd_hook = on_end;
}

void start_counting(std::atomic<std::uint64_t> *rows_seen) {
  counting = Counting{rows_seen, nullptr, nullptr, {}};
  armed = true;
}

ModifyCounts stop_counting() {
  armed = false;
  const ModifyCounts counts = counting.counts;
  counting = Counting{};
  return counts;
}

}  // namespace tablesync::pg
