#include "remote/horizon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "remote/server_source.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

using Answer = std::vector<std::string>;

// instant, local, clock, standby, hidden, untracked, age of the oldest transaction, its process
const Answer activity = {"2026-01-02 03:04:05.000000+00",
                         "2026-01-02 03:04:04.000000",
                         "2026-01-02 03:04:07.000000+00",
                         "f",
                         "f",
                         "f",
                         "61.5",
                         "4711"};

// What is made of these answers to the two questions.
Horizon read_from_fake(const Answer &activity_answer, const Answer &prepared) {
  FakeServer server([&](Session &session) {
    session.log_in();
    session.receive_batch();
    session.complete("BEGIN");
    session.ready();
    session.answer(activity_answer);
    session.answer(prepared);
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  return read_horizon(connection, 600'000, "");
}

TEST(Horizon, IsWhatTheSourceSays) {
  const Horizon horizon = read_from_fake(activity, {"f"});
  EXPECT_EQ(horizon.instant, activity[0]);
  EXPECT_EQ(horizon.local, activity[1]);
  EXPECT_EQ(horizon.clock, activity[2]);
  EXPECT_FALSE(horizon.standby);
  EXPECT_FALSE(horizon.hidden);
  EXPECT_FALSE(horizon.untracked);
  EXPECT_FALSE(horizon.prepared);
  EXPECT_EQ(horizon.oldest_seconds, 61.5);
  EXPECT_EQ(horizon.oldest_pid, "4711");
}

TEST(Horizon, TakesNoFlagForAnother) {
  bool Horizon::*const flags[] = {&Horizon::standby, &Horizon::hidden, &Horizon::untracked};
  for (size_t n = 0; n < std::size(flags); ++n) {
    Answer answer = activity;
    answer[3 + n] = "t";
    const Horizon horizon = read_from_fake(answer, {"f"});
    for (size_t other = 0; other < std::size(flags); ++other)
      EXPECT_EQ(horizon.*flags[other], other == n) << n << " " << other;
  }
}

TEST(Horizon, ProvesNothingWhileATransactionIsPrepared) {
  // Nobody knows when it began.
  const Horizon horizon = read_from_fake(activity, {"t"});
  EXPECT_TRUE(horizon.prepared);
  EXPECT_EQ(horizon.instant, "");
  EXPECT_EQ(horizon.local, "");
  EXPECT_EQ(horizon.clock, activity[2]);
}

TEST(Horizon, RefusesAnswersOfAnotherWidth) {
  EXPECT_EQ(error_of([] { read_from_fake({"1"}, {"f"}); }).sqlstate, "08P01");
  EXPECT_EQ(error_of([] { read_from_fake(activity, {"f", "f"}); }).sqlstate, "08P01");
  Answer wide = activity;
  wide.emplace_back("x");
  EXPECT_EQ(error_of([&] { read_from_fake(wide, {"f"}); }).sqlstate, "08P01");
}

// ---- a real server ----------------------------------------------------------------------------------------

constexpr std::int64_t minute = 60'000;  // milliseconds

// A session whose transaction is open.
class OpenTransaction {
 public:
  OpenTransaction(Host &host, const ConnectionSettings &settings) : connection_(host, settings) {
    connection_.execute("BEGIN");
    const Row row = connection_.query(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00', pg_backend_pid(), "
        "to_char((now() - interval '2 seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")[0];
    began = text_of(row[0]);
    pid = text_of(row[1]);
    bound = text_of(row[2]);
  }
  void commit() { connection_.execute("COMMIT"); }

  std::string began;  // as Horizon::instant
  std::string bound;  // where it holds the horizon: what it writes may be rounded to before it began
  std::string pid;

 private:
  Connection connection_;
};

class LiveHorizon : public LiveDatabase {
 protected:
  void SetUp() override {
    LiveDatabase::SetUp();
    if (!IsSkipped()) reader_.emplace(host_, as(superuser));
  }
  void TearDown() override {
    reader_.reset();
    LiveDatabase::TearDown();
  }
  Horizon read(std::int64_t lookback_ms = 10 * minute, const std::string &time_zone = "") {
    const Horizon horizon = read_horizon(*reader_, lookback_ms, time_zone);
    reader_->execute("COMMIT");
    return horizon;
  }
  // Reads it until the source's clock is so far behind that moment that the margin is over.
  Horizon read_well_after(const std::string &moment) {
    for (;;) {
      const Horizon horizon = read();
      if (seconds_from(moment, horizon.clock) > 2) return horizon;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  std::string evaluate(const std::string &expression) {
    return text_of(reader_->query("SELECT (" + expression + ")::text")[0][0]);
  }
  double seconds_from(const std::string &begin, const std::string &end) {
    return std::stod(evaluate("extract(epoch FROM " + quote_literal(end) + "::timestamptz - " +
                              quote_literal(begin) + "::timestamptz)"));
  }
  // How far the horizon is behind the clock.
  double seconds_behind(const Horizon &horizon) { return seconds_from(horizon.instant, horizon.clock); }

  std::optional<Connection> reader_;
};

TEST_F(LiveHorizon, IsAMarginBehindTheClockWhereNothingGoesOn) {
  const Horizon horizon = read();
  EXPECT_EQ(seconds_behind(horizon), 2);
  EXPECT_EQ(horizon.oldest_pid, "");
  EXPECT_EQ(horizon.oldest_seconds, 0);
  EXPECT_FALSE(horizon.standby);
  EXPECT_FALSE(horizon.hidden);
  EXPECT_FALSE(horizon.untracked);
  EXPECT_FALSE(horizon.prepared);
  EXPECT_LT(std::abs(seconds_from(horizon.clock, evaluate("clock_timestamp()"))), 20);
}

TEST_F(LiveHorizon, IsHeldBackByASessionThatIsIdleInItsTransaction) {
  OpenTransaction writer(host_, as(superuser));
  const Horizon held = read_well_after(writer.began);
  EXPECT_EQ(held.instant, writer.bound);
  EXPECT_EQ(held.oldest_pid, writer.pid);
  EXPECT_GT(held.oldest_seconds, 2);
  EXPECT_LT(held.oldest_seconds, 30);
  EXPECT_EQ(read().instant, writer.bound) << "for as long as it is open";
  writer.commit();
  const Horizon free = read();
  EXPECT_GT(free.instant, writer.bound);
  EXPECT_EQ(free.oldest_pid, "");
}

TEST_F(LiveHorizon, IsHeldBackByTheOldestOfSeveral) {
  const OpenTransaction oldest(host_, as(superuser)), younger(host_, as(superuser));
  const Horizon horizon = read_well_after(younger.began);
  EXPECT_EQ(horizon.instant, oldest.bound);
  EXPECT_EQ(horizon.oldest_pid, oldest.pid);
}

TEST_F(LiveHorizon, IsNotHeldBackByOtherDatabasesIdleSessionsAndTheReaderItself) {
  const OpenTransaction elsewhere(host_, settings_as(superuser, superuser));
  Connection idle(host_, as(superuser));
  idle.query("SELECT 1");
  reader_->execute("BEGIN");
  double age = 0;
  while (age <= 2) {
    // One transaction all the while: read_horizon() goes on in it.
    const Horizon horizon = read_horizon(*reader_, 10 * minute, "");
    age = seconds_from(elsewhere.began, horizon.clock);
    EXPECT_EQ(horizon.oldest_pid, "");
    EXPECT_EQ(seconds_behind(horizon), 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  reader_->execute("COMMIT");
}

TEST_F(LiveHorizon, TakesTheLookbackWhereSessionsMayNotBeSeen) {
  const OpenTransaction hidden(host_, as(superuser));
  reader_.emplace(host_, as(plain_user()));
  for (const std::int64_t lookback_ms : {5000, 600'000}) {
    const Horizon horizon = read(lookback_ms);
    EXPECT_TRUE(horizon.hidden);
    EXPECT_FALSE(horizon.untracked);
    EXPECT_EQ(seconds_behind(horizon), static_cast<double>(lookback_ms) / 1000);
    EXPECT_EQ(horizon.oldest_pid, "");
  }
}

TEST_F(LiveHorizon, TakesTheOldestItSeesWhereThatIsBeforeTheLookback) {
  const Connection hidden(host_, as(superuser));
  const OpenTransaction own(host_, as(plain_user()));
  reader_.emplace(host_, as(plain_user()));
  const Horizon horizon = read(0);
  EXPECT_TRUE(horizon.hidden);
  EXPECT_EQ(horizon.instant, own.bound);
  EXPECT_EQ(horizon.oldest_pid, own.pid);
}

TEST_F(LiveHorizon, SeesEverybodyWhereTheRoleMay) {
  const OpenTransaction other(host_, as(superuser));
  const std::string role = make_role();
  reader_.emplace(host_, as(role));
  EXPECT_TRUE(read().hidden);
  Connection(host_, as(superuser)).execute("GRANT pg_read_all_stats TO " + sql_name());
  reader_.emplace(host_, as(role));
  const Horizon horizon = read();
  EXPECT_FALSE(horizon.hidden);
  EXPECT_EQ(horizon.oldest_pid, other.pid);
}

TEST_F(LiveHorizon, TakesTheLookbackWhereASessionDoesNotTellWhatItDoes) {
  Connection untracked(host_, as(superuser));
  untracked.execute("SET track_activities = off");
  untracked.execute("BEGIN");
  const Horizon horizon = read(7 * minute);
  EXPECT_TRUE(horizon.untracked);
  EXPECT_FALSE(horizon.hidden);
  EXPECT_EQ(seconds_behind(horizon), 420);
  untracked.execute("COMMIT; SET track_activities = on");
  EXPECT_FALSE(read().untracked);
  EXPECT_EQ(seconds_behind(read()), 2);
}

TEST_F(LiveHorizon, LeavesATransactionThatTheSourceEnds) {
  reader_.reset();
  Connection(host_, as(superuser)).execute("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, as(superuser));
  source.find("public.t");
  read_horizon(source.connection(), 10 * minute, "");
  EXPECT_TRUE(source.connection().in_transaction());
  source.open();
  EXPECT_EQ(source.connection().query("SHOW transaction_isolation"), (Rows{{"repeatable read"}}))
      << "the horizon's transaction is over";
  source.close();
  EXPECT_EQ(source.connection().query("SHOW search_path"),
            Connection(host_, as(superuser)).query("SHOW search_path"))
      << "and left no setting behind";
}

// ---- local time -------------------------------------------------------------------------------------------

TEST_F(LiveHorizon, TellsTheLocalTimeOfTheZoneThatIsGiven) {
  reader_->execute("SET timezone = 'America/New_York'");
  for (const char *zone : {"UTC", "Asia/Kolkata", "Asia/Tokyo"}) {
    const Horizon horizon = read(10 * minute, zone);
    EXPECT_EQ(horizon.local,
              evaluate("to_char(" + quote_literal(horizon.instant) + "::timestamptz AT TIME ZONE '" + zone +
                       "', 'YYYY-MM-DD HH24:MI:SS.US')"));
  }
}

TEST_F(LiveHorizon, TellsTheEarlierOfUtcAndTheSessionsTimeWhereNoZoneIsGiven) {
  // Zones whose clocks never change.
  for (const auto &[zone, hours] : {std::pair{"Asia/Tokyo", 0}, {"America/Panama", -5}, {"UTC", 0}}) {
    reader_->execute(std::string("SET timezone = '") + zone + "'");
    const Horizon horizon = read();
    EXPECT_EQ(horizon.local, evaluate("to_char((" + quote_literal(horizon.instant) +
                                      "::timestamptz AT TIME ZONE 'UTC') + '" + std::to_string(hours) +
                                      " hours'::interval, 'YYYY-MM-DD HH24:MI:SS.US')"))
        << zone;
  }
}

TEST_F(LiveHorizon, RefusesAZoneThatDoesNotExist) {
  for (const char *zone : {"Europe/Atlantis", "x'; DROP TABLE y; --", "\\", "'"}) {
    reader_.emplace(host_, as(superuser));
    EXPECT_EQ(error_of([&] { read(10 * minute, zone); }).sqlstate, "22023") << zone;
  }
}

TEST_F(LiveHorizon, TellsTheSameMomentInAnyDateStyle) {
  reader_->execute("SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'");
  const Horizon horizon = read();
  EXPECT_EQ(horizon.instant.size(), activity[0].size()) << horizon.instant;
  EXPECT_EQ(horizon.instant[4], '-');
  EXPECT_EQ(horizon.local.size(), activity[1].size()) << horizon.local;
}

// The zone of a country that is on UTC in winter, and whose summer time ends so many seconds from now.
class LiveHorizonInAutumn : public LiveHorizon {
 protected:
  std::string zone(const std::string &summer_offset, int seconds_to_go) {
    return evaluate(
        "SELECT format('WIN0SUM-%s,%s/0,%s/%s', " + quote_literal(summer_offset) +
        ", extract(doy FROM s.begins) - 1, extract(doy FROM s.ends) - 1, to_char(s.ends, "
        "'HH24:MI:SS')) FROM (SELECT now() AT TIME ZONE 'UTC' + '180 days'::interval, now() AT TIME "
        "ZONE 'UTC' + " +
        quote_literal(summer_offset) + "::interval + '" + std::to_string(seconds_to_go) +
        " seconds'::interval) AS s (begins, ends)");
  }
  // The earliest local time that a clock shows from the horizon on.
  std::string earliest_to_come(const Horizon &horizon, const std::string &zone) {
    const std::string instant = quote_literal(horizon.instant) + "::timestamptz";
    return evaluate("SELECT min(to_char(m AT TIME ZONE " + quote_literal(zone) +
                    ", 'YYYY-MM-DD HH24:MI:SS.US')) FROM generate_series(" + instant + ", " + instant +
                    " + '6 hours', '1 second') AS m");
  }
};

TEST_F(LiveHorizonInAutumn, IsNeverLaterThanALocalTimeThatIsStillToCome) {
  constexpr int hour = 3600;
  for (const char *summer : {"1:00", "0:30"})
    for (const int to_go :
         {-hour, -hour / 2, -3, 2, 60, hour / 2 - 60, hour / 2 + 60, hour - 60, hour + 60, 3 * hour}) {
      const std::string clocks = zone(summer, to_go);
      const Horizon horizon = read(10 * minute, clocks);
      EXPECT_LE(horizon.local, earliest_to_come(horizon, clocks)) << clocks << ", to go: " << to_go;
    }
}

TEST_F(LiveHorizonInAutumn, IsEarlyOnlyInTheHourBeforeClocksGoBack) {
  for (const int to_go : {-60, 3660, 3 * 3600}) {
    const std::string clocks = zone("1:00", to_go);
    const Horizon horizon = read(10 * minute, clocks);
    EXPECT_EQ(horizon.local,
              evaluate("to_char(" + quote_literal(horizon.instant) + "::timestamptz AT TIME ZONE " +
                       quote_literal(clocks) + ", 'YYYY-MM-DD HH24:MI:SS.US')"))
        << clocks << ", to go: " << to_go;
  }
}

}  // namespace
}  // namespace tablesync::remote
