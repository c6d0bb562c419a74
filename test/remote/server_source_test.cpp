#include "remote/server_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "core/base/quote.h"
#include "core/sql/deparse_source.h"
#include "fake_server.h"
#include "live_server.h"
#include "poll_host.h"
#include "remote/copy.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

using Answer = std::vector<std::string>;

const Answer resolved = {"16384", "public", "users", "r", "\"$user\", public"};
const Answer position = {"1000", "0/1500000", "1", "2026-01-02 03:04:05.678901+00"};
const Answer relation = {"16384", "public", "users", "r", "100", "f", "", "16000", "7301234567890123456",
                         "",      "f"};
const Answer id_column = {"id", "pg_catalog", "int8", "f", "-1", "bigint", "/ pg_catalog.int8 -1", "t", "t",
                          "",   "f",          "",     "",  "",   "t"};
const Answer id_key = {"users_pkey", "t", "id", "pg_catalog", "="};
const Answer held_users = {"16384", "public.users", "r", "t", "f", "0a1b2c3d 4e5f6071"};

// The answers of a server to the six queries that open a table.
struct Answers {
  Answer resolve = resolved, where = position, describe = relation, columns = id_column, keys = id_key,
         held = held_users;
};

// What a server does that opens a table so, and then goes on.
std::function<void(Session &)> opening(const Answers &answers, std::function<void(Session &)> then) {
  return [answers, then = std::move(then)](Session &session) {
    session.log_in();
    session.answer(answers.resolve);
    session.receive_batch();
    session.complete("BEGIN");
    session.ready();
    session.answer(answers.where);
    session.answer(answers.describe);
    session.answer(answers.columns);
    session.answer(answers.keys);
    session.answer(answers.held);
    then(session);
    session.wait_for_end();
  };
}

Table open_on_fake(const Answers &answers) {
  FakeServer server(opening(answers, [](Session &) {}));
  PollHost host;
  ServerSource source(host, server.settings());
  source.find("public.users");
  return source.open();
}

TEST(ServerSource, DescribesWhatTheServerSays) {
  const Table table = open_on_fake({});
  EXPECT_EQ(table.name, (QualifiedName{"public", "users"}));
  ASSERT_EQ(table.columns.size(), 1U);
  EXPECT_EQ(table.columns[0].name, "id");
  ASSERT_EQ(table.keys.size(), 1U);
  EXPECT_EQ(table.keys[0].columns, (std::vector<std::string>{"id"}));
}

TEST(ServerSource, RefusesAnswersThatAreTooNarrow) {
  // A server that is not what it seems must not make us read beyond the end of a row.
  for (Answer Answers::*const answer : {&Answers::resolve, &Answers::where, &Answers::describe,
                                        &Answers::columns, &Answers::keys, &Answers::held}) {
    Answers answers;
    answers.*answer = {"1"};
    EXPECT_EQ(error_of([&] { open_on_fake(answers); }).sqlstate, "08P01");
  }
}

TEST(ServerSource, RefusesATableThatWasReplacedWhileItWasOpened) {
  Answers view;
  view.describe[3] = "v";
  EXPECT_EQ(error_of([&] { open_on_fake(view); }).sqlstate, "42P01");
}

TEST(ServerSource, TellsWhereItReads) {
  Answers answers;
  answers.where = {"18446744073709551615", "FF/1500000", "7", "2026-01-02 03:04:05.678901+00"};
  FakeServer server(opening(answers, [](Session &) {}));
  PollHost host;
  ServerSource source(host, server.settings());
  source.find("public.users");
  source.open();
  EXPECT_EQ(source.position(), (SnapshotPosition{18446744073709551615U, "FF/1500000", 7}));
  EXPECT_EQ(source.clock(), "2026-01-02 03:04:05.678901+00");
}

// ---- where a timeline ended -------------------------------------------------------------------------------

// What a source on timeline 26 says of another, whose history is that file.
std::string switch_point_of(int timeline, const std::string &history) {
  std::vector<std::string> asked;
  Answers answers;
  answers.where[2] = "26";
  FakeServer server(opening(answers, [&](Session &session) {
    session.answer({"t"});
    for (const std::string &answer : {std::string("t"), history}) {
      asked.push_back(session.receive_up_to('B'));
      session.answer({answer});
    }
  }));
  PollHost host;
  std::string point;
  {
    ServerSource source(host, server.settings());
    source.find("public.users");
    source.open();
    point = source.switch_point(timeline);
  }
  for (const std::string &parameters : asked)
    EXPECT_NE(parameters.find("pg_wal/0000001A.history"), std::string::npos);
  return point;
}

TEST(SwitchPoint, IsWhatTheHistoryFileSays) {
  constexpr char history[] =
      "1\t0/3000000\tno recovery target specified\n"
      "\n"
      "2\t0/9000148\tbefore 2000-01-01 00:00:00+00\n"
      "25\tA/B0\t\n";
  EXPECT_EQ(switch_point_of(1, history), "0/3000000");
  EXPECT_EQ(switch_point_of(2, history), "0/9000148");
  EXPECT_EQ(switch_point_of(25, history), "A/B0");
}

TEST(SwitchPoint, IsUnknownWhereTheHistoryHasNoSuchTimeline) {
  for (const char *history :
       {"", "1\t0/3000000\tx\n4\t0/4000000\tx\n", "# 3 0/1\n", "garbage", "\n\n\n", "3", "x 3 0/1"})
    EXPECT_EQ(switch_point_of(3, history), "") << history;
}

TEST(SwitchPoint, AsksNoFurtherThanItMay) {
  for (const bool may : {false, true}) {
    int asked = 0;
    FakeServer server(opening({}, [&](Session &session) {
      for (;;) {
        // First whether the role may look, then whether there is a file: of a server that was never promoted
        // there is none.
        session.answer({may && asked == 0 ? "t" : "f"});
        ++asked;
      }
    }));
    PollHost host;
    {
      ServerSource source(host, server.settings());
      source.find("public.users");
      source.open();
      EXPECT_EQ(source.switch_point(1), "");
    }
    EXPECT_EQ(asked, may ? 2 : 1);
  }
}

// ---- the user's query -------------------------------------------------------------------------------------

TEST(TrimmedQuery, LosesTheSemicolonThatEndsIt) {
  for (const char *sql : {"SELECT 1", "SELECT 1;", "SELECT 1 ;", "SELECT 1 ; \n\t\r\f", "SELECT 1 \n"})
    EXPECT_EQ(trimmed_query(sql), "SELECT 1") << sql;
}

TEST(TrimmedQuery, KeepsEveryOtherSemicolon) {
  for (const char *sql : {"SELECT ';'", "SELECT 1; SELECT 2", "SELECT 1 /* ; */", "SELECT \";\""})
    EXPECT_EQ(trimmed_query(sql), sql);
}

TEST(TrimmedQuery, IsEmptyWhereThereIsNoQuery) {
  for (const char *sql : {"", ";", " ", " ; ", "\n;\n"}) EXPECT_EQ(trimmed_query(sql), "") << sql;
}

// ---- a real server ----------------------------------------------------------------------------------------

SourceRows all_of(const Table &table) {
  SourceRows rows;
  rows.table = &table;
  return rows;
}

// Each test has a schema of its own: they may run at the same time.
class LiveSource : public LiveServer {
 protected:
  void SetUp() override {
    LiveServer::SetUp();
    if (IsSkipped()) return;
    run("DROP SCHEMA IF EXISTS " + schema_ + " CASCADE; CREATE SCHEMA " + schema_);
  }
  void TearDown() override {
    if (!IsSkipped()) run("DROP SCHEMA " + schema_ + " CASCADE");
  }
  // Runs statements that name what is in the schema by name alone.
  void run(const std::string &batch) {
    Connection(host_, settings())
        .execute("SET client_min_messages = error; SET search_path = " + schema_ + "; " + batch);
  }
  Table open_in(ServerSource &source, const std::string &name) {
    source.find(schema_ + "." + name);
    return source.open();
  }
  Table open(const std::string &name) {
    ServerSource source(host_, settings());
    return open_in(source, name);
  }

  PollHost host_;
  const std::string schema_ =
      std::string("\"") + testing::UnitTest::GetInstance()->current_test_info()->name() + '"';
};

TEST_F(LiveSource, DescribesATable) {
  run(R"(
    CREATE TABLE "Odd ""T""" (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      n int GENERATED BY DEFAULT AS IDENTITY,
      amount numeric(10,2) NOT NULL,
      twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
      name varchar(20) COLLATE "C",
      tags text[],
      dropped int,
      place regclass,
      UNIQUE (name, amount));
    ALTER TABLE "Odd ""T""" DROP COLUMN dropped;
    COMMENT ON TABLE "Odd ""T""" IS 'odd';
    COMMENT ON COLUMN "Odd ""T""".name IS 'it''s a name')");
  const Table table = open("\"Odd \"\"T\"\"\"");
  EXPECT_EQ(table.name, (QualifiedName{"DescribesATable", "Odd \"T\""}));
  EXPECT_EQ(table.kind, 'r');
  EXPECT_EQ(table.comment, "odd");
  EXPECT_FALSE(table.has_children);
  EXPECT_FALSE(table.database_oid.empty());

  std::vector<std::string> names;
  for (const Column &column : table.columns) names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"id", "n", "amount", "twice", "name", "tags", "place"}));
  EXPECT_EQ(table.find_column("id")->identity, 'a');
  EXPECT_TRUE(table.find_column("id")->not_null);
  EXPECT_EQ(table.find_column("n")->identity, 'd');
  EXPECT_EQ(table.find_column("amount")->sql_type, "numeric(10,2)");
  EXPECT_EQ(table.find_column("amount")->type, (TypeName{"pg_catalog", "numeric", false}));
  EXPECT_TRUE(table.find_column("twice")->generated);
  EXPECT_FALSE(table.find_column("amount")->generated);
  EXPECT_EQ(table.find_column("name")->collation, (QualifiedName{"pg_catalog", "C"}));
  EXPECT_EQ(table.find_column("name")->comment, "it's a name");
  EXPECT_EQ(table.find_column("tags")->type, (TypeName{"pg_catalog", "text", true}));
  EXPECT_EQ(table.find_column("tags")->collation, std::nullopt);
  EXPECT_TRUE(table.find_column("tags")->binary_safe);
  EXPECT_FALSE(table.find_column("place")->binary_safe) << "the oid means something else on another server";

  ASSERT_EQ(table.keys.size(), 2U);
  EXPECT_EQ(table.primary_key()->columns, (std::vector<std::string>{"id"}));
  EXPECT_EQ(table.keys[1].columns, (std::vector<std::string>{"name", "amount"}));
  EXPECT_EQ(table.keys[1].equality, (std::vector<std::string>(2, "OPERATOR(\"pg_catalog\".=)")));
}

TEST_F(LiveSource, SharesItsSnapshot) {
  run("CREATE TABLE shared (a int); INSERT INTO shared VALUES (1)");
  const auto source = [&] {
    auto opened = std::make_unique<ServerSource>(host_, settings());
    opened->find(schema_ + ".shared");
    return opened;
  };
  const auto first = source(), second = source(), third = source();
  first->open();
  const std::string snapshot = first->export_snapshot();
  run("INSERT INTO shared VALUES (2)");
  second->open({}, snapshot);
  third->open();
  const auto count = [&](ServerSource &of) {
    return text_of(
        of.connection().query("SELECT count(*) FROM " + quote_qualified(of.table().name)).at(0).at(0));
  };
  EXPECT_EQ(count(*second), "1");
  EXPECT_EQ(second->position().xmin, first->position().xmin);
  EXPECT_EQ(count(*third), "2");
  first->close();
  second->close();
  EXPECT_EQ(error_of([&] { second->open({}, snapshot); }).sqlstate.substr(0, 2), "22")
      << "it went with its transaction";
}

TEST_F(LiveSource, KnowsTheFilesOfATable) {
  run(R"(
    CREATE TABLE p (a int) PARTITION BY RANGE (a);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000) PARTITION BY LIST (a);
    CREATE TABLE p3 PARTITION OF p2 DEFAULT;
    INSERT INTO p SELECT generate_series(0, 999))");
  const auto files = [&](const std::string &table) {
    ServerSource source(host_, settings());
    source.find(schema_ + "." + table);
    source.open();
    return source.files();
  };
  SourceFiles found = files("p");
  std::sort(found.blocks.begin(), found.blocks.end());
  EXPECT_EQ(found.blocks.size(), 2U);
  EXPECT_EQ(found.blocks[0], 0);
  EXPECT_GT(found.blocks[1], 0);
  EXPECT_TRUE(found.in_blocks);
  EXPECT_FALSE(found.in_recovery);
  EXPECT_EQ(files("p3").blocks, std::vector<std::int64_t>{0});
}

TEST_F(LiveSource, SignsATypeByWhatItIsMadeOf) {
  run(R"(
    CREATE DOMAIN amount AS int8;
    CREATE TABLE a (d amount, ds amount[], r int4range);
    CREATE TYPE pair AS (x int, y amount);
    CREATE TABLE b (p pair))");
  const Table before = open("a");
  const std::string pair_before = open("b").columns[0].signature;
  run("DROP DOMAIN amount CASCADE; CREATE DOMAIN amount AS float8; "
      "ALTER TABLE a ADD d amount, ADD ds amount[]; "
      "ALTER TYPE pair ADD ATTRIBUTE y amount");
  const Table after = open("a");
  for (const char *name : {"d", "ds"}) {
    EXPECT_EQ(before.find_column(name)->type, after.find_column(name)->type);
    EXPECT_NE(before.find_column(name)->signature, after.find_column(name)->signature) << name;
  }
  EXPECT_EQ(before.find_column("r")->signature, after.find_column("r")->signature);
  EXPECT_NE(pair_before, open("b").columns[0].signature);
}

TEST_F(LiveSource, OffersOnlyKeysThatProveUniqueness) {
  run(R"(
    CREATE TABLE t (a int NOT NULL, b int NOT NULL, c int NOT NULL, d int NOT NULL, e int NOT NULL,
      UNIQUE (b) DEFERRABLE);
    CREATE UNIQUE INDEX ON t (c) WHERE c > 0;
    CREATE UNIQUE INDEX ON t ((d + 1));
    CREATE UNIQUE INDEX good ON t (e) INCLUDE (a))");
  const Table table = open("t");
  ASSERT_EQ(table.keys.size(), 1U);
  EXPECT_EQ(table.keys[0].index_name, "good");
  EXPECT_EQ(table.keys[0].columns, (std::vector<std::string>{"e"}));
  EXPECT_EQ(table.primary_key(), nullptr);
}

TEST_F(LiveSource, ReadsViewsAndPartitionedTables) {
  run(R"(
    CREATE TABLE p (d date) PARTITION BY RANGE (d);
    CREATE TABLE p1 PARTITION OF p DEFAULT;
    CREATE VIEW v AS SELECT 1 AS x;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS x)");
  EXPECT_EQ(open("p").kind, 'p');
  EXPECT_TRUE(open("p").has_children);
  EXPECT_EQ(open("v").kind, 'v');
  EXPECT_EQ(open("m").kind, 'm');
}

TEST_F(LiveSource, RefusesWhatHoldsNoRows) {
  run("CREATE SEQUENCE s; CREATE TABLE t (id int PRIMARY KEY); "
      "CREATE TABLE none ()");
  EXPECT_EQ(error_of([&] { open("s"); }).sqlstate, "42809");
  EXPECT_EQ(error_of([&] { open("t_pkey"); }).sqlstate, "42809");
  EXPECT_EQ(error_of([&] { open("none"); }).sqlstate, "0A000");
}

TEST_F(LiveSource, NamesARelationThatDoesNotExist) {
  const Diagnostics said = error_of([&] { open("nope"); });
  EXPECT_EQ(said.sqlstate, "42P01");
  EXPECT_EQ(said.message, "relation " + schema_ + ".nope does not exist on the source");
  EXPECT_EQ(error_of([&] { ServerSource(host_, settings()).find("nope.nope"); }).sqlstate, "42P01");
}

TEST_F(LiveSource, ReadsOneSnapshotInWhichNothingCanBeWritten) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  open_in(source, "t");
  run("INSERT INTO t VALUES (1)");
  Connection &connection = source.connection();
  EXPECT_EQ(connection.query("SELECT count(*) FROM " + schema_ + ".t"), (Rows{{"0"}}))
      << "the snapshot is older";
  EXPECT_EQ(error_of([&] { connection.query("INSERT INTO " + schema_ + ".t VALUES (2)"); }).sqlstate,
            "25006");
}

TEST_F(LiveSource, HoldsTheTableAgainstChangesOfItsShape) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  open_in(source, "t");
  const auto add_column = [&] { run("SET lock_timeout = '10ms'; ALTER TABLE t ADD x int"); };
  EXPECT_EQ(error_of(add_column).sqlstate, "55P03");
  source.close();
  EXPECT_NO_THROW(add_column());
}

TEST_F(LiveSource, LeavesNoSettingBehind) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  Connection &connection = source.connection();
  const std::string settings_now =
      "SELECT name, setting FROM pg_settings WHERE source = 'session' OR name IN ('TimeZone', 'search_path', "
      "'row_security')";
  const Rows before = connection.query(settings_now);
  open_in(source, "t");
  EXPECT_NE(connection.query(settings_now), before);
  source.close();
  EXPECT_EQ(connection.query(settings_now), before);
}

TEST_F(LiveSource, IsCopiedByTheStatementOfItsPlan) {
  run("CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, \"a\"\"b\" text); "
      "INSERT INTO t (id, \"a\"\"b\") SELECT g, 'x' FROM generate_series(1, 10) g");
  ServerSource source(host_, settings());
  const Table table = open_in(source, "t");
  Table target = table;
  for (Column &column : target.columns) column.generated = false;
  CopyOut copy(source.connection(), copy_out(all_of(table), plan_sync(table, target, {}, false)));
  std::string buffer(100000, '\0');
  const size_t size = RowBytes(copy).read(buffer.data(), buffer.size(), buffer.size());
  EXPECT_TRUE(copy.finished());
  EXPECT_EQ(copy.rows(), 10);
  EXPECT_EQ(size, copy_header().size() + 10 * (2 + (4 + 4) + (4 + 4) + (4 + 1)) + copy_trailer().size());
}

TEST_F(LiveSource, EndsATransactionThatIsOpenBeforeItBeginsItsOwn) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  source.find(schema_ + ".t");
  source.connection().execute("BEGIN; SET LOCAL work_mem = '77kB'");
  EXPECT_TRUE(source.connection().in_transaction());
  source.open();
  EXPECT_NE(source.connection().query("SHOW work_mem"), (Rows{{"77kB"}}));
  EXPECT_EQ(source.connection().query("SHOW transaction_isolation"), (Rows{{"repeatable read"}}));
  EXPECT_EQ(source.connection().query("SHOW transaction_read_only"), (Rows{{"on"}}));
  source.close();
  EXPECT_FALSE(source.connection().in_transaction());
}

TEST_F(LiveSource, KnowsWhoItIs) {
  ServerSource source(host_, settings());
  EXPECT_EQ(source.role(), plain_user());
}

// ---- where it reads ---------------------------------------------------------------------------------------

TEST_F(LiveSource, ReadsFurtherOnEachTime) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  open_in(source, "t");
  const SnapshotPosition first = source.position();
  const std::string clock = source.clock();
  EXPECT_GT(first.xmin, 0U);
  EXPECT_EQ(first.timeline, 1);
  run("INSERT INTO t VALUES (1)");
  open_in(source, "t");
  const SnapshotPosition second = source.position();
  EXPECT_GE(second.xmin, first.xmin);
  EXPECT_EQ(source.connection().query("SELECT " + quote_literal(second.lsn) + "::pg_lsn > " +
                                      quote_literal(first.lsn)),
            (Rows{{"t"}}));
  EXPECT_GT(source.clock(), clock);
  EXPECT_EQ(source.clock().size(), clock.size());
}

TEST_F(LiveSource, ReadsNoFurtherThanATransactionThatIsOpen) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  Connection writer(host_, settings());
  writer.execute("BEGIN; INSERT INTO " + schema_ + ".t VALUES (1)");
  const std::uint64_t id = std::stoull(text_of(writer.query("SELECT txid_current()")[0][0]));
  ServerSource source(host_, settings());
  open_in(source, "t");
  EXPECT_LE(source.position().xmin, id);
  writer.execute("COMMIT");
  EXPECT_EQ(source.connection().query("SELECT count(*) FROM " + schema_ + ".t"), (Rows{{"0"}}));
}

TEST_F(LiveSource, FindsWhatWasWrittenSinceATransaction) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  std::vector<std::uint64_t> ids;
  for (const char *row : {"1", "2", "3"}) {
    Connection writer(host_, settings());
    writer.execute(std::string("BEGIN; INSERT INTO ") + schema_ + ".t VALUES (" + row + ")");
    ids.push_back(std::stoull(text_of(writer.query("SELECT txid_current()")[0][0])));
    writer.execute("COMMIT");
  }
  Connection reader(host_, settings());
  const auto found = [&](std::uint64_t since) {
    return text_of(reader.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM " + schema_ + ".t WHERE " +
                                written_since(Table{}, since))[0][0]);
  };
  EXPECT_EQ(found(ids[1]), "2 3");
  EXPECT_EQ(found(ids[2]), "3");
  EXPECT_EQ(found(ids[2] + 1), "");
  EXPECT_EQ(found(3), "1 2 3");
}

TEST_F(LiveSource, KnowsNoTimelineThatARoleMayNotSee) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  ServerSource source(host_, settings());
  open_in(source, "t");
  EXPECT_EQ(source.switch_point(1), "");
  EXPECT_EQ(source.connection().query("SELECT 'x'"), (Rows{{"x"}})) << "the transaction goes on";
}

TEST_F(LiveSource, KnowsNoTimelineThatNeverEnded) {
  run("CREATE TABLE t (id int PRIMARY KEY)");
  const std::string database = option_value(settings().options, "dbname", "");
  ServerSource source(host_, settings_as("postgres", database));
  open_in(source, "t");
  for (const int timeline : {0, 1, 2, -1}) EXPECT_EQ(source.switch_point(timeline), "");
  EXPECT_EQ(source.connection().query("SELECT 'x'"), (Rows{{"x"}}));
}

// Who may call a function is a matter of each database.
class LivePrivileges : public LiveDatabase {};

TEST_F(LivePrivileges, OfBothFunctionsAreNeededToLookForATimeline) {
  constexpr char read_file[] = "pg_read_file(text)", stat_file[] = "pg_stat_file(text, boolean)";
  const std::string role = make_role();
  Connection admin(host_, as(superuser));
  admin.execute("CREATE TABLE t (id int PRIMARY KEY)");
  admin.execute("GRANT SELECT ON t TO PUBLIC");
  const auto may_look = [&] {
    return Connection(host_, as(role)).query(may_read_history_query()) == Rows{{"t"}};
  };
  EXPECT_FALSE(may_look());
  for (const char *granted : {read_file, stat_file}) {
    admin.execute(std::string("GRANT EXECUTE ON FUNCTION ") + granted + " TO " + sql_name());
    EXPECT_EQ(may_look(), granted == stat_file);
    ServerSource source(host_, as(role));
    source.find("public.t");
    source.open();
    EXPECT_EQ(source.switch_point(1), "");
  }
}

// ---- the user's query -------------------------------------------------------------------------------------

// The tests of a query have a table t of two rows.
class LiveQuery : public LiveSource {
 protected:
  void SetUp() override {
    LiveSource::SetUp();
    if (IsSkipped()) return;
    run("CREATE TABLE t (id int PRIMARY KEY, v text, UNIQUE (v)); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
  }
  void TearDown() override {
    source_.reset();  // it holds a lock
    LiveSource::TearDown();
  }
  // Opens t, as a sync with SQL of its user does.
  ServerSource &opened(const UserSql &sql) {
    source_.emplace(host_, settings());
    source_->find(schema_ + ".t");
    source_->open(sql);
    return *source_;
  }
  Table describe(const std::string &sql) { return opened({sql, {}, {}, {}}).table(); }
  Diagnostics refusal(const std::string &sql) {
    return error_of([&] { describe(sql); });
  }
  // How many rows are copied of a query as the user gave it.
  std::int64_t copied(const std::string &sql) {
    SourceRows rows;
    rows.query = trimmed_query(sql);
    const Table source = describe(rows.query);
    rows.table = &source;
    Table target = source;
    for (Column &column : target.columns) column.not_null = true;
    CopyOut copy(source_->connection(), copy_out(rows, plan_sync(source, target, {}, false)));
    std::string buffer(100000, '\0');
    RowBytes(copy).read(buffer.data(), buffer.size(), buffer.size());
    EXPECT_TRUE(copy.finished());
    return copy.rows();
  }

  std::optional<ServerSource> source_;
};

TEST_F(LiveQuery, HasTypesByTheirNames) {
  run("CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN amount AS numeric(10,2); CREATE TYPE pair AS (x int, y "
      "mood)");
  const Table table = describe(
      "SELECT id, v::varchar(10) AS v, 1.5::numeric(10,2) AS n, ARRAY[1] AS ints, 'ok'::mood AS m, 1::amount "
      "AS d, ARRAY['ok'::mood] AS ms, row(1, 'ok')::pair AS p, now() AS t, NULL AS u FROM t");
  std::vector<std::string> names, types;
  for (const Column &column : table.columns) {
    names.push_back(column.name);
    types.push_back(column.sql_type);
    EXPECT_FALSE(column.not_null) << "a query proves nothing of its columns";
    EXPECT_FALSE(column.generated);
    EXPECT_EQ(column.identity, 0);
    EXPECT_TRUE(column.binary_safe) << column.name;
  }
  const std::string mine = schema_ + ".";
  // The server tells of a domain what is below it.
  EXPECT_EQ(names, (std::vector<std::string>{"id", "v", "n", "ints", "m", "d", "ms", "p", "t", "u"}));
  EXPECT_EQ(types, (std::vector<std::string>{"integer", "character varying(10)", "numeric(10,2)", "integer[]",
                                             mine + "mood", "numeric(10,2)", mine + "mood[]", mine + "pair",
                                             "timestamp with time zone", "text"}));
  EXPECT_EQ(table.find_column("m")->type, (TypeName{"HasTypesByTheirNames", "mood", false}));
  EXPECT_EQ(table.find_column("ms")->type, (TypeName{"HasTypesByTheirNames", "mood", true}));
  EXPECT_EQ(table.find_column("ints")->type, (TypeName{"pg_catalog", "int4", true}));
}

TEST_F(LiveQuery, DescribesAColumnAsTheTableDoes) {
  run("CREATE TABLE kinds (id int PRIMARY KEY, a numeric(5,2), b timestamp(3), c varchar(7)[], d bit(3), e "
      "json)");
  const Table before = open("kinds"), after = describe("SELECT * FROM kinds");
  ASSERT_EQ(after.columns.size(), before.columns.size());
  for (const Column &column : before.columns) {
    const Column &described = *after.find_column(column.name);
    EXPECT_EQ(described.type, column.type);
    EXPECT_EQ(described.typmod, column.typmod) << column.name;
    EXPECT_EQ(described.sql_type, column.sql_type);
    EXPECT_EQ(described.signature, column.signature);
    EXPECT_EQ(described.binary_safe, column.binary_safe);
  }
}

TEST_F(LiveQuery, KeepsTheKeysWhoseColumnsItHas) {
  const Table both = describe("SELECT * FROM t");
  EXPECT_EQ(both.keys.size(), 2U);
  const Table one = describe("SELECT v, id + 1 AS next FROM t");
  ASSERT_EQ(one.keys.size(), 1U);
  EXPECT_EQ(one.keys[0].columns, (std::vector<std::string>{"v"}));
  EXPECT_EQ(one.primary_key(), nullptr);
  EXPECT_TRUE(describe("SELECT id + 1 AS next FROM t").keys.empty());
  EXPECT_EQ(both.name, one.name) << "the table it stands for";
}

TEST_F(LiveQuery, SeesTheTablesBesideTheSource) {
  run("CREATE TABLE other (id int PRIMARY KEY, w text); CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS "
      "'SELECT $1'");
  EXPECT_EQ(describe("SELECT t.id, w, f(t.id) AS f FROM t JOIN other USING (id)").columns.size(), 3U);
  EXPECT_EQ(source_->connection().query("SHOW search_path")[0][0]->substr(0, schema_.size()), schema_);
}

TEST_F(LiveQuery, KeepsHostileNamesInTheirPlace) {
  const Table table = describe(R"(SELECT 1 AS "a""b'; DROP TABLE t; --", 2 AS "ü\", 3 AS " ")");
  ASSERT_EQ(table.columns.size(), 3U);
  EXPECT_EQ(table.columns[0].name, "a\"b'; DROP TABLE t; --");
  EXPECT_EQ(table.columns[1].name, "ü\\");
  EXPECT_EQ(copied(R"(SELECT id, v AS "a""b'; DROP TABLE t; --" FROM t)"), 2);
}

TEST_F(LiveQuery, MayBeAnyKindOfQuery) {
  for (const char *sql :
       {"SELECT * FROM t", "TABLE t", "VALUES (1, 'a'), (2, 'b')",
        "WITH x AS (SELECT * FROM t) SELECT * FROM x", "(SELECT * FROM t)",
        "select id from t where id = 1 union all select id from t where id = 2",
        "SELECT * FROM t ORDER BY id LIMIT 2", "/* a /* nested */ comment */ -- another\n SELECT * FROM t",
        "SELECT DISTINCT v FROM t"})
    EXPECT_EQ(copied(sql), 2) << sql;
}

TEST_F(LiveQuery, MayEndInASemicolonOrAComment) {
  for (const char *sql : {"SELECT * FROM t;", "SELECT * FROM t ; \n", "SELECT * FROM t -- all of it",
                          "SELECT * FROM t /* all of it */", "SELECT * FROM t -- all of it;",
                          "SELECT * FROM t -- all\n;", "SELECT * FROM t WHERE v <> ';'"})
    EXPECT_EQ(copied(sql), 2) << sql;
}

TEST_F(LiveQuery, IsRefusedWhereItIsNone) {
  for (const char *sql :
       {";", "-- nothing", "DELETE FROM t", "INSERT INTO t VALUES (3) RETURNING id", "CREATE TABLE x (y int)",
        "SELECT 1 AS a INTO x", "EXPLAIN SELECT 1", "SHOW work_mem", "COMMIT", "COPY t TO STDOUT",
        "EXECUTE x", "SET work_mem = 1", "FETCH c", "selec 1", "/*", "1", "DO $$BEGIN END$$"}) {
    const Diagnostics said = refusal(sql);
    EXPECT_EQ(said.sqlstate, "42601") << sql;
  }
  EXPECT_EQ(refusal("SHOW work_mem").message, "custom_select must be one SELECT, VALUES or TABLE statement");
  EXPECT_EQ(copied("SELECT * FROM t"), 2) << "and none of them did anything";
}

TEST_F(LiveQuery, IsRefusedWhereItIsTwo) {
  for (const char *sql : {"SELECT 1 AS a; SELECT 2 AS b", "SELECT 1 AS a; DROP TABLE t",
                          "SELECT 1 AS a; COMMIT", "SELECT 1 AS a\n;\n;SELECT 2 AS a"})
    EXPECT_EQ(refusal(sql).sqlstate, "42601") << sql;
  EXPECT_EQ(copied("SELECT * FROM t"), 2);
}

TEST_F(LiveQuery, IsRefusedWhereItWouldLeaveItsParentheses) {
  for (const char *sql : {"SELECT id FROM t) AS q, (SELECT 1 AS x", "SELECT id FROM t) AS q --",
                          "SELECT id FROM t) TO STDOUT --"})
    EXPECT_EQ(refusal(sql).sqlstate, "42601") << sql;
}

TEST_F(LiveQuery, IsRefusedWithParameters) {
  for (const char *sql : {"SELECT $1::int AS a", "SELECT id FROM t WHERE v = $1", "SELECT $2 AS a"}) {
    const std::string state = refusal(sql).sqlstate;
    EXPECT_TRUE(state == "42P02" || state == "42P18") << sql << ": " << state;
  }
  EXPECT_EQ(refusal("SELECT $1::int AS a").message, "parameters are not supported in custom_select");
  EXPECT_EQ(describe("SELECT '$1' AS a").columns.size(), 1U);
}

TEST_F(LiveQuery, IsRefusedWithColumnsThatHaveNoName) {
  const Diagnostics said = refusal("SELECT id, id + 1 FROM t");
  EXPECT_EQ(said.sqlstate, "42701");
  EXPECT_EQ(said.message, "column 2 of custom_select has no name");
  EXPECT_EQ(said.hint, "Give each column an alias.");
  EXPECT_EQ(refusal("SELECT 1").message, "column 1 of custom_select has no name");
}

TEST_F(LiveQuery, IsRefusedWithColumnsOfOneName) {
  const Diagnostics said = refusal("SELECT a.id, a.v, b.id FROM t a, t b");
  EXPECT_EQ(said.sqlstate, "42701");
  EXPECT_EQ(said.message, "custom_select has the column \"id\" more than once");
  EXPECT_EQ(refusal("SELECT max(id), max(id) FROM t").message,
            "custom_select has the column \"max\" more than once");
  EXPECT_EQ(describe("SELECT id, v AS \"ID\" FROM t").columns.size(), 2U) << "other names to the server";
}

TEST_F(LiveQuery, IsRefusedWhereItWrites) {
  for (const char *sql : {"WITH x AS (INSERT INTO t VALUES (3, 'c') RETURNING id) SELECT id FROM x",
                          "WITH x AS (UPDATE t SET v = v RETURNING id) SELECT id FROM x",
                          "WITH x AS (DELETE FROM t) SELECT id FROM t -- all"}) {
    const Diagnostics said = refusal(sql);
    EXPECT_EQ(said.sqlstate, "25006") << sql;
    EXPECT_EQ(said.message, "custom_select must not write");
  }
  EXPECT_EQ(describe("WITH x AS (SELECT id FROM t) SELECT id FROM x").columns.size(), 1U);
}

// ---- what is read beside the table, and where from --------------------------------------------------------

class LiveRelations : public LiveQuery {
 protected:
  Table with(const std::string &condition) { return opened({{}, condition, {}, {}}).table(); }
  std::vector<std::string> named(std::vector<std::string> names) {
    for (std::string &name : names) name = schema_ + "." + name;
    return names;
  }
};

TEST_F(LiveRelations, AreToldWhereAConditionReadsThem) {
  run("CREATE TABLE other (id int); CREATE VIEW seen AS SELECT id FROM other");
  EXPECT_TRUE(with("id < 5").joined.empty());
  EXPECT_EQ(with("id IN (SELECT id FROM other)").joined, named({"other"}));
  EXPECT_EQ(with("EXISTS (SELECT FROM seen)").joined, named({"other", "seen"}));
  EXPECT_EQ(with("EXISTS (SELECT FROM pg_catalog.pg_class)").joined, std::vector<std::string>{})
      << "the system's";
}

TEST_F(LiveRelations, AreToldWhereRowsComeToThemFromElsewhere) {
  run("CREATE MATERIALIZED VIEW kept AS SELECT * FROM t; CREATE VIEW seen AS SELECT * FROM kept");
  EXPECT_TRUE(open("t").fed_from_elsewhere.empty());
  for (const char *name : {"kept", "seen"}) EXPECT_EQ(open(name).fed_from_elsewhere, named({"kept"})) << name;
  EXPECT_EQ(describe("SELECT t.id FROM t JOIN kept USING (id)").fed_from_elsewhere, named({"kept"}));
}

TEST_F(LiveRelations, AreInAHeapOrNot) {
  Connection superuser(host_, settings_as("postgres", database()));
  superuser.execute("CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler");
  run(R"(
    CREATE TABLE odd (id int) USING other_heap;
    CREATE TABLE p (id int) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
    CREATE TABLE q (id int) PARTITION BY RANGE (id);
    CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (10);
    CREATE TABLE q2 PARTITION OF q FOR VALUES FROM (10) TO (20) USING other_heap;
    CREATE TABLE parent (id int);
    CREATE TABLE child () INHERITS (parent) USING other_heap;
    CREATE VIEW v AS SELECT * FROM t)");
  const auto outside = [&](const std::string &name) { return open(name).outside_heap; };
  EXPECT_EQ(outside("t"), "");
  EXPECT_EQ(outside("p"), "");
  EXPECT_EQ(outside("odd"), schema_ + ".odd");
  EXPECT_EQ(outside("q"), schema_ + ".q2");
  EXPECT_EQ(outside("parent"), schema_ + ".child");
  EXPECT_EQ(outside("v"), schema_ + ".v");
  run("DROP TABLE odd, q, parent CASCADE");
  superuser.execute("DROP ACCESS METHOD other_heap");
}

// ---- marks of what rows are made of -----------------------------------------------------------------------

class LiveMarks : public LiveQuery {
 protected:
  // Whether a change to what is read says that rows may have changed which nobody wrote.
  bool changes(const std::string &name, const std::string &ddl) {
    const std::string before = shape_of(open(name));
    run(ddl);
    const Table after = open(name);
    return !columns_change(before, after).empty() || !marks_change(before, after).empty();
  }
};

TEST_F(LiveMarks, TellOfColumns) {
  run("CREATE TABLE c (id int PRIMARY KEY, a int, b int)");
  EXPECT_FALSE(changes("c", "INSERT INTO c VALUES (1, 1, 1); UPDATE c SET a = 2; ANALYZE c"));
  EXPECT_FALSE(changes("c", "CREATE INDEX ON c (a); COMMENT ON COLUMN c.a IS 'x'"));
  EXPECT_FALSE(changes("c", "TRUNCATE c; ALTER TABLE c OWNER TO CURRENT_USER"));
  EXPECT_TRUE(changes("c", "ALTER TABLE c DROP b; ALTER TABLE c ADD b int DEFAULT 7"));
  EXPECT_TRUE(
      changes("c", "ALTER TABLE c RENAME b TO x; ALTER TABLE c RENAME a TO b; ALTER TABLE c RENAME x TO a"));
  EXPECT_TRUE(changes("c", "ALTER TABLE c ALTER b TYPE int USING b * 2"));
  run("CREATE VIEW v AS SELECT id, b AS x FROM c");
  EXPECT_TRUE(changes("v", "ALTER TABLE c RENAME a TO y; ALTER TABLE c RENAME y TO a")) << "below a view";
}

TEST_F(LiveMarks, TellOfLabels) {
  run("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, m mood); CREATE DOMAIN dom AS "
      "mood;"
      "CREATE TABLE c (id int PRIMARY KEY, m mood); CREATE TABLE cs (m mood[]); CREATE TABLE cp (p pair);"
      "CREATE TABLE cd (d dom); CREATE VIEW v AS SELECT id, m::text AS m FROM c");
  for (const char *name : {"c", "cs", "cp", "cd", "v"}) {
    EXPECT_TRUE(changes(name, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'")) << name;
    EXPECT_FALSE(changes(name, std::string("ALTER TYPE mood ADD VALUE 'of ") + name + "'")) << name;
    run("ALTER TYPE mood RENAME VALUE 'blue' TO 'sad'");
  }
  EXPECT_FALSE(changes("t", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"));
}

TEST_F(LiveMarks, TellOfViewsAndWhatTheyCall) {
  run("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW v AS SELECT f(id) AS a "
      "FROM t;"
      "CREATE VIEW w AS SELECT a FROM v");
  for (const char *name : {"v", "w"}) {
    EXPECT_TRUE(changes(name, "CREATE OR REPLACE VIEW v AS SELECT f(id) + 1 AS a FROM t")) << name;
    EXPECT_TRUE(changes(name, "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT -$1'"))
        << name;
    run("CREATE OR REPLACE VIEW v AS SELECT f(id) AS a FROM t;"
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'");
  }
}

TEST_F(LiveMarks, DoNotTellOfPartitionsThatComeAndGo) {
  run("CREATE TABLE p (id int, a int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES "
      "FROM (0) TO "
      "(10)");
  EXPECT_FALSE(changes("p", "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)"));
  EXPECT_FALSE(changes("p", "DROP TABLE p1"));
  EXPECT_TRUE(changes("p", "ALTER TABLE p ALTER a TYPE int USING a + 1"));
}

// What open() says of a condition; empty where it is fine.
class LiveCondition : public LiveQuery {
 protected:
  std::string state_of(const std::string &condition, const std::string &query = {}) {
    try {
      opened({query, condition, {}, {}});
    } catch (const Error &error) {
      return error.diagnostics().sqlstate;
    }
    return {};
  }
};

TEST_F(LiveCondition, MayBeAnyBooleanExpression) {
  for (const char *condition :
       {"id < 5", "true", "NULL", "v IN ('a', 'b')", "id < 5 OR (v = ')')", "id < 5 -- the first ones",
        "id = ANY (ARRAY[1, 2])", "(SELECT count(*) FROM t o WHERE o.id <= t.id) < 3", "/* all */ true",
        "CASE WHEN id = 1 THEN true END", "v = $$a) OR (b$$"})
    EXPECT_EQ(state_of(condition), "") << condition;
  EXPECT_EQ(state_of("n > 1", "SELECT id, id + 1 AS n FROM t"), "");
}

TEST_F(LiveCondition, IsRefusedWhereItIsNotOneExpression) {
  for (const char *condition :
       {"id < 5) OR (true", "true) UNION SELECT id FROM t WHERE (true", "--", "true] || ARRAY[true",
        "true THEN true END, CASE WHEN true", "true; DROP TABLE t", "/*", "v = '", "x = ' ], (true",
        "true ORDER BY id", "true GROUP BY id", "$$"})
    EXPECT_EQ(state_of(condition), "42601") << condition;
}

TEST_F(LiveCondition, IsRefusedWhereItIsNotBoolean) {
  for (const char *condition :
       {"1", "id", "v", "id, true", "true, true", "(id, true)", "ROW(true, true)", "ARRAY[true]"})
    EXPECT_EQ(state_of(condition), "42804") << condition;
}

TEST_F(LiveCondition, IsRefusedWithParameters) { EXPECT_EQ(state_of("id = $1"), "42P02"); }

TEST_F(LiveCondition, IsRefusedInTheServersOwnWords) {
  EXPECT_EQ(state_of("nope = 1"), "42703");
  EXPECT_EQ(state_of("count(*) > 1"), "42803");
  EXPECT_EQ(state_of("id > 1", "SELECT v FROM t"), "42703") << "the query has no such column";
}

TEST_F(LiveQuery, IsRefusedInTheServersOwnWords) {
  EXPECT_EQ(refusal("SELECT * FROM nope").sqlstate, "42P01");
  EXPECT_EQ(refusal("SELECT nope FROM t").sqlstate, "42703");
}

}  // namespace
}  // namespace tablesync::remote
