// RunKind: what the rooms that all runs share ask about one kind of run. A feature's room defines a kind
// beside its worker, and module.cpp registers it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/run_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

struct RunKind {
  const char *command;  // the SQL function, as runs have it on record: "sync_table"
  const char *called;   // in messages: "the sync"
  const char *title;    // of its worker, before what it works on: "sync"
  const char *entry;    // the exported function that its worker's process starts in

  const char *isolation;  // of its transactions on the target

  // What a run locks, and what happens to it meanwhile, for the error of a run that finds it locked.
  const char *locked_noun;
  const char *locked_state;

  // Other writers can meet a chunk (a unique violation, a serialization failure, a deadlock) also where no
  // other worker of the run copies chunks. The chunk is then tried again.
  bool chunks_meet_others = false;
  // What helps where the source takes too long for a chunk.
  const char *slow_chunk_hint = "";

  // The worker that goes on with a request that a run has kept; nothing where this version cannot read it.
  // Null: runs of this kind are not resumed.
  std::optional<WorkerTask> (*resume)(std::string_view kept) = nullptr;
};

// For _PG_init(). `kind` must last as long as the process.
void register_kind(const RunKind &kind) noexcept;

// Null where there is none of that name.
const RunKind *find_kind(std::string_view command) noexcept;
// The kind of a run. Throws XX000 where it was not registered.
const RunKind &kind_of(const RunSpec &spec);
// The commands of kinds whose runs are resumed.
std::vector<std::string> resumable_commands();

// The worker of a run. `request`: the specification as bytes.
WorkerTask worker_of(const RunSpec &spec, std::string request);

}  // namespace tablesync::pg
