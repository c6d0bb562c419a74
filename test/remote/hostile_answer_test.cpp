// What a hostile server sends in place of an answer, and how much of it is taken.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "remote/connection.h"
#include "remote/copy.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::int64_t mb = 1 << 20;

std::string data_row(const std::string &value) {
  return int16(1) + int32(static_cast<std::int64_t>(value.size())) + value;
}

std::string text_column(const std::string &name) {
  return int16(1) + zero_ended(name) + int32(0) + int16(0) + int32(25) + int16(-1) + int32(-1) + int16(0);
}

// A connection to a server that lets it in and then does what the test says.
class HostileAnswer : public testing::Test {
 protected:
  void serve(std::function<void(Session &)> script) {
    server_.emplace([script = std::move(script)](Session &session) {
      session.log_in();
      script(session);
      session.wait_for_end();
    });
    settings_ = server_->settings();
    settings_.stall_timeout = 20s;
    settings_.most_bytes = mb;
  }
  Connection &connection() { return connection_ ? *connection_ : connection_.emplace(host_, settings_); }
  Diagnostics failed_query() {
    return error_of([&] { connection().query("SELECT"); });
  }
  Diagnostics failed_copy() {
    return error_of([&] {
      CopyOut copy(connection(), "COPY x TO STDOUT");
      size_t size = 0;
      while (copy.next_row(size) != nullptr) ++rows_;
    });
  }
  // Answers one statement with this, again and again.
  static std::function<void(Session &)> endlessly(char type, const std::string &body) {
    return [=](Session &session) {
      session.receive_statement();
      session.answer_row({"1"});
      for (;;) session.send(type, body);
    };
  }

  PollHost host_;
  std::optional<FakeServer> server_;
  ConnectionSettings settings_;
  std::optional<Connection> connection_;  // gone before the server is
  int rows_ = 0;
};

// ---- texts ------------------------------------------------------------------------------------------------

TEST_F(HostileAnswer, IsRefusedWhereATextIsNotValid) {
  serve([](Session &session) { session.answer({"valid: ü", "not: \xff\xfe"}); });
  const Diagnostics said = failed_query();
  EXPECT_EQ(said.sqlstate, "22021");
  EXPECT_EQ(said.message, "server \"shop\" sent an invalid byte sequence for encoding \"UTF8\": 0xff 0xfe");
}

TEST_F(HostileAnswer, IsRefusedWhereATextHasAZeroByte) {
  serve([](Session &session) { session.answer({std::string("a\0b", 3)}); });
  EXPECT_EQ(failed_query().sqlstate, "22021");
}

TEST_F(HostileAnswer, IsRefusedWhereTheNameOfAColumnIsNotValid) {
  serve([](Session &session) {
    session.receive_statement();
    session.send('1');
    session.ready();
    session.receive_statement();
    session.send('t', int16(0));
    session.send('T', text_column("v\xe2\x82"));
    session.ready();
  });
  int parameters = 0;
  EXPECT_EQ(error_of([&] { connection().describe("SELECT", parameters); }).message,
            "server \"shop\" sent an invalid byte sequence for encoding \"UTF8\": 0xe2 0x82");
}

TEST_F(HostileAnswer, MayHaveAnInvalidTextInAnError) {
  serve([](Session &session) {
    session.receive_statement();
    session.say('E', {{'S', "ERROR"}, {'C', "42P01"}, {'M', "no \xff"}});
    session.ready();
  });
  EXPECT_EQ(failed_query().message, "no ?");
}

TEST_F(HostileAnswer, HasNoSqlstateOfItsOwnMaking) {
  serve([](Session &session) {
    session.receive_statement();
    session.say('E', {{'S', "ERROR"}, {'C', "\033[2Jx"}, {'M', "no"}});
    session.ready();
  });
  EXPECT_EQ(failed_query().sqlstate, "08006");
}

// ---- sizes ------------------------------------------------------------------------------------------------

TEST_F(HostileAnswer, IsRefusedWhereItHasRowsWithoutEnd) {
  serve(endlessly('D', data_row("1")));
  const Diagnostics said = failed_query();
  EXPECT_EQ(said.sqlstate, "54000");
  EXPECT_EQ(said.message, "server \"shop\" sent more than memory_limit_mb allows");
  EXPECT_EQ(said.detail, "A whole answer may have 1.0 MB.");
}

TEST_F(HostileAnswer, IsRefusedWhereItsRowsAreOfDifferentWidths) {
  serve([](Session &session) {
    session.receive_statement();
    session.answer_row({"1"});
    session.send('T', int16(0));
    session.send('D', int16(0));
    session.complete("SELECT 2");
    session.ready();
  });
  EXPECT_EQ(failed_query().sqlstate, "08006");
}

TEST_F(HostileAnswer, OfABatchIsKeptNowhere) {
  std::atomic<int> sent = 0;
  serve([&](Session &session) {
    session.receive_batch();
    session.send('T', text_column("c"));
    for (; sent < 100; ++sent) session.send('D', data_row(std::string(100000, 'x')));
    session.complete("SELECT 100");
    session.ready();
  });
  EXPECT_NO_THROW(connection().execute("SELECT"));
  EXPECT_EQ(sent, 100);
}

// How much memory the process has: as much as the test says, from the nth look on.
std::function<std::int64_t()> growing(std::vector<std::int64_t> looks) {
  return
      [looks = std::move(looks), n = size_t{0}]() mutable { return looks[std::min(n++, looks.size() - 1)]; };
}

TEST_F(HostileAnswer, IsRefusedWhereLibpqNeedsMoreMemoryForIt) {
  serve(endlessly('S', zero_ended("name") + zero_ended("value")));
  connection();
  host_.reserved = growing({10 * mb, 11 * mb, 12 * mb, 13 * mb});
  EXPECT_EQ(error_of([&] { connection_->query("SELECT"); }).sqlstate, "54000");
}

TEST_F(HostileAnswer, MayNeedAsMuchMemoryAsTheLimitSays) {
  serve([](Session &session) { session.answer({"1"}); });
  connection();
  host_.reserved = growing({10 * mb, 11 * mb});
  EXPECT_EQ(connection_->query("SELECT"), (Rows{{"1"}}));
}

TEST_F(HostileAnswer, AddsToTheMemoryThatLibpqHasKept) {
  serve([](Session &session) {
    for (;;) session.answer({"1"});
  });
  connection();
  std::int64_t reserved = 0;
  host_.reserved = [&] { return reserved += mb / 4; };
  EXPECT_EQ(error_of([&] {
              for (int i = 0; i < 100; ++i) connection_->query("SELECT");
            }).sqlstate,
            "54000");
}

TEST_F(HostileAnswer, IsRefusedWhereTheLoginNeedsMoreMemory) {
  FakeServer server([](Session &session) {
    session.receive_startup();
    session.send('R', int32(0));
    for (;;) session.send('S', zero_ended("name") + zero_ended("value"));
  });
  host_.reserved = growing({10 * mb, 10 * mb, 200 * mb});
  EXPECT_EQ(error_of([&] { Connection(host_, server.settings()); }).sqlstate, "54000");
  EXPECT_EQ(host_.descriptors, 0);
}

TEST_F(HostileAnswer, OfACopyIsRefusedBeforeALargeMessageIsRead) {
  serve([](Session &session) {
    session.receive_statement();
    session.begin_answer();
    session.send('n');
    session.send('H', "\1" + int16(1) + int16(1));
    session.send('d', copy_header() + copy_row("x"));
    session.send_with_length('d', 1'000'000'000);
    for (;;) session.send_bytes(std::string(10000, 'x'));
  });
  connection();
  // libpq asks for the room as soon as it has read the length.
  host_.reserved = [&] { return rows_ == 0 ? 10 * mb : 110 * mb; };
  EXPECT_EQ(failed_copy().sqlstate, "54000");
}

TEST_F(HostileAnswer, OfACopyMayBeOfAnySizeInAll) {
  constexpr int many = 200;
  serve([](Session &session) {
    session.receive_statement();
    session.begin_answer();
    session.send('n');
    session.send('H', "\1" + int16(1) + int16(1));
    session.send('d', copy_header());
    for (int i = 0; i < many; ++i) session.send('d', copy_row(std::string(70000, 'x')));
    session.send('d', copy_trailer());
    session.end_copy("COPY " + std::to_string(many));
  });
  connection();
  // What the rows are stored in grows while libpq does not.
  host_.reserved = [&] { return 10 * mb + rows_ * mb / 4; };
  CopyOut copy(*connection_, "COPY x TO STDOUT");
  size_t size = 0;
  while (copy.next_row(size) != nullptr) ++rows_;
  EXPECT_EQ(copy.rows(), many);
}

// ---- what is no answer ------------------------------------------------------------------------------------

TEST_F(HostileAnswer, IsRefusedWhereItIsNoticesWithoutEnd) {
  serve(endlessly('N', "SNOTICE" + std::string(1, '\0') + zero_ended("C00000") + zero_ended("Mx") + '\0'));
  const Diagnostics said = failed_query();
  EXPECT_EQ(said.sqlstate, "08P01");
  EXPECT_EQ(said.message, "server \"shop\" sent too many notices");
  EXPECT_LE(host_.notices.size(), 10000U);
}

TEST_F(HostileAnswer, IsRefusedWhereItIsNotificationsWithoutEnd) {
  serve(endlessly('A', int32(1) + zero_ended("channel") + zero_ended("payload")));
  EXPECT_EQ(failed_query().sqlstate, "08P01");
}

TEST_F(HostileAnswer, OfACopyIsRefusedWhereItIsNotificationsWithoutEnd) {
  serve([](Session &session) {
    session.receive_statement();
    session.begin_answer();
    session.send('n');
    session.send('H', "\1" + int16(1) + int16(1));
    for (;;) session.send('A', int32(1) + zero_ended("channel") + zero_ended("payload"));
  });
  EXPECT_EQ(failed_copy().sqlstate, "08P01");
}

// ---- time -------------------------------------------------------------------------------------------------

// A row after the other, each before the server would count as silent.
void trickle(Session &session, int rows) {
  for (int i = 0; i < rows; ++i) {
    session.send('D', data_row("1"));
    std::this_thread::sleep_for(30ms);
  }
}

TEST_F(HostileAnswer, IsRefusedWhereItComesDropByDrop) {
  serve([](Session &session) {
    session.receive_statement();
    session.answer_row({"1"});
    trickle(session, 1000);
  });
  settings_.stall_timeout = 200ms;
  const auto start = steady_clock::now();
  const Diagnostics said = failed_query();
  EXPECT_LT(steady_clock::now() - start, 10s);
  EXPECT_EQ(said.sqlstate, "08006");
  EXPECT_EQ(said.detail, "The server did not complete its answer within 0.2 s (tablesync.stall_timeout).");
}

TEST_F(HostileAnswer, MayTakeItsTimeWhereTheStatementMay) {
  serve([](Session &session) {
    session.receive_statement();
    session.answer_row({"1"});
    trickle(session, 10);
    session.complete("SELECT 11");
    session.ready();
  });
  settings_.stall_timeout = 150ms;
  connection().start_query("SELECT");
  EXPECT_EQ(connection_->finish_query().size(), 11U);
}

TEST_F(HostileAnswer, OfACopyMustEndWithItsRows) {
  serve([](Session &session) {
    session.receive_statement();
    session.begin_answer();
    session.send('n');
    session.send('H', "\1" + int16(1) + int16(1));
    session.send('d', copy_header() + copy_trailer());
    session.send('c');
    for (;;) {
      session.complete("COPY 0");
      std::this_thread::sleep_for(30ms);
    }
  });
  settings_.stall_timeout = 200ms;
  EXPECT_EQ(failed_copy().sqlstate, "08006");
}

}  // namespace
}  // namespace tablesync::remote
