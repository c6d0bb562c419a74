#include "pg/launcher/launcher.h"

extern "C" {
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
}

#include <algorithm>
#include <list>
#include <new>
#include <string>
#include <vector>

#include "core/base/quote.h"
#include "core/base/retry.h"
#include "core/base/text.h"
#include "pg/launcher/upkeep.h"
#include "pg/server/airlock.h"
#include "pg/server/clipped.h"
#include "pg/server/guc.h"
#include "pg/server/latch_host.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

constexpr int restart_seconds = 10;
constexpr int most_passes_at_once = 3;

void log(int level, const std::string &message, const std::string &detail = {}) {
  call([&] {
    ereport(level, (errmsg("%s", message.c_str()), detail.empty() ? 0 : errdetail("%s", detail.c_str())));
  });
}

// Returns the names of tablesync.databases, each once. Call it in a transaction, whose memory it uses.
std::vector<std::string> listed_names() {
  char **names = nullptr;
  const int count = call([&] {
    List *list = NIL;
    SplitIdentifierString(pstrdup(databases), ',', &list);
    names = static_cast<char **>(palloc(sizeof(char *) * (list_length(list) + 1)));
    for (int i = 0; i < list_length(list); ++i) names[i] = static_cast<char *>(list_nth(list, i));
    return list_length(list);
  });
  std::vector<std::string> listed(names, names + count);
  std::sort(listed.begin(), listed.end());
  listed.erase(std::unique(listed.begin(), listed.end()), listed.end());
  return listed;
}

// Returns the database of that name, if it accepts connections. Call it in a transaction. It scans the
// catalog, because a process without a database has no indexes or caches of catalogs until another process
// has written their init file.
Oid find_database(const std::string &name) {
  const char *const wanted = name.c_str();
  return call([&] {
    Oid found = InvalidOid;
    Relation const catalog = table_open(DatabaseRelationId, AccessShareLock);
    TableScanDesc const scan = table_beginscan_catalog(catalog, 0, nullptr);
    HeapTuple tuple;
    while ((tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr) {
      auto *database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
      if (strcmp(NameStr(database->datname), wanted) == 0 && database->datallowconn &&
          database->datconnlimit != DATCONNLIMIT_INVALID_DB)
        found = database->oid;
    }
    table_endscan(scan);
    table_close(catalog, AccessShareLock);
    return found;
  });
}

// One database of tablesync.databases, and the pass that is running in it, if any.
class Database {
 public:
  explicit Database(std::string name) : name_(std::move(name)) {}

  const std::string &name() const { return name_; }
  bool in_pass() const { return worker_ != nullptr; }
  std::int64_t due_ms() const { return due_ms_; }
  void begin_pass(Oid oid);
  // Ends the pass where its process has ended.
  void check_pass();

 private:
  void register_worker(dsm_handle handle);
  void take_outcome(int outcome, std::int64_t again_ms);
  void come_back_in(std::int64_t milliseconds) { due_ms_ = steady_ms() + milliseconds; }
  void fail(const std::string &why);
  void report_once(int level, const std::string &message, const std::string &detail);
  std::string display() const { return "database \"" + name_ + "\""; }

  std::string name_;
  std::int64_t due_ms_ = steady_ms();
  int failures_ = 0;      // in a row
  std::string reported_;  // the last message about its state, while it holds
  dsm_segment *segment_ = nullptr;
  BackgroundWorkerHandle *worker_ = nullptr;
};

void Database::begin_pass(Oid oid) {
  if (!OidIsValid(oid)) {
    report_once(WARNING, display() + " of tablesync.databases does not exist, or does not accept connections",
                "");
    failures_ = 0;
    come_back_in(launcher_naptime_ms);
    return;
  }
  // Without a resource owner: it lives until it is detached.
  segment_ = call([] { return dsm_create(sizeof(UpkeepPass), DSM_CREATE_NULL_IF_MAXSEGMENTS); });
  if (segment_ == nullptr) return fail("There is no free slot for a segment of shared memory.");
  auto *const pass = new (dsm_segment_address(segment_)) UpkeepPass{};
  pass->database = oid;
  pass->again_ms = -1;
  register_worker(dsm_segment_handle(segment_));
  if (worker_ != nullptr) return;
  call([&] { dsm_detach(segment_); });
  fail("All slots of max_worker_processes (" + std::to_string(max_worker_processes) + ") are taken.");
}

void Database::register_worker(dsm_handle handle) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = UInt32GetDatum(handle);
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, "pg_tablesync", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "tablesync_upkeep", sizeof worker.bgw_function_name);
  copy_clipped(worker.bgw_name, "pg_tablesync upkeep of " + display());
  strlcpy(worker.bgw_type, "pg_tablesync upkeep", sizeof worker.bgw_type);
  if (!call([&] { return RegisterDynamicBackgroundWorker(&worker, &worker_); })) worker_ = nullptr;
}

void Database::check_pass() {
  pid_t pid = 0;
  if (!in_pass() || call([&] { return GetBackgroundWorkerPid(worker_, &pid); }) != BGWH_STOPPED) return;
  const auto *const pass = static_cast<UpkeepPass *>(dsm_segment_address(segment_));
  const int outcome = pass->outcome.load();
  const std::int64_t again_ms = pass->again_ms.load();
  call([&] {
    dsm_detach(segment_);
    pfree(worker_);
  });
  segment_ = nullptr;
  worker_ = nullptr;
  take_outcome(outcome, again_ms);
}

void Database::take_outcome(int outcome, std::int64_t again_ms) {
  if (outcome == UpkeepPass::failed) return fail("The preceding messages give the reason.");
  failures_ = 0;
  if (outcome == UpkeepPass::no_extension)
    report_once(LOG, display() + " of tablesync.databases does not have the extension pg_tablesync",
                "Its upkeep begins once the extension exists.");
  else
    reported_.clear();
  const std::int64_t naptime = launcher_naptime_ms;
  come_back_in(again_ms < 0 ? naptime : std::min(again_ms, naptime));
}

// Each failure in a row doubles the wait, so that the log does not fill up.
void Database::fail(const std::string &why) {
  const std::int64_t wait_ms =
      std::max<std::int64_t>(retry_wait_ms(launcher_naptime_ms, ++failures_ + 1, 1), launcher_naptime_ms);
  log(LOG, "upkeep of " + display() + " failed",
      why + " It is retried in " + human_seconds(static_cast<double>(wait_ms) / 1000) + ".");
  reported_.clear();
  come_back_in(wait_ms);
}

void Database::report_once(int level, const std::string &message, const std::string &detail) {
  if (reported_ == message) return;
  reported_ = message;
  log(level, message, detail);
}

class Launcher {
 public:
  void run();

 private:
  void reload();
  void check_passes();
  bool is_busy() const;
  void begin_due();
  void wait();

  std::vector<std::string> names_;  // sorted
  std::list<Database> databases_;
};

void Launcher::run() {
  pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
  // Shared catalogs only: no database is held.
  call([] { BackgroundWorkerInitializeConnection(nullptr, nullptr, 0); });
  for (reload(); !ShutdownRequestPending; wait()) {
    if (ConfigReloadPending) {
      ConfigReloadPending = 0;
      call([] { ProcessConfigFile(PGC_SIGHUP); });
      reload();
    }
    check_passes();
    begin_due();
  }
}

// Reads the current value of tablesync.databases.
void Launcher::reload() {
  in_transaction([&] { names_ = listed_names(); });
  for (const std::string &name : names_)
    if (std::none_of(databases_.begin(), databases_.end(), [&](const auto &d) { return d.name() == name; }))
      databases_.emplace_back(name);
}

// A pass in a database that is no longer listed runs to its end.
void Launcher::check_passes() {
  for (Database &database : databases_) database.check_pass();
  databases_.remove_if([&](const Database &database) {
    return !database.in_pass() && !std::binary_search(names_.begin(), names_.end(), database.name());
  });
}

bool Launcher::is_busy() const {
  return std::count_if(databases_.begin(), databases_.end(), [](const auto &d) { return d.in_pass(); }) >=
         most_passes_at_once;
}

void Launcher::begin_due() {
  const std::int64_t now = steady_ms();
  for (Database &database : databases_) {
    if (database.in_pass() || database.due_ms() > now || is_busy()) continue;
    Oid oid = InvalidOid;
    in_transaction([&] { oid = find_database(database.name()); });
    database.begin_pass(oid);
  }
}

// Waits until the next pass is due. The end of a pass, a reload and a shutdown end the wait.
void Launcher::wait() {
  const std::int64_t now = steady_ms();
  std::int64_t milliseconds = launcher_naptime_ms;
  for (const Database &database : databases_)
    if (!database.in_pass() && !is_busy())
      milliseconds = std::clamp<std::int64_t>(database.due_ms() - now, 1, milliseconds);
  call([&] {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, static_cast<long>(milliseconds),
              PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  });
}

}  // namespace

void register_launcher() {
  // pg_upgrade needs the state as it is.
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = restart_seconds;
  strlcpy(worker.bgw_library_name, "pg_tablesync", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "tablesync_launcher", sizeof worker.bgw_function_name);
  strlcpy(worker.bgw_name, "pg_tablesync launcher", sizeof worker.bgw_name);
  strlcpy(worker.bgw_type, "pg_tablesync launcher", sizeof worker.bgw_type);
  RegisterBackgroundWorker(&worker);
}

}  // namespace tablesync::pg

extern "C" {

// The entry point of the launcher's process.
PGDLLEXPORT void tablesync_launcher(Datum argument);

void tablesync_launcher(Datum) {
  using namespace tablesync;
  pg::enter([] {
    pg::Launcher launcher;
    launcher.run();
  });
  // Exit code 1 makes the postmaster restart it, unless the postmaster itself asked it to end.
  proc_exit(1);
}
}
