// LatchHost: the Host of remote connections inside a backend. Waiting ends at once on cancel, terminate and
// postmaster death; descriptors are counted with the server's own.
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

// Milliseconds of a clock that nobody sets; only differences mean something.
std::int64_t steady_ms();

// Waits that long, unless something is raised: cancel, terminate, timeouts, as ServerError.
void wait_for_ms(std::int64_t milliseconds);

// Raises what is pending: cancel, terminate, timeouts. Throws ServerError.
void check_for_interrupts();

}  // namespace tablesync::pg
