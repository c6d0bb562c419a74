// RunKind: the properties of one kind of run that the shared rooms need. A feature's room defines it next to
// its worker, and module.cpp registers it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/run_spec.h"
#include "pg/worker/worker.h"

namespace tablesync::pg {

struct RunKind {
  const char *command;  // the SQL function, as records have it: "sync_table"
  const char *called;   // in messages: "the sync"
  const char *title;    // of its worker, before its target: "sync"
  const char *entry;    // the exported function in which its worker starts

  const char *isolation;  // of its transactions on the target

  // The locked object and its state, for the error of a run that finds it locked.
  const char *locked_noun;
  const char *locked_state;

  // Other writers can conflict with a chunk (a unique violation, a serialization failure, a deadlock) even if
  // no other worker of the run copies chunks. The chunk is then retried.
  bool chunks_meet_others = false;
  // The hint if the source takes too long for a chunk.
  const char *slow_chunk_hint = "";

  // Returns the worker that resumes a kept request; nothing if this version cannot read it. Null: runs of
  // this kind are not resumed.
  std::optional<WorkerTask> (*resume)(std::string_view kept) = nullptr;
};

// For _PG_init(). `kind` must last as long as the process.
void register_kind(const RunKind &kind) noexcept;

// Finds a kind by its command; null if there is none.
const RunKind *find_kind(std::string_view command) noexcept;
// The kind of a run. Throws XX000 if it was not registered.
const RunKind &kind_of(const RunSpec &spec);
// The commands of the kinds whose runs are resumed.
std::vector<std::string> resumable_commands();

// The worker of a run. `request`: the specification as bytes.
WorkerTask worker_of(const RunSpec &spec, std::string request);

}  // namespace tablesync::pg
