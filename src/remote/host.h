// Host: what a connection needs from the process it lives in. In the server this is the latch, the interrupt
// check, the account of file descriptors and the encoding of the database; in a unit test it is poll(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tablesync::remote {

class Host {
 public:
  enum class For { reading, writing };

  virtual ~Host() = default;
  // Waits until `socket` is ready or `timeout_ms` have passed. True only where it is ready: false also where
  // something else woke the process, so callers look at the clock. May throw: that is how a cancel arrives.
  virtual bool wait(int socket, For what, int timeout_ms) = 0;
  // Takes one file descriptor from the process's budget. Throws where there is none left.
  virtual void acquire_descriptor() = 0;
  virtual void release_descriptor() noexcept = 0;
  // A notice or warning that the other server sent.
  virtual void notice(const std::string &text) = 0;
  // The length of the valid character that `text` begins with, in the encoding of this process; 0 where there
  // is none. `text` is not empty.
  virtual std::size_t character(std::string_view text) const = 0;
  // Bytes of memory that this process has reserved for itself, used or not; 0 where the system does not say.
  // It must count at once what malloc() returns, and must cost a microsecond at most.
  virtual std::int64_t memory() const = 0;
};

}  // namespace tablesync::remote
