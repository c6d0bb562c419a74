// PollHost: the Host of a connection in a process without a server around it.
#pragma once

#include <poll.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "remote/host.h"

namespace tablesync::remote {

class PollHost final : public Host {
 public:
  bool wait(int socket, For what, int timeout_ms) override {
    if (before_wait) before_wait();
    pollfd waiting{socket, static_cast<short>(what == For::reading ? POLLIN : POLLOUT), 0};
    return poll(&waiting, 1, std::min(timeout_ms, longest_wait_ms)) > 0;
  }
  void acquire_descriptor() override { ++descriptors; }
  void release_descriptor() noexcept override { --descriptors; }
  void notice(const std::string &text) override {
    notices.push_back(text);
    if (on_notice) on_notice();
  }
  std::size_t character(std::string_view text) const override { return utf8_character(text); }
  std::int64_t memory() const override { return reserved ? reserved() : 0; }

  std::function<void()> before_wait;  // may throw, as a cancel does
  std::function<void()> on_notice;
  std::function<std::int64_t()> reserved;  // how much memory the process has
  int longest_wait_ms = 60000;             // a short one makes wait() return early
  int descriptors = 0;
  std::vector<std::string> notices;
};

}  // namespace tablesync::remote
