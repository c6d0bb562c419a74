#include "pg/server/session_option.h"

extern "C" {
#include "postgres.h"

#include "storage/proc.h"
#include "utils/guc.h"
}

#include "pg/server/airlock.h"

namespace tablesync::pg {

void set_session_option(const char *name, const std::string &value) {
  call([&] { SetConfigOption(name, value.c_str(), PGC_USERSET, PGC_S_SESSION); });
}

std::string session_option(const char *name) {
  return call([&] { return GetConfigOption(name, false, false); });
}

int lock_timeout_ms() { return LockTimeout; }

}  // namespace tablesync::pg
