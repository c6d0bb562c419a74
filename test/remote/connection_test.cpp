#include "remote/connection.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <future>

#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct FailedConnect {
  ConnectStep step;
  Diagnostics said;
  bool transient;
};

FailedConnect failed_connect(Host &host, const ConnectionSettings &settings) {
  try {
    Connection connection(host, settings);
  } catch (const ConnectError &error) {
    return {error.step(), error.diagnostics(), error.transient()};
  }
  ADD_FAILURE() << "connected";
  return {};
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

// ---- connecting -------------------------------------------------------------------------------------------

TEST(Connect, SaysWhereItFailedToLookUpAHost) {
  PollHost host;
  ConnectionSettings settings = FakeServer::settings_for(1);
  set_option(settings, "hostaddr", "not an address");
  const FailedConnect failed = failed_connect(host, settings);
  EXPECT_EQ(failed.step, ConnectStep::lookup);
  EXPECT_EQ(failed.said.sqlstate, "08001");
  EXPECT_EQ(failed.said.message, "could not connect to server \"shop\" (\"not an address\", port 1)");
  EXPECT_EQ(failed.said.hint, "Check the host: ALTER SERVER shop OPTIONS (SET host '...').");
}

TEST(Connect, SaysThatNobodyListens) {
  int port = 0;
  {
    Listener free;
    port = free.port();
  }
  PollHost host;
  const FailedConnect failed = failed_connect(host, FakeServer::settings_for(port));
  EXPECT_EQ(failed.step, ConnectStep::tcp);
  EXPECT_EQ(failed.said.sqlstate, "08001");
  EXPECT_TRUE(contains(failed.said.detail, "refused")) << failed.said.detail;
  EXPECT_TRUE(contains(failed.said.hint, "listen_addresses")) << failed.said.hint;
}

TEST(Connect, SaysThatTheServerHasNoEncryption) {
  FakeServer server([](Session &session) { session.receive_startup(); });
  PollHost host;
  ConnectionSettings settings = server.settings();
  set_option(settings, "sslmode", "require");
  const FailedConnect failed = failed_connect(host, settings);
  EXPECT_EQ(failed.step, ConnectStep::tls);
  EXPECT_TRUE(contains(failed.said.hint, "sslmode of server shop")) << failed.said.hint;
}

TEST(Connect, GivesTheServersOwnWordsOnARefusedLogin) {
  FakeServer server([](Session &session) {
    session.receive_startup();
    session.say(
        'E',
        {{'S', "FATAL"}, {'C', "28P01"}, {'M', "password authentication failed\033[2J for user \"reader\""}});
  });
  PollHost host;
  const FailedConnect failed = failed_connect(host, server.settings());
  EXPECT_EQ(failed.step, ConnectStep::login);
  EXPECT_EQ(failed.said.sqlstate, "08001");
  EXPECT_TRUE(contains(failed.said.detail, "password authentication failed\\x1b[2J for user \"reader\""))
      << failed.said.detail;
  EXPECT_TRUE(contains(failed.said.hint, "ALTER USER MAPPING")) << failed.said.hint;
  EXPECT_EQ(host.descriptors, 0);
}

TEST(Connect, TakesARefusalOfAnyLength) {
  const std::string last = "not today\nsrc/x.c:7\n" + std::string(20000, ':') + "  a";
  FakeServer server([&](Session &session) {
    session.receive_startup();
    session.say('E',
                {{'S', "FATAL"}, {'C', "53300"}, {'M', last}, {'F', "auth.c"}, {'L', "335"}, {'R', "f"}});
  });
  PollHost host;
  const FailedConnect failed = failed_connect(host, server.settings());
  EXPECT_TRUE(failed.transient) << failed.said.detail;
  EXPECT_TRUE(contains(failed.said.detail, "FATAL:  not today\n:::")) << failed.said.detail;
  EXPECT_FALSE(contains(failed.said.detail, "auth.c"));
}

TEST(Connect, PointsAtTheDatabaseWhereItDoesNotExist) {
  FakeServer server([](Session &session) {
    session.receive_startup();
    session.say('E', {{'S', "FATAL"}, {'C', "3D000"}, {'M', "database \"shop\" does not exist"}});
  });
  PollHost host;
  EXPECT_EQ(failed_connect(host, server.settings()).said.hint,
            "Check the database: ALTER SERVER shop OPTIONS (SET dbname '...').");
}

TEST(Connect, GivesUpOnAServerThatNeverAnswers) {
  FakeServer server([](Session &session) { session.wait_for_end(); });
  PollHost host;
  ConnectionSettings settings = server.settings();
  set_option(settings, "connect_timeout", "1");
  const auto start = steady_clock::now();
  const FailedConnect failed = failed_connect(host, settings);
  EXPECT_GE(steady_clock::now() - start, milliseconds(990));
  EXPECT_LT(steady_clock::now() - start, milliseconds(5000));
  EXPECT_EQ(failed.said.sqlstate, "08001");
  EXPECT_EQ(failed.said.detail, "The server did not answer within 1 s (connect_timeout).");
  EXPECT_TRUE(contains(failed.said.hint, "firewall")) << "it is no matter of passwords: " << failed.said.hint;
  EXPECT_EQ(host.descriptors, 0);
}

// A port of 127.0.0.1 that takes no connection and refuses none: its queue is full.
class BlackHole {
 public:
  BlackHole() {
    for (Socket &waiting : waiting_) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(listener_.port()));
      // Not blocking: it need not succeed.
      connect(waiting.get(), reinterpret_cast<sockaddr *>(&address), sizeof address);
    }
  }
  ConnectionSettings settings() const {
    ConnectionSettings settings = FakeServer::settings_for(listener_.port());
    set_option(settings, "connect_timeout", "1");
    return settings;
  }

 private:
  static int make() { return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }
  Listener listener_{0};
  std::array<Socket, 4> waiting_{Socket(make()), Socket(make()), Socket(make()), Socket(make())};
};

TEST(Connect, GivesUpOnABlackHole) {
  BlackHole hole;
  PollHost host;
  const FailedConnect failed = failed_connect(host, hole.settings());
  EXPECT_EQ(failed.step, ConnectStep::tcp);
  EXPECT_EQ(failed.said.detail, "The server did not answer within 1 s (connect_timeout).");
}

TEST(Connect, IsNotHeldUpByAHostThatWakesEarly) {
  // libpq would block in a socket that it takes for ready: no deadline and no cancel would end that.
  BlackHole hole;
  PollHost host;
  host.longest_wait_ms = 20;
  const auto start = steady_clock::now();
  const FailedConnect failed = failed_connect(host, hole.settings());
  EXPECT_LT(steady_clock::now() - start, milliseconds(5000));
  EXPECT_EQ(failed.step, ConnectStep::tcp);
}

TEST(Connect, SucceedsWithAHostThatWakesEarly) {
  std::promise<void> woken_often;
  FakeServer server([&](Session &session) {
    session.receive_startup();
    woken_often.get_future().wait();
    session.let_in();
    session.wait_for_end();
  });
  PollHost host;
  host.longest_wait_ms = 1;
  host.before_wait = [&, waits = 0]() mutable {
    if (++waits == 10) woken_often.set_value();
  };
  EXPECT_NO_THROW(Connection(host, server.settings()));
}

struct Canceled {};

TEST(Connect, EndsWhenTheHostThrows) {
  FakeServer server([](Session &session) { session.wait_for_end(); });
  PollHost host;
  host.before_wait = [] { throw Canceled(); };
  EXPECT_THROW(Connection(host, server.settings()), Canceled);
  EXPECT_EQ(host.descriptors, 0);
}

TEST(Connect, RefusesAServerThatDoesNotAskForThePassword) {
  FakeServer server([](Session &session) {
    session.log_in();
    session.wait_for_end();
  });
  PollHost host;
  ConnectionSettings settings = server.settings();
  set_option(settings, "password", "secret");
  settings.password_must_be_used = true;
  const Diagnostics said = error_of([&] { Connection(host, settings); });
  EXPECT_EQ(said.sqlstate, "2F003");
  EXPECT_TRUE(contains(said.hint, "pg_hba.conf"));
  EXPECT_EQ(host.descriptors, 0);
}

TEST(Connect, TakesAServerThatAsksForThePassword) {
  FakeServer server([](Session &session) {
    session.receive_startup();
    session.send('R', int32(3));  // in clear text
    session.receive_up_to('p');
    session.let_in();
    session.wait_for_end();
  });
  PollHost host;
  ConnectionSettings settings = server.settings();
  set_option(settings, "password", "secret");
  // libpq 16 and later would not send it in clear text.
  if (PQlibVersion() >= 160000) set_option(settings, "require_auth", "password");
  settings.password_must_be_used = true;
  EXPECT_NO_THROW(Connection(host, settings));
}

TEST(Connect, TellsTheServerWhatItIsAndWhichEncodingItReads) {
  std::string startup;
  {
    FakeServer server([&](Session &session) {
      startup = session.receive_startup();
      session.let_in();
      session.wait_for_end();
    });
    PollHost host;
    ConnectionSettings settings = server.settings();
    settings.client_encoding = "LATIN1";
    set_option(settings, "application_name", "pg_tablesync");
    Connection connection(host, settings);
  }
  for (const char *name : {"user", "database", "application_name", "client_encoding"})
    EXPECT_TRUE(contains(startup, zero_ended(name))) << name;
  EXPECT_TRUE(contains(startup, zero_ended("client_encoding") + zero_ended("LATIN1")));
}

TEST(Connect, KnowsTheVersionOfTheServer) {
  FakeServer server([](Session &session) {
    session.log_in();
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  EXPECT_EQ(connection.server_version(), 150004);
  EXPECT_EQ(connection.server_version_text(), "15.4 (fake)");
  EXPECT_FALSE(connection.encrypted());
}

TEST(Connect, AccountsForItsDescriptor) {
  FakeServer server([](Session &session) {
    session.log_in();
    session.wait_for_end();
  });
  PollHost host;
  {
    Connection connection(host, server.settings());
    EXPECT_EQ(host.descriptors, 1);
  }
  EXPECT_EQ(host.descriptors, 0);
}

TEST(ConnectStepName, IsKnownForEachStep) {
  EXPECT_STREQ(name_of(ConnectStep::lookup), "name look-up");
  EXPECT_STREQ(name_of(ConnectStep::tcp), "TCP");
  EXPECT_STREQ(name_of(ConnectStep::tls), "TLS");
  EXPECT_STREQ(name_of(ConnectStep::login), "login");
}

// ---- statements -------------------------------------------------------------------------------------------

// What query("SELECT") does when the server answers it with `answer`.
Rows ask(const std::function<void(Session &)> &answer, PollHost &host) {
  FakeServer server([&](Session &session) {
    session.log_in();
    session.receive_statement();
    answer(session);
    session.wait_for_end();
  });
  ConnectionSettings settings = server.settings();
  settings.stall_timeout = milliseconds(20000);
  Connection connection(host, settings);
  return connection.query("SELECT");
}

Diagnostics failed_query(const std::function<void(Session &)> &answer) {
  PollHost host;
  const Diagnostics said = error_of([&] { ask(answer, host); });
  EXPECT_EQ(host.descriptors, 0);
  return said;
}

TEST(Query, PassesOnEveryFieldOfAnErrorMadeFitForTheLog) {
  const std::string nasty = "a\033[2Jb\nc\xff";
  const std::string clean = "a\\x1b[2Jb\nc?";
  const Diagnostics said = failed_query([&](Session &session) {
    session.say('E', {{'S', "ERROR"},
                      {'C', "23505"},
                      {'M', nasty},
                      {'D', nasty},
                      {'H', nasty},
                      {'W', nasty},
                      {'s', nasty},
                      {'t', nasty},
                      {'c', nasty},
                      {'d', nasty},
                      {'n', nasty}});
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "23505");
  for (const std::string *field : {&said.message, &said.detail, &said.hint, &said.schema, &said.table,
                                   &said.column, &said.datatype, &said.constraint})
    EXPECT_EQ(*field, clean);
  EXPECT_EQ(said.context, clean + "\nremote server \"shop\"");
}

TEST(Query, SaysWhatToGrantWhereTheServerDoesNot) {
  const auto denied = [](const std::string &hint) {
    return failed_query([&](Session &session) {
      session.say('E',
                  {{'S', "ERROR"}, {'C', "42501"}, {'M', "permission denied for table users"}, {'H', hint}});
      session.ready();
    });
  };
  EXPECT_EQ(denied("").hint, "On the source, GRANT USAGE on the schema and SELECT on the table to reader.");
  EXPECT_EQ(denied("Ask Ann.").hint, "Ask Ann.");
}

TEST(Query, BoundsTheTextOfAnError) {
  const Diagnostics said = failed_query([](Session &session) {
    session.say('E', {{'S', "ERROR"}, {'C', "XX000"}, {'M', std::string(20000, 'x')}});
    session.ready();
  });
  EXPECT_LT(said.message.size(), 8300U);
}

TEST(Query, CallsAServerThatWentAwayALostConnection) {
  const Diagnostics said = failed_query([](Session &session) { session.close(); });
  EXPECT_EQ(said.sqlstate, "08006");
  EXPECT_EQ(said.message, "lost the connection to server \"shop\"");
  EXPECT_FALSE(said.detail.empty());
  EXPECT_EQ(said.hint, "Run it again when the server is back.");
}

TEST(Query, KeepsTheLastWordsOfAServerThatShutsDown) {
  const Diagnostics said = failed_query([](Session &session) {
    session.say(
        'E', {{'S', "FATAL"}, {'C', "57P01"}, {'M', "terminating connection due to administrator command"}});
    session.close();
  });
  EXPECT_TRUE(said.sqlstate == "57P01" || said.sqlstate == "08006") << said.sqlstate;
  EXPECT_TRUE(contains(said.message + said.detail, "terminating connection due to administrator command"));
}

TEST(Query, RefusesRowsOfAForgedWidth) {
  const Diagnostics said = failed_query([](Session &session) {
    session.answer_row({"1"});
    session.send('D', int16(2) + int32(1) + "a" + int32(1) + "b");
    session.complete("SELECT 2");
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "08006");
}

TEST(Query, RefusesForgedLengths) {
  for (const std::int64_t length :
       {std::int64_t{0}, std::int64_t{3}, std::int64_t{-1}, std::int64_t{0x7fffffff}}) {
    const Diagnostics said = failed_query([&](Session &session) {
      session.begin_answer();
      session.send_with_length('C', length);
    });
    EXPECT_EQ(said.sqlstate, "08006") << length;
  }
}

TEST(Query, RefusesAFieldThatIsLongerThanItsRow) {
  const Diagnostics said = failed_query([](Session &session) {
    session.answer_row({"1"});
    session.send('D', int16(1) + int32(1000) + "a");
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "08006");
}

TEST(Query, RefusesACopyThatNobodyAskedFor) {
  for (const char type : {'H', 'G', 'W'}) {
    const Diagnostics said = failed_query([&](Session &session) {
      session.begin_answer();
      session.send(type, "\1" + int16(1) + int16(1));
    });
    EXPECT_EQ(said.sqlstate, "08P01") << type;
  }
}

TEST(Query, RefusesACopyBehindItsResult) {
  const Diagnostics said = failed_query([](Session &session) {
    session.answer_row({"1"});
    session.complete("SELECT 1");
    session.send('H', "\1" + int16(1) + int16(1));
  });
  EXPECT_EQ(said.sqlstate, "08P01");
}

TEST(Query, PassesOnNoticesMadeFitForTheLog) {
  PollHost host;
  ask(
      [](Session &session) {
        session.say('N', {{'S', "NOTICE"}, {'C', "00000"}, {'M', "look\033[2J"}});
        session.answer_row({"1"});
        session.complete("SELECT 1");
        session.ready();
      },
      host);
  EXPECT_EQ(host.notices, (std::vector<std::string>{"look\\x1b[2J"}));
}

TEST(Query, SurvivesAHostThatFailsToTakeANotice) {
  PollHost host;
  host.on_notice = [] { throw std::runtime_error("no"); };
  const auto answer = [](Session &session) {
    session.say('N', {{'S', "NOTICE"}, {'C', "00000"}, {'M', "look"}});
    session.answer_row({"1"});
    session.complete("SELECT 1");
    session.ready();
  };
  EXPECT_EQ(ask(answer, host), (Rows{{"1"}}));
}

TEST(Query, EndsWhenTheHostThrows) {
  FakeServer server([](Session &session) {
    session.log_in();
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  host.before_wait = [] { throw Canceled(); };
  EXPECT_THROW(connection.query("SELECT"), Canceled);
}

TEST(Query, GivesUpOnAServerThatFallsSilent) {
  for (const int longest_wait_ms : {60000, 10}) {
    FakeServer server([](Session &session) {
      session.log_in();
      session.wait_for_end();
    });
    PollHost host;
    host.longest_wait_ms = longest_wait_ms;
    ConnectionSettings settings = server.settings();
    settings.stall_timeout = milliseconds(100);
    Connection connection(host, settings);
    const auto start = steady_clock::now();
    const Diagnostics said = error_of([&] { connection.query("SELECT"); });
    EXPECT_GE(steady_clock::now() - start, milliseconds(90));
    EXPECT_EQ(said.sqlstate, "08006");
    EXPECT_EQ(said.detail, "The server sent no data for 0.1 s (tablesync.stall_timeout).");
  }
}

TEST(Execute, GivesUpOnAServerThatTakesNoData) {
  for (const int longest_wait_ms : {60000, 10}) {
    std::promise<void> over;
    FakeServer server([&](Session &session) {
      session.log_in();
      over.get_future().wait();
    });
    PollHost host;
    host.longest_wait_ms = longest_wait_ms;
    ConnectionSettings settings = server.settings();
    settings.stall_timeout = milliseconds(100);
    Connection connection(host, settings);
    const auto start = steady_clock::now();
    // More than the buffers on the way can hold.
    const Diagnostics said = error_of([&] { connection.execute(std::string(30'000'000, ' ')); });
    EXPECT_GE(steady_clock::now() - start, milliseconds(90));
    EXPECT_EQ(said.sqlstate, "08006");
    EXPECT_EQ(said.detail, "The server accepted no data for 0.1 s (tablesync.stall_timeout).");
    over.set_value();
  }
}

TEST(Execute, ReportsTheFirstOfSeveralErrors) {
  FakeServer server([](Session &session) {
    session.log_in();
    session.receive_batch();
    session.complete("BEGIN");
    session.say('E', {{'S', "ERROR"}, {'C', "42P01"}, {'M', "first"}});
    session.ready();
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  const Diagnostics said = error_of([&] { connection.execute("BEGIN; LOCK TABLE x"); });
  EXPECT_EQ(said.sqlstate, "42P01");
  EXPECT_EQ(said.message, "first");
}

TEST(Execute, RefusesACopyThatNobodyAskedFor) {
  for (const char type : {'H', 'G'}) {
    FakeServer server([&](Session &session) {
      session.log_in();
      session.receive_batch();
      session.send(type, "\1" + int16(1) + int16(1));
      session.wait_for_end();
    });
    PollHost host;
    Connection connection(host, server.settings());
    EXPECT_EQ(error_of([&] { connection.execute("BEGIN"); }).sqlstate, "08P01") << type;
  }
}

// ---- a real server ----------------------------------------------------------------------------------------

class LiveConnection : public LiveServer {};

TEST_F(LiveConnection, LogsInWithAPassword) {
  PollHost host;
  ConnectionSettings with_password = settings();
  with_password.password_must_be_used = true;
  Connection connection(host, with_password);
  EXPECT_GE(connection.server_version(), 150000);
  EXPECT_EQ(connection.query("SELECT current_user::text"),
            (Rows{{option_value(with_password.options, "user", "")}}));
}

TEST_F(LiveConnection, IsRefusedWithTheWrongPassword) {
  PollHost host;
  ConnectionSettings wrong = settings();
  set_option(wrong, "password", "hunter2");
  const FailedConnect failed = failed_connect(host, wrong);
  EXPECT_EQ(failed.step, ConnectStep::login);
  EXPECT_TRUE(contains(failed.said.detail, "password authentication failed")) << failed.said.detail;
  EXPECT_FALSE(contains(failed.said.detail + failed.said.message + failed.said.hint, "hunter2"));
}

TEST_F(LiveConnection, IsRefusedWhereThePasswordWasNotUsed) {
  PollHost host;
  ConnectionSettings trusted = settings_without_password();
  EXPECT_NO_THROW(Connection(host, trusted));
  trusted.password_must_be_used = true;
  EXPECT_EQ(error_of([&] { Connection(host, trusted); }).sqlstate, "2F003");
}

TEST_F(LiveConnection, PassesParametersAsTextAndReturnsNulls) {
  PollHost host;
  Connection connection(host, settings());
  EXPECT_EQ(connection.query("SELECT $1 || '!', NULL, $2", {"it's; DROP TABLE x", ""}),
            (Rows{{"it's; DROP TABLE x!", std::nullopt, ""}}));
  EXPECT_EQ(connection.query("SELECT WHERE false"), Rows{});
  EXPECT_EQ(connection.query("SELECT g::text FROM generate_series(1, 3) g"), (Rows{{"1"}, {"2"}, {"3"}}));
}

TEST_F(LiveConnection, RaisesTheErrorOfAStatement) {
  PollHost host;
  Connection connection(host, settings());
  const Diagnostics said = error_of([&] { connection.query("SELECT 1/0"); });
  EXPECT_EQ(said.sqlstate, "22012");
  EXPECT_EQ(said.message, "division by zero");
  EXPECT_TRUE(said.context.ends_with("remote server \"shop\"")) << said.context;
}

TEST_F(LiveConnection, CanBeUsedAgainAfterAnErrorInABatch) {
  PollHost host;
  Connection connection(host, settings());
  EXPECT_EQ(error_of([&] { connection.execute("SELECT 1/0; SELECT 1"); }).sqlstate, "22012");
  EXPECT_EQ(connection.query("SELECT 'x'"), (Rows{{"x"}}));
}

TEST_F(LiveConnection, RunsABatchInOneTransaction) {
  PollHost host;
  Connection connection(host, settings());
  connection.execute("BEGIN; SET LOCAL work_mem = '77kB'; SELECT 1");
  EXPECT_EQ(connection.query("SHOW work_mem"), (Rows{{"77kB"}}));
  connection.execute("COMMIT");
  EXPECT_NE(connection.query("SHOW work_mem"), (Rows{{"77kB"}}));
}

TEST_F(LiveConnection, RunsNoSecondStatementInAQuery) {
  PollHost host;
  Connection connection(host, settings());
  EXPECT_EQ(error_of([&] { connection.query("SELECT 1; SELECT 2"); }).sqlstate, "42601");
}

TEST_F(LiveConnection, RunsNoSecondStatementBehindACopy) {
  PollHost host;
  Connection connection(host, settings());
  EXPECT_EQ(error_of([&] { connection.start_copy_out("COPY (SELECT 1) TO STDOUT; SELECT 2"); }).sqlstate,
            "42601");
}

TEST_F(LiveConnection, DescribesAStatementWithoutRunningIt) {
  PollHost host;
  Connection connection(host, settings());
  int parameters = -1;
  const std::vector<ResultColumn> columns =
      connection.describe("SELECT 1 / 0 AS a, $1::varchar(7) AS \"B\", $2::numeric(5,2)", parameters);
  EXPECT_EQ(parameters, 2);
  ASSERT_EQ(columns.size(), 3U);
  EXPECT_EQ(columns[0].name, "a");
  EXPECT_EQ(columns[0].type_oid, 23U);  // int4
  EXPECT_EQ(columns[0].typmod, -1);
  EXPECT_EQ(columns[1].name, "B");
  EXPECT_EQ(columns[1].typmod, 7 + 4);
  EXPECT_EQ(columns[2].typmod, ((5 << 16) | 2) + 4);
  EXPECT_TRUE(connection.describe("CREATE TABLE x (y int)", parameters).empty());
  EXPECT_EQ(parameters, 0);
  EXPECT_EQ(connection.query("SELECT to_regclass('x') IS NULL"), (Rows{{"t"}}));
}

TEST_F(LiveConnection, DescribesOneStatementAlone) {
  PollHost host;
  Connection connection(host, settings());
  int parameters = 0;
  EXPECT_EQ(error_of([&] { connection.describe("SELECT 1; SELECT 2", parameters); }).sqlstate, "42601");
}

TEST_F(LiveConnection, RaisesTheErrorOfAStatementThatCannotBeDescribed) {
  PollHost host;
  Connection connection(host, settings());
  int parameters = 0;
  const Diagnostics said = error_of([&] { connection.describe("SELECT nope", parameters); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_TRUE(said.context.ends_with("remote server \"shop\"")) << said.context;
}

TEST_F(LiveConnection, KnowsItsRoleAndWhetherATransactionIsOpen) {
  PollHost host;
  Connection connection(host, settings());
  EXPECT_EQ(connection.user(), plain_user());
  EXPECT_FALSE(connection.in_transaction());
  connection.execute("BEGIN");
  EXPECT_TRUE(connection.in_transaction());
  EXPECT_EQ(error_of([&] { connection.execute("SELECT 1/0"); }).sqlstate, "22012");
  EXPECT_TRUE(connection.in_transaction()) << "it must be ended, though it failed";
  connection.execute("ROLLBACK");
  EXPECT_FALSE(connection.in_transaction());
}

TEST_F(LiveConnection, HandsOverNotices) {
  PollHost host;
  Connection connection(host, settings());
  connection.execute("DO $$BEGIN RAISE WARNING 'look %', E'\\x1b'; END$$");
  EXPECT_EQ(host.notices, (std::vector<std::string>{"look \\x1b"}));
}

}  // namespace
}  // namespace tablesync::remote
