// The settings of the extension, in alphabetical order. Each is documented in doc/reference.md.
#pragma once

namespace tablesync::pg {

extern int chunk_threshold_mb;         // tablesync.chunk_threshold
extern char *databases;                // tablesync.databases: a list of identifiers
extern int history_retention_min;      // tablesync.history_retention; of failed runs three times as long
extern int launcher_naptime_ms;        // tablesync.launcher_naptime
extern int max_source_transaction_ms;  // tablesync.max_source_transaction
extern int max_workers_per_role;       // tablesync.max_workers_per_role; -1: half of max_worker_processes
extern int memory_limit_mb;            // tablesync.memory_limit_mb
extern int progress_interval_ms;       // tablesync.progress_interval; 0 turns the notices off
extern int stall_timeout_ms;           // tablesync.stall_timeout

void define_settings();

}  // namespace tablesync::pg
