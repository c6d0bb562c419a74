// Host: what a connection needs from the process it lives in. In the server this is the latch, the interrupt
// check and the account of file descriptors; in a unit test it is poll(2).
#pragma once

#include <string>

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
  // Whether text from elsewhere must be valid UTF-8 to be passed on.
  virtual bool utf8() const = 0;
};

}  // namespace tablesync::remote
