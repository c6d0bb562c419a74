// NeutralEnvironment: removes the environment variables that libpq reads from this process while it exists.
//
// Only the foreign server and the user mapping determine a connection: the environment of the server may
// contain a password or another host. The destructor restores the variables for other users of libpq in the
// session.
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
