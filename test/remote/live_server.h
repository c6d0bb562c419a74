// The real server that script/test starts: where it is and who may log in.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "remote/connection.h"

namespace tablesync::remote {

// Tests of a live server derive from this. They are skipped where TABLESYNC_TEST_PORT is not set.
class LiveServer : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("TABLESYNC_TEST_PORT") == nullptr) GTEST_SKIP() << "TABLESYNC_TEST_PORT is not set";
  }

  // By TCP and password.
  static ConnectionSettings settings() {
    ConnectionSettings settings = settings_for(from_environment("TABLESYNC_TEST_HOST"));
    settings.options.push_back(
        {"password", from_environment("TABLESYNC_TEST_PASSWORD"), "user mapping", true});
    return settings;
  }
  // By the local socket, where nobody is asked for a password.
  static ConnectionSettings settings_without_password() {
    return settings_for(from_environment("TABLESYNC_TEST_SOCKET_DIR"));
  }

 private:
  static std::string from_environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
  }
  static ConnectionSettings settings_for(const std::string &host) {
    ConnectionSettings settings;
    settings.server_name = "shop";
    settings.client_encoding = "UTF8";
    settings.options = {{"host", host, "server", false},
                        {"port", from_environment("TABLESYNC_TEST_PORT"), "server", false},
                        {"dbname", from_environment("TABLESYNC_TEST_DATABASE"), "server", false},
                        {"user", from_environment("TABLESYNC_TEST_USER"), "user mapping", false},
                        {"connect_timeout", "20", "default", false}};
    return settings;
  }
};

}  // namespace tablesync::remote
