// Host: the services that a connection needs from its process. In the server this is the latch, the interrupt
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
  // Waits until `socket` is ready or `timeout_ms` have passed. Returns true only if it is ready, and false
  // also if something else woke the process, so callers check the clock. May throw, for example on a cancel.
  virtual bool wait(int socket, For what, int timeout_ms) = 0;
  // Reserves one file descriptor of the process's budget. Throws if none is left.
  virtual void acquire_descriptor() = 0;
  virtual void release_descriptor() noexcept = 0;
  // A notice or warning that the other server sent.
  virtual void notice(const std::string &text) = 0;
  // The length of the valid character at the beginning of `text`, in the encoding of this process; 0 if there
  // is none. `text` is not empty.
  virtual std::size_t character(std::string_view text) const = 0;
  // Bytes of private memory that this process has reserved, used or not; 0 if unknown. It must include a
  // malloc() immediately and take at most a microsecond.
  virtual std::int64_t memory() const = 0;
};

}  // namespace tablesync::remote
