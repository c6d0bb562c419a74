// What the SQL of an incremental field means to a real server.
#include <gtest/gtest.h>

#include "core/range/incremental_field.h"
#include "live_server.h"
#include "poll_host.h"
#include "support/error_of.h"

namespace tablesync::remote {
namespace {

class LiveField : public LiveServer {
 protected:
  void SetUp() override {
    LiveServer::SetUp();
    if (!IsSkipped()) connection_.emplace(host_, settings());
  }
  std::string evaluate(const std::string &expression) {
    return text_of(connection_->query("SELECT (" + expression + ")::text").at(0).at(0));
  }
  // Which of the values, of that type, a run reads whose bound is `bound`.
  std::string read(FieldKind kind, const std::string &type, const std::string &bound,
                   const std::string &values) {
    return evaluate("(SELECT string_agg(coalesce(\"at\"::text, 'null'), ' ' ORDER BY n) FROM unnest('" +
                    values + "'::" + type + "[]) WITH ORDINALITY AS v (\"at\", n) WHERE " +
                    at_or_above({"at", kind, true, type}, bound) + ")");
  }
  std::string highest(FieldKind kind, const std::string &type, const std::string &values) {
    return evaluate("(SELECT " + highest_value(kind, "v.\"at\"") + " FROM unnest('" + values + "'::" + type +
                    "[]) AS v (\"at\"))");
  }
  // What find_no_days() finds below a bound, by the way of reading each row too.
  std::string no_days(FieldKind kind, const std::string &type, const std::string &bound,
                      const std::string &values) {
    connection_->execute("CREATE TEMPORARY TABLE IF NOT EXISTS days (\"at\" " + type +
                         "); TRUNCATE days; ALTER TABLE days ALTER \"at\" TYPE " + type +
                         " USING \"at\"::text::" + type + "; INSERT INTO days SELECT unnest('" + values +
                         "'::" + type + "[])");
    const IncrementalField field{"at", kind, true, type};
    std::vector<std::string> found;
    for (const Row &row : connection_->query(find_no_days(field, bound, "pg_temp.days", 100))) {
      EXPECT_EQ(text_of(row.at(1)), "f");
      found.push_back(text_of(row.at(0)));
    }
    const auto read = [&](const std::string &condition) {
      return connection_->query("SELECT \"at\" FROM days WHERE " + condition + " ORDER BY 1");
    };
    EXPECT_EQ(read(at_or_above(field, bound)), read(at_or_above(field, bound, found)));
    return join(found, ",");
  }

  PollHost host_;
  std::optional<Connection> connection_;
};

TEST_F(LiveField, ReadsTheBoundItselfAndWhatNoBoundCanOrder) {
  EXPECT_EQ(read(FieldKind::timestamp, "timestamp", "2026-01-02 00:00:00",
                 "{2026-01-01,2026-01-02,2026-01-03,null,infinity,-infinity}"),
            "2026-01-02 00:00:00 2026-01-03 00:00:00 null infinity -infinity");
  EXPECT_EQ(read(FieldKind::date, "date", "2026-01-02",
                 "{2026-01-01,2026-01-02,2026-01-03,null,infinity,-infinity}"),
            "2026-01-02 2026-01-03 null infinity -infinity");
  EXPECT_EQ(read(FieldKind::yyyymmdd_text, "text", "20260102", "{20260101,20260102,20260103,null}"),
            "20260102 20260103 null");
  EXPECT_EQ(read(FieldKind::yyyymmdd_text, "char(10)", "20260102", "{20260101,20260102,20260103,null}"),
            "20260102 20260103 null");
  EXPECT_EQ(read(FieldKind::yyyymmdd_integer, "int4", "20260102", "{20260101,20260102,20260103,null}"),
            "20260102 20260103 null");
  EXPECT_EQ(read(FieldKind::integer, "int2", "-5", "{-6,-5,32767,null}"), "-5 32767 null");
}

TEST_F(LiveField, ReadsMomentsWhateverTheZoneOfTheSession) {
  connection_->execute("SET timezone = 'Asia/Tokyo'");
  EXPECT_EQ(read(FieldKind::timestamptz, "timestamptz", "2026-01-02 00:00:00+00",
                 "{2026-01-02 08:59:59+09,2026-01-02 09:00:00+09,null,-infinity}"),
            "2026-01-02 09:00:00+09 null -infinity");
}

TEST_F(LiveField, ComparesAnIntegerWithABoundBeyondItsType) {
  EXPECT_EQ(read(FieldKind::integer, "int2", "9000000000", "{32767}"), "");
  EXPECT_EQ(read(FieldKind::integer, "int4", "-9000000000", "{-2147483648}"), "-2147483648");
}

TEST_F(LiveField, FindsTheHighestProperValue) {
  constexpr char moments[] = "{2026-01-01,2026-01-03,infinity,-infinity,null,2026-01-02}";
  EXPECT_EQ(highest(FieldKind::timestamp, "timestamp", moments), "2026-01-03 00:00:00");
  connection_->execute("SET timezone = 'UTC'");
  EXPECT_EQ(highest(FieldKind::timestamptz, "timestamptz", moments), "2026-01-03 00:00:00+00");
  EXPECT_EQ(highest(FieldKind::date, "date", moments), "2026-01-03");
  EXPECT_EQ(highest(FieldKind::integer, "int4", "{5,null,-7,6}"), "6");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_integer, "int8", "{20260101,20260103,null}"), "20260103");
}

TEST_F(LiveField, FindsNoHighestValueWhereThereIsNone) {
  EXPECT_EQ(highest(FieldKind::timestamp, "timestamp", "{}"), "");
  EXPECT_EQ(highest(FieldKind::timestamp, "timestamp", "{infinity,null}"), "");
  EXPECT_EQ(highest(FieldKind::integer, "int4", "{null}"), "");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_text, "text", "{n/a,null}"), "");
}

TEST_F(LiveField, TakesNoTextForADayThatIsNone) {
  EXPECT_EQ(highest(FieldKind::yyyymmdd_text, "text",
                    "{20260101,2026-01-09,unknown,2026010,202601011,\"20260105 \",20260103}"),
            "20260103");
}

TEST_F(LiveField, FindsTheHighestValueInAColumnThatHoldsItLosslessly) {
  EXPECT_EQ(highest(FieldKind::integer, "numeric", "{5,6}"), "6");
  EXPECT_EQ(highest(FieldKind::timestamp, "text", "{2026-01-01 00:00:00,2026-01-03 00:00:00}"),
            "2026-01-03 00:00:00");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_text, "char(10)", "{20260101,20260103}"), "20260103");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_integer, "text", "{20260101,20260103,0}"), "20260103");
}

TEST_F(LiveField, ReadsWhatNamesNoDayEachTime) {
  EXPECT_EQ(
      read(FieldKind::yyyymmdd_text, "text", "20260102",
           "{20260101,20240230,00000000,\"\",2026-01-01,\" 20240101\",20230229,20240229,19000229,20000229,"
           "0,n/a,20241301,20240132,20240431,00010101,00000101}"),
      "20240230 00000000  2026-01-01  20240101 20230229 19000229 0 n/a 20241301 20240132 20240431 00000101");
  EXPECT_EQ(
      read(FieldKind::yyyymmdd_integer, "int4", "20260102", "{20260101,20240230,0,-1,101,20240229,99999999}"),
      "20240230 0 -1 101 99999999");
}

TEST_F(LiveField, FindsWhatNamesNoDayByItsOrder) {
  EXPECT_EQ(no_days(FieldKind::yyyymmdd_integer, "int4", "20260102",
                    "{20260101,20240230,20240230,0,-1,null,20240229,20260103,99999999}"),
            "-1,0,20240230");
  EXPECT_EQ(no_days(FieldKind::yyyymmdd_text, "text", "20260102",
                    "{20260101,20240230,00000000,null,2026-01-01,20240229,20260103,n/a}"),
            "00000000,20240230,2026-01-01");
  EXPECT_EQ(no_days(FieldKind::yyyymmdd_text, "text", "20260102", "{20260101,20240229,null}"), "");
  EXPECT_EQ(no_days(FieldKind::yyyymmdd_text, "text", "20260102", "{}"), "");
}

TEST_F(LiveField, SaysWhereDaysAreTooManyToLookAt) {
  connection_->execute(
      "CREATE TEMPORARY TABLE many (\"at\" int4 PRIMARY KEY); INSERT INTO many SELECT generate_series(1, "
      "8)");
  const IncrementalField field{"at", FieldKind::yyyymmdd_integer, false, "int4"};
  const auto last = [&](int looks) {
    return text_of(connection_->query(find_no_days(field, "20260102", "pg_temp.many", looks)).back().at(1));
  };
  EXPECT_EQ(last(8), "t");
  EXPECT_EQ(last(9), "f");
}

TEST_F(LiveField, HasNoHighestDayThatIsNone) {
  EXPECT_EQ(highest(FieldKind::yyyymmdd_integer, "int4", "{20260101,20260230,99999999}"), "20260101");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_text, "text", "{20260101,20260230,99999999,n/a}"), "20260101");
  EXPECT_EQ(highest(FieldKind::yyyymmdd_integer, "int4", "{0}"), "");
}

TEST_F(LiveField, WritesAMomentInTheFormOfTheField) {
  connection_->execute("SET timezone = 'Asia/Tokyo'");
  const auto moment = [&](FieldKind kind) {
    return evaluate(moment_in_field(kind, "2026-01-02 03:04:05.678901+00", "2026-01-01 22:04:05.678901"));
  };
  EXPECT_EQ(moment(FieldKind::timestamptz), "2026-01-02 12:04:05.678901+09");
  EXPECT_EQ(moment(FieldKind::timestamp), "2026-01-01 22:04:05.678901");
  EXPECT_EQ(moment(FieldKind::date), "2026-01-01");
  EXPECT_EQ(moment(FieldKind::yyyymmdd_text), "20260101");
  EXPECT_EQ(moment(FieldKind::yyyymmdd_integer), "20260101");
}

TEST_F(LiveField, GoesBackByALookback) {
  connection_->execute("SET timezone = 'UTC'");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::timestamp, "2026-03-01 00:05:00", "10 min")),
            "2026-02-28 23:55:00");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::timestamp, "2026-03-01 00:00:00.0005", "1ms")),
            "2026-02-28 23:59:59.9995");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::timestamptz, "2026-03-01 00:05:00+00", "10 min")),
            "2026-02-28 23:55:00+00");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::date, "2028-03-01", "1 day")), "2028-02-29");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::date, "2026-03-02", "25h")), "2026-02-28");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::yyyymmdd_text, "20260101", "1h")), "20251231");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::yyyymmdd_integer, "20280301", "1 day")), "20280229");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::integer, "100", "30")), "70");
}

TEST_F(LiveField, GoesBackBySixtyMinutesOfTheClockWhateverTheZoneDoes) {
  // Clocks in Berlin went back at 01:00 UTC: an hour of the day came twice.
  connection_->execute("SET timezone = 'Europe/Berlin'");
  EXPECT_EQ(evaluate("(" + less_lookback(FieldKind::timestamptz, "2025-10-26 01:30:00+00", "1 day") +
                     ") = '2025-10-25 01:30:00+00'"),
            "true");
}

TEST_F(LiveField, GoesBackFromTheLowestIntegersWithoutAnOverflow) {
  constexpr char most[] = "9223372036854775807";
  EXPECT_NO_THROW(evaluate(less_lookback(FieldKind::integer, "-9223372036854775808", most)));
  EXPECT_EQ(evaluate(less_lookback(FieldKind::integer, "-9000000000000000000", most)),
            "-9200000000000000000");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::integer, most, "0")), most);
}

TEST_F(LiveField, GoesBackAHundredYearsAtMost) {
  EXPECT_EQ(evaluate(less_lookback(FieldKind::timestamp, "2026-01-01 00:00:00", "36500d")),
            "1926-01-26 00:00:00");
  EXPECT_EQ(evaluate(less_lookback(FieldKind::date, "2026-01-01", "36500d")), "1926-01-26");
}

TEST_F(LiveField, RefusesAWatermarkThatIsNone) {
  for (const FieldKind kind : {FieldKind::timestamp, FieldKind::timestamptz, FieldKind::date,
                               FieldKind::integer, FieldKind::yyyymmdd_integer}) {
    connection_.emplace(host_, settings());
    const Diagnostics said = error_of([&] { read(kind, watermark_type(kind), "'; DROP TABLE x; --", "{}"); });
    EXPECT_TRUE(said.sqlstate == "22007" || said.sqlstate == "22P02") << said.sqlstate;
  }
}

}  // namespace
}  // namespace tablesync::remote
