#include "pg/server/fault.h"

#ifdef TABLESYNC_FAULTS

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/wait_event.h"
}

#include <algorithm>
#include <charconv>
#include <csignal>
#include <iterator>
#include <string_view>

#include "pg/server/airlock.h"

namespace tablesync::pg {
namespace {

#define TABLESYNC_FAULT_POINT(name) #name,
constexpr std::string_view point_names[] = {TABLESYNC_FAULT_POINTS(TABLESYNC_FAULT_POINT)};
#undef TABLESYNC_FAULT_POINT
#define TABLESYNC_FAULT_POINT(name) " " #name
constexpr char all_points[] = TABLESYNC_FAULT_POINTS(TABLESYNC_FAULT_POINT);
#undef TABLESYNC_FAULT_POINT

enum class Kind { error, fatal, sigkill, pause };
constexpr std::string_view kind_names[] = {"error", "fatal", "sigkill", "pause"};  // in that order

struct Fault {
  int point = -1;  // index of point_names; below 0: none
  int nth = 1;
  Kind kind = Kind::error;
};

constexpr config_enum_entry ablations[] = {{"none", static_cast<int>(Ablation::none), false},
                                           {"hash", static_cast<int>(Ablation::hash), false},
                                           {"leaf_locks", static_cast<int>(Ablation::leaf_locks), false},
                                           {"staged_keys", static_cast<int>(Ablation::staged_keys), false},
                                           {"memory", static_cast<int>(Ablation::memory), false},
                                           {nullptr, 0, false}};
int ablation = 0;

char *setting = nullptr;
Fault armed;
int times_reached = 0;  // since it was armed

std::string_view take_field(std::string_view &text) {
  const std::string_view field = text.substr(0, text.find(':'));
  text.remove_prefix(std::min(text.size(), field.size() + 1));
  return field;
}

template <size_t n>
int index_of(std::string_view name, const std::string_view (&names)[n]) {
  const auto *const found = std::find(std::begin(names), std::end(names), name);
  return found == std::end(names) ? -1 : static_cast<int>(found - std::begin(names));
}

// False if the text is no fault.
bool parse(std::string_view text, Fault &fault) {
  if (text.empty()) return true;
  fault.point = index_of(take_field(text), point_names);
  if (fault.point < 0) return false;
  if (text.empty()) return true;
  const std::string_view number = take_field(text);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), fault.nth);
  if (error != std::errc() || end != number.data() + number.size() || fault.nth < 1) return false;
  if (text.empty()) return true;
  const int kind = index_of(text, kind_names);
  fault.kind = static_cast<Kind>(kind);
  return kind >= 0;
}

// Hooks of the server: C frames all around, so nothing with a destructor.
bool check_setting(char **value, void **, GucSource) {
  Fault fault;
  if (parse(*value, fault)) return true;
  GUC_check_errdetail("It must be point[:nth[:error|fatal|sigkill|pause]].");
  GUC_check_errhint("The points are:%s", all_points);
  return false;
}

void assign_setting(const char *value, void *) {
  armed = {};
  times_reached = 0;
  parse(value, armed);
}

void pause_at(const char *name) {
  call([&] {
    char text[NAMEDATALEN];
    snprintf(text, sizeof text, "fault point %s", name);
    pgstat_report_appname(text);
    while (!ConfigReloadPending) {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    }
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    pgstat_report_appname(application_name);
  });
}

}  // namespace

void fault_point(FaultPoint point) {
  if (static_cast<int>(point) != armed.point || ++times_reached != armed.nth) return;
  const char *const name = point_names[armed.point].data();
  switch (armed.kind) {
    case Kind::error:
      call([&] {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("fault point %s", name)));
      });
      break;
    case Kind::fatal:
      call([&] {
        ereport(FATAL, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("fault point %s", name)));
      });
      break;
    case Kind::sigkill:
      raise(SIGKILL);
      break;
    case Kind::pause:
      pause_at(name);
      break;
  }
}

bool is_ablated(Ablation what) { return ablation == static_cast<int>(what); }

// Hidden from pg_settings, which tests also compare in builds with fault points.
void define_fault_setting() {
  DefineCustomStringVariable("tablesync.fault", "Point at which a run fails, for tests.", nullptr, &setting,
                             "", PGC_SUSET, GUC_NO_SHOW_ALL, check_setting, assign_setting, nullptr);
  DefineCustomEnumVariable("tablesync.ablation", "What a run does without, for tests.", nullptr, &ablation, 0,
                           ablations, PGC_SUSET, GUC_NO_SHOW_ALL, nullptr, nullptr, nullptr);
}

}  // namespace tablesync::pg

#endif
