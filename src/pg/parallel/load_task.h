// LoadTask: the input of the loaders of a run, and SharedLoad: how they share the work. Each loader reads
// over a connection of its own, in the snapshot of the run, and fills the run's hidden table in a transaction
// of its own.
#pragma once

extern "C" {
#include "postgres.h"

#include "storage/dsm.h"
}

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/range/watermark.h"
#include "core/spec/sync_spec.h"
#include "core/table/table.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {

// Lives in shared memory.
struct SharedLoad {
  std::atomic<int> next_statement;  // the next one of LoadTask::statements to be read
  std::atomic<int> loaders;         // their number, by which max_rate is split

  // Creates a segment that lives as long as the current transaction, or a process that attached to it. Call
  // detach() before a commit.
  static SharedLoad *create(int loaders, dsm_handle &handle);
  static SharedLoad *attach(dsm_handle handle);
  static void detach(dsm_handle handle);
};

struct LoadTask {
  SyncSpec spec;
  dsm_handle shared = 0;
  std::string snapshot;
  // The relation that a loader's connection must lead to.
  std::string system_identifier, database_oid, relation_oid;
  std::uint64_t snapshot_xmin = 0;
  HeldRelation table;                   // the hidden table
  std::vector<std::string> columns;     // in the order of their columns
  std::vector<std::string> statements;  // COPY ... TO STDOUT, each for a part of the rows
};

std::string serialize(const LoadTask &task);
LoadTask deserialize_load_task(std::string_view bytes);

}  // namespace tablesync::pg
