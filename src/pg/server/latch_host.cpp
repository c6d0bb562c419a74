#include "pg/server/latch_host.h"

extern "C" {
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/wait_event.h"
}

#include <chrono>

#include "pg/server/airlock.h"

namespace tablesync::pg {

void check_for_interrupts() {
  if (INTERRUPTS_PENDING_CONDITION()) call([] { CHECK_FOR_INTERRUPTS(); });
}

std::int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

void wait_for_ms(std::int64_t milliseconds) {
  const std::int64_t end = steady_ms() + milliseconds;
  for (std::int64_t now = steady_ms(); now < end; now = steady_ms())
    call([&] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, static_cast<long>(end - now),
                PG_WAIT_EXTENSION);
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
    });
}

bool LatchHost::wait(int socket, For what, int timeout_ms) {
  const int events = call([&] {
    int const ready = WaitLatchOrSocket(MyLatch,
                                        WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH |
                                            (what == For::reading ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE),
                                        socket, timeout_ms, PG_WAIT_EXTENSION);
    if (ready & WL_LATCH_SET) ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    return ready;
  });
  return (events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE)) != 0;
}

void LatchHost::acquire_descriptor() {
  if (!call([] { return AcquireExternalFD(); }))
    throw Error("53000", "could not open a connection to another server",
                "This process has too many files open.", "Raise max_files_per_process.");
}

void LatchHost::release_descriptor() noexcept { ReleaseExternalFD(); }

void LatchHost::notice(const std::string &text) {
  call([&] { ereport(DEBUG1, (errmsg_internal("remote server: %s", text.c_str()))); });
}

bool LatchHost::utf8() const { return GetDatabaseEncoding() == PG_UTF8; }

}  // namespace tablesync::pg
