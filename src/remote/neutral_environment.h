// NeutralEnvironment: while it lives, this process has none of the environment variables that libpq reads.
//
// Connections are made from the foreign server and the user mapping alone: the environment that the server
// was started in may hold a password, or lead elsewhere. Other users of libpq in the same session find the
// variables again afterwards.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tablesync::remote {

class NeutralEnvironment {
 public:
  NeutralEnvironment();
  ~NeutralEnvironment();
  NeutralEnvironment(const NeutralEnvironment &) = delete;
  NeutralEnvironment &operator=(const NeutralEnvironment &) = delete;

 private:
  void take(const char *variable);
  void put_back() const;

  std::vector<std::pair<std::string, std::string>> taken_;
};

}  // namespace tablesync::remote
