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

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

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

std::size_t LatchHost::character(std::string_view text) const {
  const int length =
      pg_encoding_verifymbchar(GetDatabaseEncoding(), text.data(), static_cast<int>(text.size()));
  return static_cast<std::size_t>(std::max(length, 0));
}

// proc(5), statm: size, resident, shared, text, lib, data in pages. The last one is private writable memory,
// used or not. The C library's own statistics walk through all free chunks, which can take milliseconds.
std::int64_t LatchHost::memory() const {
  static const int statm =
      open("/proc/self/statm", O_RDONLY | O_CLOEXEC);  // for as long as the process lives
  char text[256];
  const ssize_t size = statm < 0 ? -1 : pread(statm, text, sizeof text - 1, 0);
  if (size <= 0) return 0;
  text[size] = 0;
  const char *field = text;
  for (int skipped = 0; skipped < 5 && field != nullptr; ++skipped) {
    field = strchr(field, ' ');
    if (field != nullptr) ++field;
  }
  static const long page = sysconf(_SC_PAGESIZE);
  return field == nullptr ? 0 : std::strtoll(field, nullptr, 10) * page;
}

}  // namespace tablesync::pg
