// LatchHost: the Host of remote connections inside a backend. A cancel, a termination or the death of the
// postmaster ends a wait immediately; descriptors count with those of the server.
#pragma once

#include <cstdint>

#include "remote/host.h"

namespace tablesync::pg {

class LatchHost final : public remote::Host {
 public:
  bool wait(int socket, For what, int timeout_ms) override;
  void acquire_descriptor() override;
  void release_descriptor() noexcept override;
  void notice(const std::string &text) override;
  std::size_t character(std::string_view text) const override;
  std::int64_t memory() const override;
};

// Milliseconds of a monotonic clock; only differences are meaningful.
std::int64_t steady_ms();

// Waits that long. Throws ServerError on a cancel, a termination or a timeout.
void wait_for_ms(std::int64_t milliseconds);

// Throws ServerError if a cancel, a termination or a timeout is pending.
void check_for_interrupts();

}  // namespace tablesync::pg
