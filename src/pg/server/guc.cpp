#include "pg/server/guc.h"

extern "C" {
#include "postgres.h"

#include "utils/guc.h"
#include "utils/varlena.h"
}

#include <climits>

#include "pg/server/fault.h"

namespace tablesync::pg {

int chunk_threshold_mb = 10 * 1024;
char *databases = nullptr;
int history_retention_min = 30 * 24 * 60;
int launcher_naptime_ms = 60000;
int max_source_transaction_ms = 60000;
int max_workers_per_role = -1;
int memory_limit_mb = 64;
int progress_interval_ms = 5000;
int stall_timeout_ms = 300000;

namespace {

// Calls of the server only: no C++ object is on the stack when it raises.
bool is_list_of_names(char **value, void **, GucSource) {
  char *const text = pstrdup(*value);
  List *names = NIL;
  bool const valid = SplitIdentifierString(text, ',', &names);
  list_free(names);
  pfree(text);
  if (!valid) GUC_check_errdetail("Give names of databases, separated by commas.");
  return valid;
}

}  // namespace

void define_settings() {
  DefineCustomIntVariable("tablesync.chunk_threshold",
                          "Tables of this size or more are read in chunks, unless the call decides.", nullptr,
                          &chunk_threshold_mb, 10 * 1024, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MB, nullptr,
                          nullptr, nullptr);
  // Can be reloaded, because databases are created and dropped.
  DefineCustomStringVariable("tablesync.databases",
                             "Databases whose interrupted runs are closed and resumed without a call.",
                             "Needs pg_tablesync in shared_preload_libraries.", &databases, "", PGC_SIGHUP,
                             GUC_LIST_INPUT, is_list_of_names, nullptr, nullptr);
  DefineCustomIntVariable(
      "tablesync.history_retention",
      "How long the records of finished runs are kept; of failed runs, three times as long.", nullptr,
      &history_retention_min, 30 * 24 * 60, 1, INT_MAX / 3, PGC_SUSET, GUC_UNIT_MIN, nullptr, nullptr,
      nullptr);
  DefineCustomIntVariable("tablesync.launcher_naptime",
                          "Time between two checks of each database in tablesync.databases.", nullptr,
                          &launcher_naptime_ms, 60000, 100, INT_MAX / 2, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("tablesync.max_source_transaction",
                          "Maximum duration of the transaction on the source that reads one chunk.",
                          "A chunk that takes longer is made smaller.", &max_source_transaction_ms, 60000,
                          100, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("tablesync.max_workers_per_role",
                          "Maximum number of concurrent background workers of one role; -1 means half of "
                          "max_worker_processes.",
                          "Superusers are not limited.", &max_workers_per_role, -1, -1, 1024, PGC_SUSET, 0,
                          nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "tablesync.memory_limit_mb", "Memory that one worker may use, in megabytes.",
      "Covers staging buffers, the work memory of the merge and the build of the primary key.",
      &memory_limit_mb, 64, 16, 65536, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("tablesync.progress_interval",
                          "Time between two progress notices to a waiting caller; 0 turns them off.", nullptr,
                          &progress_interval_ms, 5000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr,
                          nullptr);
  DefineCustomIntVariable(
      "tablesync.stall_timeout", "A run fails when its source has sent no data for this long.", nullptr,
      &stall_timeout_ms, 300000, 1000, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
  define_fault_setting();
  MarkGUCPrefixReserved("tablesync");
}

}  // namespace tablesync::pg
