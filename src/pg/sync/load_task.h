// LoadTask: what the loaders of a run are told, and SharedLoad: how they share the work. Each loader reads
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

// In shared memory.
struct SharedLoad {
  std::atomic<int> next_statement;  // of LoadTask::statements, that nobody reads yet
  std::atomic<int> loaders;         // among which max_rate is split

  // Lives as long as the current transaction, or processes that attached to it. Let go of it before a commit.
  static SharedLoad *create(int loaders, dsm_handle &handle);
  static SharedLoad *attach(dsm_handle handle);
  static void detach(dsm_handle handle);
};

struct LoadTask {
  SyncSpec spec;
  dsm_handle shared = 0;
  std::string snapshot;
  // What the connection must lead to.
  std::string system_identifier, database_oid, relation_oid;
  std::uint64_t snapshot_xmin = 0;
  HeldRelation table;                   // to be filled
  std::vector<std::string> columns;     // in the order of the statements
  std::vector<std::string> statements;  // COPY ... TO STDOUT, each of a part of the rows
};

std::string serialize(const LoadTask &task);
LoadTask deserialize_load_task(std::string_view bytes);

}  // namespace tablesync::pg
