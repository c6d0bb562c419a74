// The real server that script/test starts: where it is and who may log in.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/base/quote.h"
#include "poll_host.h"
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
  static ConnectionSettings settings_as(const std::string &user, const std::string &database) {
    ConnectionSettings settings = settings_without_password();
    for (ConnectionOption &option : settings.options) {
      if (option.name == "user") option.value = user;
      if (option.name == "dbname") option.value = database;
    }
    return settings;
  }
  static std::string database() { return from_environment("TABLESYNC_TEST_DATABASE"); }
  static std::string plain_user() { return from_environment("TABLESYNC_TEST_USER"); }

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
                        {"dbname", database(), "server", false},
                        {"user", from_environment("TABLESYNC_TEST_USER"), "user mapping", false},
                        {"connect_timeout", "20", "default", false}};
    return settings;
  }
};

// Tests that need a database of their own, since they look at all that goes on in it or change who may do
// what.
class LiveDatabase : public LiveServer {
 protected:
  static constexpr char superuser[] = "postgres";

  void SetUp() override {
    LiveServer::SetUp();
    if (IsSkipped()) return;
    clean_up();
    administer("CREATE DATABASE " + sql_name());
  }
  void TearDown() override {
    if (!IsSkipped()) clean_up();
  }
  // A role of this test's own, which may do nothing yet.
  std::string make_role() {
    administer("CREATE ROLE " + sql_name() + " LOGIN");
    return name_;
  }
  // The name of the database, and of the role.
  std::string sql_name() const { return quote_identifier(name_); }
  ConnectionSettings as(const std::string &user) const { return settings_as(user, name_); }

  PollHost host_;

 private:
  void administer(const std::string &statement) {
    Connection connection(host_, settings_as(superuser, superuser));
    connection.execute("SET client_min_messages = error");
    connection.execute(statement);
  }
  void clean_up() {
    administer("DROP DATABASE IF EXISTS " + sql_name() + " WITH (FORCE)");
    administer("DROP ROLE IF EXISTS " + sql_name());
  }

  const std::string name_ = testing::UnitTest::GetInstance()->current_test_info()->name();
};

}  // namespace tablesync::remote
