#include "remote/source_load.h"

#include <gtest/gtest.h>

#include <list>
#include <vector>

#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

SourceLoad read_from_fake(const std::vector<std::string> &answer) {
  FakeServer server([&](Session &session) {
    session.log_in();
    session.answer(answer);
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  return read_source_load(connection);
}

TEST(SourceLoad, IsWhatTheSourceSays) {
  const SourceLoad load = read_from_fake({"t", "61.5", "s1", "7"});
  EXPECT_EQ(load.lag_seconds, 61.5);
  EXPECT_EQ(load.standby, "s1");
  EXPECT_EQ(load.sessions, 7);
}

TEST(SourceLoad, IsRefusedWhereTheRoleMayNotSeeIt) {
  const Diagnostics said = error_of([] { read_from_fake({"f", "0", "", "0"}); });
  EXPECT_EQ(said.sqlstate, "42501");
  EXPECT_NE(said.hint.find("GRANT pg_read_all_stats TO "), std::string::npos);
}

TEST(SourceLoad, RefusesAnswersOfAnotherWidth) {
  EXPECT_EQ(error_of([] { read_from_fake({"t"}); }).sqlstate, "08P01");
  EXPECT_EQ(error_of([] { read_from_fake({"t", "1", "s1", "7", "8"}); }).sqlstate, "08P01");
}

// ---- a real server ----------------------------------------------------------------------------------------

class LiveSourceLoad : public LiveDatabase {};

// Other tests use the server too, a session or two at a time: they come and go.
TEST_F(LiveSourceLoad, CountsActiveSessionsOfOthers) {
  constexpr std::int64_t many = 8;
  Connection watcher(host_, as(superuser)), idle(host_, as(superuser));
  // Who waits for a lock is active.
  idle.execute("SET application_name = 'other'; BEGIN; SELECT pg_advisory_xact_lock(78001)");
  std::list<Connection> waiters;
  for (std::int64_t n = 0; n < many; ++n) {
    waiters.emplace_back(host_, as(superuser)).execute("SET application_name = 'other'");
    waiters.back().start_query("SELECT pg_advisory_xact_lock_shared(78001)");
  }
  while (read_source_load(watcher).sessions < many) continue;
  EXPECT_EQ(read_source_load(watcher).lag_seconds, 0);
  EXPECT_FALSE(watcher.in_transaction());
  // Those of the same program and role are not counted.
  watcher.execute("SET application_name = 'other'");
  while (read_source_load(watcher).sessions >= many) continue;
}

TEST_F(LiveSourceLoad, NeedsTheRightToSeeIt) {
  const std::string role = make_role();
  Connection watcher(host_, as(role));
  EXPECT_EQ(error_of([&] { read_source_load(watcher); }).sqlstate, "42501");
  Connection(host_, as(superuser)).execute("GRANT pg_read_all_stats TO " + sql_name());
  EXPECT_EQ(read_source_load(watcher).lag_seconds, 0);
}

}  // namespace
}  // namespace tablesync::remote
