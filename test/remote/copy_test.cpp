#include "remote/copy.h"

#include <gtest/gtest.h>

#include <functional>

#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

struct Received {
  std::string bytes;
  std::int64_t rows = 0;
  bool finished = false;
};

// Reads `copy` to its end, in pieces of `capacity` bytes.
Received drain(CopyOut &copy, size_t capacity = 65536) {
  Received received;
  std::string buffer(capacity, '\0');
  RowBytes bytes(copy);
  for (;;) {
    const size_t got = bytes.read(buffer.data(), 1, capacity);
    if (got == 0) break;
    received.bytes.append(buffer, 0, got);
  }
  received.rows = copy.rows();
  received.finished = copy.finished();
  EXPECT_EQ(copy.bytes(), static_cast<std::int64_t>(received.bytes.size()));
  return received;
}

// Reads a COPY for which the server says what `script` tells it to.
Received receive(const std::function<void(Session &)> &script, size_t capacity = 65536) {
  FakeServer server([&](Session &session) {
    session.begin_copy();
    script(session);
    session.wait_for_end();
  });
  PollHost host;
  ConnectionSettings settings = server.settings();
  settings.stall_timeout = std::chrono::milliseconds(20000);
  Connection connection(host, settings);
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  return drain(copy, capacity);
}

Diagnostics failed_receive(const std::function<void(Session &)> &script) {
  return error_of([&] { receive(script); });
}

// ---- counting rows ----------------------------------------------------------------------------------------

TEST(CopyOut, ReturnsTheBytesOfTheStreamAsTheyCame) {
  const std::string stream = copy_header() + copy_row("one") + copy_row("") + copy_trailer();
  const Received received = receive([](Session &session) {
    session.send('d', copy_header() + copy_row("one"));
    session.send('d', copy_row(""));
    session.send('d', copy_trailer());
    session.end_copy("COPY 2");
  });
  EXPECT_EQ(received.bytes, stream);
  EXPECT_EQ(received.rows, 2);
  EXPECT_TRUE(received.finished);
}

TEST(CopyOut, CountsRowsWhereverTheHeaderAndTheTrailerStand) {
  using Messages = std::vector<std::string>;
  for (const Messages &messages :
       {Messages{copy_header() + copy_row("a"), copy_row("b"), copy_trailer()},
        Messages{copy_header(), copy_row("a"), copy_row("b"), copy_trailer()},
        Messages{copy_header() + copy_row("a"), "", copy_row("b"), copy_trailer()}}) {
    const Received received = receive([&](Session &session) {
      for (const std::string &message : messages) session.send('d', message);
      session.end_copy("COPY 2");
    });
    EXPECT_EQ(received.rows, 2);
  }
}

TEST(CopyOut, CountsNoRowInAnEmptyTable) {
  for (const bool together : {true, false}) {
    const Received received = receive([&](Session &session) {
      if (together) {
        session.send('d', copy_header() + copy_trailer());
      } else {
        session.send('d', copy_header());
        session.send('d', copy_trailer());
      }
      session.end_copy("COPY 0");
    });
    EXPECT_EQ(received.rows, 0);
    EXPECT_TRUE(received.finished);
  }
}

TEST(CopyOut, TakesARowThatLooksLikeATrailerForARow) {
  const Received received = receive([](Session &session) {
    session.send('d', copy_header() + copy_row("a"));
    session.send('d', copy_row("\377\377"));
    session.send('d', copy_trailer());
    session.end_copy("COPY 2");
  });
  EXPECT_EQ(received.rows, 2);
}

TEST(CopyOut, RefusesAnotherNumberOfRowsThanTheServerPromised) {
  for (const char *tag : {"COPY 1", "COPY 3", "COPY 0", "COPY", "COPY -2", "SELECT"}) {
    const Diagnostics said = failed_receive([&](Session &session) {
      session.send('d', copy_header() + copy_row("a"));
      session.send('d', copy_row("b"));
      session.send('d', copy_trailer());
      session.end_copy(tag);
    });
    EXPECT_EQ(said.sqlstate, "08P01") << tag;
  }
  EXPECT_EQ(failed_receive([](Session &session) {
              session.send('d', copy_header() + copy_row("a"));
              session.end_copy("COPY 3");
            }).message,
            "received 1 row, but the server sent 3");
}

// ---- reading ----------------------------------------------------------------------------------------------

TEST(CopyOut, FitsRowsIntoAnySizeOfBuffer) {
  const std::string big(100'000, 'x');
  for (const size_t capacity : {size_t{1}, size_t{7}, size_t{19}, size_t{4096}, size_t{1'000'000}}) {
    const Received received = receive(
        [&](Session &session) {
          session.send('d', copy_header() + copy_row("a"));
          session.send('d', copy_row(big));
          session.send('d', copy_trailer());
          session.end_copy("COPY 2");
        },
        capacity);
    EXPECT_EQ(received.bytes, copy_header() + copy_row("a") + copy_row(big) + copy_trailer());
    EXPECT_EQ(received.rows, 2);
  }
}

TEST(CopyOut, WaitsForWhatIsWantedAndNoLonger) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', "12345");
    session.send('d', "67890");
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  std::string buffer(100, '\0');
  RowBytes bytes(copy);
  EXPECT_EQ(bytes.read(buffer.data(), 10, buffer.size()), 10U);
  EXPECT_EQ(buffer.substr(0, 10), "1234567890");
  EXPECT_FALSE(copy.finished());
}

TEST(CopyOut, StaysAtItsEnd) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', copy_header() + copy_trailer());
    session.end_copy("COPY 0");
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  drain(copy);
  std::size_t size = 0;
  EXPECT_FALSE(copy.ready());
  EXPECT_EQ(copy.next_row(size), nullptr);
  EXPECT_TRUE(copy.finished());
}

TEST(CopyOut, LeavesTheConnectionFitForTheNextStatement) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', copy_header() + copy_trailer());
    session.end_copy("COPY 0");
    session.answer({"next"});
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  drain(copy);
  EXPECT_EQ(connection.query("SELECT"), (Rows{{"next"}}));
}

struct Canceled {};

TEST(CopyOut, EndsWhenTheHostThrows) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', copy_header());
    session.wait_for_end();
  });
  PollHost host;
  {
    Connection connection(host, server.settings());
    CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
    host.before_wait = [] { throw Canceled(); };
    EXPECT_THROW(drain(copy), Canceled);
  }
  EXPECT_EQ(host.descriptors, 0);
}

// ---- row by row -------------------------------------------------------------------------------------------

using Messages = std::vector<std::string>;

// Reads `copy` to its end, message by message.
Messages take_rows(CopyOut &copy) {
  Messages messages;
  size_t size = 0;
  while (char *const message = copy.next_row(size)) messages.emplace_back(message, size);
  return messages;
}

// The messages of a COPY for which the server says what `script` tells it to.
Messages receive_rows(const std::function<void(Session &)> &script) {
  FakeServer server([&](Session &session) {
    session.begin_copy();
    script(session);
    session.wait_for_end();
  });
  PollHost host;
  ConnectionSettings settings = server.settings();
  settings.stall_timeout = std::chrono::milliseconds(20000);
  Connection connection(host, settings);
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  Messages messages = take_rows(copy);
  EXPECT_TRUE(copy.finished());
  return messages;
}

TEST(NextRow, ReturnsEachMessageWhole) {
  const Messages sent = {copy_header() + copy_row("one"), copy_row(""), copy_row(std::string(100'000, 'x')),
                         copy_row("\377\377"), copy_trailer()};
  EXPECT_EQ(receive_rows([&](Session &session) {
              for (const std::string &message : sent) session.send('d', message);
              session.end_copy("COPY 4");
            }),
            sent);
}

TEST(NextRow, ReturnsAHeaderThatStandsAlone) {
  const Messages sent = {copy_header(), copy_row("one"), copy_trailer()};
  EXPECT_EQ(receive_rows([&](Session &session) {
              for (const std::string &message : sent) session.send('d', message);
              session.end_copy("COPY 1");
            }),
            sent);
}

TEST(NextRow, CountsRowsAndBytes) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', copy_header() + copy_row("one"));
    session.send('d', copy_row("two"));
    session.send('d', copy_trailer());
    session.end_copy("COPY 2");
    session.answer({"next"});
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  size_t size = 0;
  ASSERT_NE(copy.next_row(size), nullptr);
  EXPECT_EQ(copy.rows(), 1);
  EXPECT_EQ(copy.bytes(), static_cast<std::int64_t>(size));
  EXPECT_FALSE(copy.finished());
  take_rows(copy);
  EXPECT_EQ(copy.rows(), 2);
  EXPECT_EQ(copy.bytes(), static_cast<std::int64_t>(copy_header().size() + 2 * copy_row("one").size() +
                                                    copy_trailer().size()));
  EXPECT_TRUE(copy.finished());
  EXPECT_EQ(connection.query("SELECT"), (Rows{{"next"}}));
}

TEST(NextRow, MayBeWrittenToUpToOneByteBehindItsEnd) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    for (const size_t size : {1, 2, 7, 8, 15, 16, 1000}) session.send('d', copy_row(std::string(size, 'x')));
    session.end_copy("COPY 7");
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  size_t size = 0;
  while (char *const message = copy.next_row(size))
    for (size_t at = 0; at <= size; ++at) message[at] = '\0';
  EXPECT_EQ(copy.rows(), 7) << "what a reader does to a row does not change how many there were";
}

TEST(NextRow, IsNeverTheEndWhereTheStreamBreaksOff) {
  const auto failed = [](const std::function<void(Session &)> &script) {
    return error_of([&] { receive_rows(script); }).sqlstate;
  };
  EXPECT_EQ(failed([](Session &session) { session.close(); }), "08006");
  EXPECT_EQ(failed([](Session &session) {
              session.send('d', copy_header() + copy_row("a"));
              session.send('d', copy_trailer());
              session.close();
            }),
            "08006");
  EXPECT_EQ(failed([](Session &session) {
              session.send('d', copy_header() + copy_row("a"));
              session.end_copy("COPY 2");
            }),
            "08P01");
  EXPECT_EQ(failed([](Session &session) {
              session.send('d', copy_header() + copy_row("a"));
              session.say('E', {{'S', "ERROR"}, {'C', "22012"}, {'M', "division by zero"}});
              session.ready();
            }),
            "22012");
}

TEST(NextRow, EndsWhenTheHostThrows) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  host.before_wait = [] { throw Canceled(); };
  size_t size = 0;
  EXPECT_THROW(copy.next_row(size), Canceled);
}

// A stream of one row, after which the server says nothing more.
struct SilentCopy {
  FakeServer server{[](Session &session) {
    session.begin_copy();
    session.send('d', copy_header() + copy_row("a"));
    session.wait_for_end();
  }};
  PollHost host;
  Connection connection{host, impatient(server.settings())};
  CopyOut copy{connection, "COPY x TO STDOUT (FORMAT binary)"};

  static ConnectionSettings impatient(ConnectionSettings settings) {
    settings.stall_timeout = std::chrono::milliseconds(100);
    return settings;
  }
};

TEST(NextRow, GivesUpOnAServerThatFallsSilent) {
  SilentCopy silent;
  EXPECT_EQ(error_of([&] { take_rows(silent.copy); }).sqlstate, "08006");
  EXPECT_FALSE(silent.copy.finished());
}

// ---- a stream that breaks off never ends ------------------------------------------------------------------

TEST(CopyOut, NeverTakesTheEndOfTheConnectionForTheEndOfTheData) {
  using Script = std::function<void(Session &)>;
  const Script before_any_row = [](Session &) {};
  const Script between_rows = [](Session &session) { session.send('d', copy_header() + copy_row("a")); };
  const Script within_a_row = [](Session &session) {
    session.send('d', copy_header());
    session.send_with_length('d', 1000, copy_row("a"));
  };
  const Script behind_the_trailer = [](Session &session) {
    session.send('d', copy_header() + copy_row("a"));
    session.send('d', copy_trailer());
  };
  const Script before_the_tag = [](Session &session) {
    session.send('d', copy_header() + copy_trailer());
    session.send('c');
  };
  const Script behind_the_tag = [](Session &session) {
    session.send('d', copy_header() + copy_trailer());
    session.send('c');
    session.complete("COPY 0");
  };
  int place = 0;
  for (const Script &script :
       {before_any_row, between_rows, within_a_row, behind_the_trailer, before_the_tag, behind_the_tag}) {
    for (const bool reset : {false, true}) {
      const Diagnostics said = failed_receive([&](Session &session) {
        script(session);
        reset ? session.reset() : session.close();
      });
      EXPECT_EQ(said.sqlstate, "08006") << "place " << place << (reset ? ", reset" : ", closed");
      EXPECT_EQ(said.message, "lost the connection to server \"shop\"");
    }
    ++place;
  }
}

TEST(CopyOut, RefusesForgedLengths) {
  for (const std::int64_t length :
       {std::int64_t{0}, std::int64_t{3}, std::int64_t{-1}, std::int64_t{-2147483647}}) {
    const Diagnostics said = failed_receive([&](Session &session) {
      session.send('d', copy_header());
      session.send_with_length('d', length, "xxxx");
    });
    EXPECT_EQ(said.sqlstate, "08006") << length;
  }
}

TEST(CopyOut, LosesTheConnectionWhereALengthPromisesMoreThanComes) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send_with_length('d', 100'000'000, copy_header());
    session.close();
  });
  EXPECT_EQ(said.sqlstate, "08006");
}

TEST(CopyOut, RefusesMessagesThatHaveNoPlaceInACopy) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send('d', copy_header() + copy_row("a"));
    session.send('?', "what");
  });
  EXPECT_EQ(said.sqlstate.substr(0, 2), "08");
}

TEST(CopyOut, RefusesASecondCopyBehindTheFirst) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send('d', copy_header() + copy_trailer());
    session.send('c');
    session.complete("COPY 0");
    session.send('H', "\1" + int16(1) + int16(1));
  });
  EXPECT_EQ(said.sqlstate, "08P01");
}

TEST(CopyOut, RefusesAnAnswerThatIsNoCopy) {
  const std::function<void(Session &)> answers[] = {
      [](Session &session) {
        session.begin_answer();
        session.send('n');
        session.complete("COPY 0");
        session.ready();
      },
      [](Session &session) {
        session.begin_answer();
        session.send('G', "\1" + int16(1) + int16(1));
      },
  };
  for (const auto &answer : answers) {
    FakeServer server([&](Session &session) {
      session.log_in();
      session.receive_statement();
      answer(session);
      session.wait_for_end();
    });
    PollHost host;
    Connection connection(host, server.settings());
    EXPECT_EQ(error_of([&] { CopyOut(connection, "COPY x TO STDOUT (FORMAT binary)"); }).sqlstate, "08P01");
  }
}

TEST(CopyOut, GivesUpOnAServerThatFallsSilent) {
  SilentCopy silent;
  const Diagnostics said = error_of([&] { drain(silent.copy); });
  EXPECT_EQ(said.sqlstate, "08006");
  EXPECT_EQ(said.detail, "The server sent no data for 0.1 s (tablesync.stall_timeout).");
  EXPECT_FALSE(silent.copy.finished());
}

// ---- errors half-way --------------------------------------------------------------------------------------

TEST(CopyOut, RaisesTheErrorThatEndsACopyHalfWay) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send('d', copy_header() + copy_row("a"));
    session.send('d', copy_row("b"));
    session.say('E',
                {{'S', "ERROR"}, {'C', "22012"}, {'M', "division by\033[31m zero"}, {'W', "line 1\nline 2"}});
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "22012");
  EXPECT_EQ(said.message, "division by\\x1b[31m zero");
  EXPECT_EQ(said.context, "line 1\nline 2\nremote server \"shop\"");
}

TEST(CopyOut, RaisesAnErrorBehindTheLastRow) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send('d', copy_header() + copy_row("a"));
    session.send('d', copy_trailer());
    session.send('c');
    session.say('E', {{'S', "ERROR"}, {'C', "40001"}, {'M', "could not serialize access"}});
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "40001");
}

TEST(CopyOut, RaisesAnErrorBehindTheTag) {
  const Diagnostics said = failed_receive([](Session &session) {
    session.send('d', copy_header() + copy_trailer());
    session.send('c');
    session.complete("COPY 0");
    session.say('E', {{'S', "ERROR"}, {'C', "40001"}, {'M', "could not serialize access"}});
    session.ready();
  });
  EXPECT_EQ(said.sqlstate, "40001");
}

TEST(CopyOut, IsNotFinishedAfterAnError) {
  FakeServer server([](Session &session) {
    session.begin_copy();
    session.send('d', copy_header() + copy_row("a"));
    session.say('E', {{'S', "ERROR"}, {'C', "22012"}, {'M', "division by zero"}});
    session.ready();
    session.wait_for_end();
  });
  PollHost host;
  Connection connection(host, server.settings());
  CopyOut copy(connection, "COPY x TO STDOUT (FORMAT binary)");
  EXPECT_EQ(error_of([&] { drain(copy); }).sqlstate, "22012");
  EXPECT_FALSE(copy.finished());
}

// ---- a real server ----------------------------------------------------------------------------------------

class LiveCopy : public LiveServer {
 protected:
  Received copy(const std::string &query) {
    PollHost host;
    Connection connection(host, settings());
    CopyOut copy(connection, "COPY (" + query + ") TO STDOUT (FORMAT binary)");
    return drain(copy);
  }
};

TEST_F(LiveCopy, CountsTheRowsOfARealServer) {
  for (const int rows : {0, 1, 2, 10000}) {
    const Received received =
        copy("SELECT g, g::text FROM generate_series(1, " + std::to_string(rows) + ") g");
    EXPECT_EQ(received.rows, rows);
    EXPECT_TRUE(received.finished);
    EXPECT_TRUE(received.bytes.starts_with(copy_header()));
    EXPECT_TRUE(received.bytes.ends_with(copy_trailer()));
  }
}

TEST_F(LiveCopy, GivesARowAtATime) {
  PollHost host;
  Connection connection(host, settings());
  CopyOut copy(connection, "COPY (SELECT g FROM generate_series(1, 1000) g) TO STDOUT (FORMAT binary)");
  const Messages messages = take_rows(copy);
  EXPECT_EQ(copy.rows(), 1000);
  std::string stream;
  for (const std::string &message : messages) stream += message;
  EXPECT_EQ(stream.size(), copy_header().size() + 1000 * (2 + 4 + 4) + copy_trailer().size());
  EXPECT_EQ(messages.back(), copy_trailer());
  EXPECT_EQ(messages[1], int16(1) + int32(4) + int32(2)) << "the second row";
}

TEST_F(LiveCopy, CountsRowsWithoutColumns) { EXPECT_EQ(copy("SELECT FROM generate_series(1, 3)").rows, 3); }

TEST_F(LiveCopy, CarriesRowsOfManyMegabytes) {
  const Received received = copy("SELECT repeat('x', 15000000) FROM generate_series(1, 2)");
  EXPECT_EQ(received.rows, 2);
  EXPECT_GT(received.bytes.size(), 30'000'000U);
}

TEST_F(LiveCopy, RefusesARowThatWouldNotFitFiveTimes) {
  EXPECT_EQ(row_limit(std::int64_t{64} << 20), std::int64_t{16} << 20) << "by default";
  const Diagnostics said =
      error_of([&] { copy("SELECT repeat('x', g) FROM (VALUES (1), (17000000)) AS v (g)"); });
  EXPECT_EQ(said.sqlstate, "54000");
  EXPECT_EQ(said.detail, "A row may have 16.0 MB, because about five copies of it are held in memory.");
}

TEST_F(LiveCopy, RaisesTheErrorOfARowHalfWay) {
  const Diagnostics said = error_of([&] { copy("SELECT 1 / (g - 5000) FROM generate_series(1, 10000) g"); });
  EXPECT_EQ(said.sqlstate, "22012");
  EXPECT_TRUE(said.context.ends_with("remote server \"shop\"")) << said.context;
}

}  // namespace
}  // namespace tablesync::remote
