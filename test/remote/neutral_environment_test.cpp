#include "remote/neutral_environment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

#include "fake_server.h"
#include "poll_host.h"
#include "remote/connection.h"

namespace tablesync::remote {
namespace {

const char *const variables[] = {"PGPASSWORD", "PGHOST",     "PGHOSTADDR",  "PGUSER",      "PGOPTIONS",
                                 "PGSSLMODE",  "PGPASSFILE", "PGSERVICE",   "PGDATESTYLE", "PGTZ",
                                 "PGGEQO",     "PGAPPNAME",  "PGSYSCONFDIR"};

bool is_set(const char *variable) { return std::getenv(variable) != nullptr; }

class HostileEnvironment : public testing::Test {
 protected:
  void SetUp() override {
    for (const char *variable : variables) setenv(variable, "trap", 1);
    unsetenv("PGDATABASE");
  }
  void TearDown() override {
    for (const char *variable : variables) unsetenv(variable);
  }
  static void expect_all_back() {
    for (const char *variable : variables)
      EXPECT_TRUE(is_set(variable) && std::getenv(variable) == std::string("trap")) << variable;
    EXPECT_FALSE(is_set("PGDATABASE")) << "which was not there before";
  }
};

TEST_F(HostileEnvironment, IsAwayForAWhile) {
  {
    const NeutralEnvironment neutral;
    for (const char *variable : variables) EXPECT_FALSE(is_set(variable)) << variable;
  }
  expect_all_back();
}

TEST_F(HostileEnvironment, IsAwayWhileAConnectionIsMade) {
  std::string startup;
  {
    FakeServer server([&](Session &session) {
      startup = session.receive_startup();
      session.let_in();
      session.wait_for_end();
    });
    PollHost host;
    host.before_wait = [] {
      for (const char *variable : variables) EXPECT_FALSE(is_set(variable)) << variable;
    };
    const Connection connection(host, server.settings());
    expect_all_back();
  }
  EXPECT_EQ(startup.find("trap"), std::string::npos);
}

TEST_F(HostileEnvironment, IsBackAfterAConnectionThatWasCanceled) {
  FakeServer server([](Session &session) { session.wait_for_end(); });
  PollHost host;
  host.before_wait = [] { throw std::runtime_error("canceled"); };
  EXPECT_THROW(Connection(host, server.settings()), std::runtime_error);
  expect_all_back();
}

}  // namespace
}  // namespace tablesync::remote
