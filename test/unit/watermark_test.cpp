#include "core/range/watermark.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

using Kind = ReadWindow::Kind;

// One run that was, and one that is to be: nothing happened in between but time.
struct Case {
  SyncSpec spec;
  Watermark known;
  Table source;
  SnapshotPosition now{2000, "0/4000000", 1};
  bool target_is_empty = false;
  std::string switch_point;        // what the source says of where the timeline of before ended
  mutable std::vector<int> asked;  // for these timelines

  ReadWindow window() const {
    return choose_window(spec, known, source, now, target_is_empty, [this](int timeline) {
      asked.push_back(timeline);
      return switch_point;
    });
  }
};

Case case_of(SyncMode mode) {
  Case made;
  made.spec.server = "shop";
  made.spec.source = "orders";
  made.spec.target = {"raw", "orders"};
  made.spec.mode = mode;
  if (mode == SyncMode::incremental) made.spec.incremental_field = "updated_at";

  made.source = table({"public", "orders"},
                      {not_null(column("id", "int8")), column("updated_at", "timestamptz"),
                       column("created_at", "timestamptz"), column("gone", "bool")},
                      {primary_key({"id"})});
  made.source.oid = "16384";
  made.source.database_oid = "16000";
  made.source.system_identifier = "7301234567890123456";

  Watermark &known = made.known;
  known.server = "shop";
  known.source = "public.orders";
  known.mode = mode;
  known.field = made.spec.incremental_field;
  known.shape = shape_of(made.source);
  if (mode == SyncMode::incremental) known.value = "2026-01-02 03:04:05+00";
  known.system_identifier = made.source.system_identifier;
  known.database_oid = made.source.database_oid;
  known.relation_oid = made.source.oid;
  known.position = {1000, "0/3000000", 1};
  return made;
}

Case incremental() { return case_of(SyncMode::incremental); }
Case xmin() { return case_of(SyncMode::xmin); }

// An incremental run that could prove nothing yet, but knows its transactions.
Case unproven() {
  Case made = incremental();
  made.known.value = "";
  return made;
}

void expect_everything(const Case &run, const std::string &why) {
  const ReadWindow window = run.window();
  EXPECT_EQ(window.kind, Kind::everything);
  EXPECT_EQ(window.why, why);
}

void expect_part(const Case &run, Kind kind) {
  const ReadWindow window = run.window();
  EXPECT_EQ(window.kind, kind);
  EXPECT_EQ(window.why, "");
}

// ---- the ordinary cases -----------------------------------------------------------------------------------

// What another role's SQL chose is not known: nothing of it can be relied on.
TEST(ChooseWindow, ReadsEverythingWhereAnotherRoleChoseTheRows) {
  for (std::string Watermark::*const text :
       {&Watermark::custom_select, &Watermark::custom_where, &Watermark::soft_delete_column}) {
    Case run = case_of(SyncMode::incremental);
    run.known.*text = "secret";
    run.known.hide_definition();
    EXPECT_EQ(run.known.*text, "");
    EXPECT_EQ(run.window().kind, Kind::everything);
    EXPECT_NE(run.window().why.find("another role"), std::string::npos);
  }
}

TEST(ChooseWindow, GoesOnFromAnotherRoleThatReadAllRows) {
  Case run = case_of(SyncMode::incremental);
  run.known.hide_definition();
  EXPECT_EQ(run.window().kind, Kind::at_or_above_value);
}

TEST(ChooseWindow, ReadsWhatIsNewByTheFieldOrByTheTransaction) {
  expect_part(incremental(), Kind::at_or_above_value);
  expect_part(xmin(), Kind::written_since_position);
}

TEST(ChooseWindow, ReadsEverythingInAFullSync) { expect_everything(case_of(SyncMode::full), ""); }

TEST(ChooseWindow, ReadsEverythingTheFirstTime) {
  for (const SyncMode mode : {SyncMode::full, SyncMode::incremental, SyncMode::xmin}) {
    const Case run = case_of(mode);
    const ReadWindow window = choose_window(run.spec, std::nullopt, run.source, run.now, true, nullptr);
    EXPECT_EQ(window.kind, Kind::everything);
    EXPECT_EQ(window.why, "");
  }
}

TEST(ChooseWindow, ReadsEverythingIntoATargetThatWasEmptied) {
  for (Case run : {incremental(), xmin()}) {
    run.target_is_empty = true;
    expect_everything(run, "the target is empty");
  }
}

TEST(ChooseWindow, AsksForTheHistoryOnlyOnAnotherTimeline) {
  const Case same = xmin();
  same.window();
  EXPECT_TRUE(same.asked.empty());
  Case other = xmin();
  other.now.timeline = 5;
  other.known.position.timeline = 3;
  other.switch_point = "0/3000000";
  other.window();
  ASSERT_FALSE(other.asked.empty());
  for (const int timeline : other.asked) EXPECT_EQ(timeline, 3);
}

// ---- another question than before -------------------------------------------------------------------------

TEST(ChooseWindow, ReadsEverythingWhereTheUsersSqlChanged) {
  for (Case run : {incremental(), xmin(), unproven()}) {
    run.spec.custom_where = "id > 0";
    expect_everything(run, "custom_select or custom_where has changed");
    run.known.custom_where = "id > 0";
    EXPECT_NE(run.window().kind, Kind::everything);
    run.spec.custom_where = "";
    expect_everything(run, "custom_select or custom_where has changed");
  }
  Case run = incremental();
  run.spec.custom_select = "SELECT * FROM orders";
  expect_everything(run, "custom_select or custom_where has changed");
  run.known.custom_select = run.spec.custom_select;
  expect_part(run, Kind::at_or_above_value);
}

TEST(ChooseWindow, ReadsEverythingWhereAnotherColumnMarksTheDeleted) {
  for (Case run : {incremental(), xmin()}) {
    run.spec.soft_delete_column = "gone";
    expect_everything(run, "soft_delete_column has changed");
    run.known.soft_delete_column = "gone";
    EXPECT_NE(run.window().kind, Kind::everything);
  }
}

TEST(ChooseWindow, ReadsEverythingWhereTheColumnsChanged) {
  constexpr char changed[] = "the columns of the source have changed";
  for (const Case &before : {incremental(), xmin()}) {
    Case added = before;
    added.source.columns.push_back(column("note", "text"));
    expect_everything(added, changed);
    Case dropped = before;
    dropped.source.columns.pop_back();
    expect_everything(dropped, changed);
    Case renamed = before;
    renamed.source.columns[3].name = "is_gone";
    expect_everything(renamed, changed);
    Case retyped = before;
    retyped.source.columns[3] = column("gone", "int4");
    expect_everything(retyped, changed);
    Case moved = before;
    std::swap(moved.source.columns[0], moved.source.columns[3]);
    EXPECT_NE(moved.window().kind, Kind::everything) << "their order says nothing";
  }
}

TEST(ChooseWindow, ReadsEverythingWhereTheTableWasMadeAnew) {
  for (const Case &before : {incremental(), xmin()}) {
    for (std::string Table::*const oid : {&Table::oid, &Table::database_oid}) {
      Case run = before;
      run.source.*oid = "99999";
      expect_everything(run, "the table on the source was recreated");
    }
  }
}

TEST(ChooseWindow, ReadsEverythingFromATableMadeAnewThoughTransactionsWentBack) {
  Case run = xmin();
  run.source.oid = "99999";
  run.now.xmin = 3;
  expect_everything(run, "the table on the source was recreated");
}

// ---- another cluster --------------------------------------------------------------------------------------

TEST(ChooseWindow, ReadsEverythingByFieldFromAnotherCluster) {
  Case run = incremental();
  run.source.system_identifier = "7309999999999999999";
  expect_everything(run, "the source is a different cluster than before");
}

TEST(ChooseWindow, RefusesTransactionsOfAnotherCluster) {
  Case run = xmin();
  run.source.system_identifier = "7309999999999999999";
  const Diagnostics said = error_of([&] { run.window(); });
  EXPECT_EQ(said.sqlstate, "55000");
  EXPECT_EQ(said.message, "server \"shop\" is a different cluster than before");
  EXPECT_EQ(said.detail,
            "Its system identifier is 7309999999999999999; the watermark has 7301234567890123456.");
  EXPECT_EQ(said.hint,
            "The transaction ids on record cannot be used. SELECT * FROM verify_table('shop', 'orders', "
            "'raw.orders', repair => true) compares both sides, repairs the differences and writes a "
            "new watermark.");
}

TEST(ChooseWindow, QuotesNamesInTheCallOfItsHint) {
  Case run = xmin();
  run.spec.server = "it's";
  run.spec.source = "\"Or'ders\"";
  run.spec.target = {"raw", "Or\"d'ers"};
  run.source.system_identifier = "1";
  const std::string hint = error_of([&] { run.window(); }).hint;
  EXPECT_NE(hint.find(R"(verify_table('it''s', '"Or''ders"', 'raw."Or""d''ers"', repair => true))"),
            std::string::npos)
      << hint;
}

TEST(ChooseWindow, TrustsAClusterThatDoesNotShowItself) {
  for (Case run : {incremental(), xmin()}) {
    const Kind usual = run.window().kind;
    run.source.system_identifier = "";
    EXPECT_EQ(run.window().kind, usual);
    run.source.system_identifier = run.known.system_identifier;
    run.known.system_identifier = "";
    EXPECT_EQ(run.window().kind, usual);
  }
}

// ---- another timeline -------------------------------------------------------------------------------------

Case promoted(const std::string &read_up_to, const std::string &ended) {
  Case run = xmin();
  run.known.position.lsn = read_up_to;
  run.now.timeline = 2;
  run.switch_point = ended;
  return run;
}

TEST(ChooseWindow, FollowsAPromotionThatLostNothingOfWhatWasRead) {
  expect_part(promoted("0/3000000", "0/3000001"), Kind::written_since_position);
  expect_part(promoted("0/3000000", "0/3000000"), Kind::written_since_position);
}

TEST(ChooseWindow, RefusesAPromotionThatLostSomething) {
  const Diagnostics said = error_of([&] { promoted("0/3000001", "0/3000000").window(); });
  EXPECT_EQ(said.sqlstate, "55000");
  EXPECT_EQ(said.message, "server \"shop\" is on a different timeline than before");
  EXPECT_TRUE(said.detail.ends_with(
      "on timeline 2; its history cannot be shown to include the watermark at 0/3000001 on "
      "timeline 1."))
      << said.detail;
  EXPECT_NE(said.hint.find("repair => true"), std::string::npos);
}

TEST(ChooseWindow, RefusesATimelineOfWhichNothingIsKnown) {
  EXPECT_EQ(error_of([&] { promoted("0/3000000", "").window(); }).sqlstate, "55000");
}

TEST(ChooseWindow, ComparesPositionsAsNumbers) {
  // As texts each of these would be the other way round.
  expect_part(promoted("9/0", "10/0"), Kind::written_since_position);
  expect_part(promoted("0/9000000", "0/10000000"), Kind::written_since_position);
  expect_part(promoted("0/FFFFFFFF", "1/0"), Kind::written_since_position);
  expect_part(promoted("FFFFFFFF/FFFFFFFE", "FFFFFFFF/FFFFFFFF"), Kind::written_since_position);
  EXPECT_EQ(error_of([&] { promoted("10/0", "9/FFFFFFFF").window(); }).sqlstate, "55000");
  EXPECT_EQ(error_of([&] { promoted("1/0", "0/FFFFFFFF").window(); }).sqlstate, "55000");
}

TEST(ChooseWindow, RefusesPositionsThatAreNone) {
  for (const char *ended : {"no", "0", "/", "-", " "})
    EXPECT_EQ(error_of([&] { promoted("0/3000000", ended).window(); }).sqlstate, "55000") << ended;
}

TEST(ChooseWindow, ReadsByFieldOnAnyTimeline) {
  Case run = incremental();
  run.now.timeline = 2;
  expect_part(run, Kind::at_or_above_value);
}

// ---- the age of transactions ------------------------------------------------------------------------------

TEST(ChooseWindow, RefusesTransactionsThatWentBack) {
  Case run = xmin();
  run.now.xmin = 999;
  const Diagnostics said = error_of([&] { run.window(); });
  EXPECT_EQ(said.sqlstate, "55000");
  EXPECT_EQ(said.message, "the transaction ids of server \"shop\" went backwards");
  EXPECT_EQ(said.detail, "They are at 999; the watermark is 1000.");
}

TEST(ChooseWindow, ReadsByTransactionWhereNoneBegan) {
  Case run = xmin();
  run.now.xmin = run.known.position.xmin;
  expect_part(run, Kind::written_since_position);
}

TEST(ChooseWindow, ReadsEverythingWhereTransactionsCannotBeToldApart) {
  constexpr std::uint64_t half = std::uint64_t{1} << 31;
  for (const std::uint64_t epoch : {std::uint64_t{0}, std::uint64_t{7} << 32}) {
    Case run = xmin();
    run.known.position.xmin += epoch;
    run.now.xmin = run.known.position.xmin + half - 1;
    expect_part(run, Kind::written_since_position);
    for (const std::uint64_t began : {half, half + 1, std::uint64_t{1} << 32, std::uint64_t{5} << 32}) {
      run.now.xmin = run.known.position.xmin + began;
      expect_everything(run, "more than 2^31 transactions have begun on the source since the last run");
    }
  }
}

TEST(ChooseWindow, SeesTheEpochOfATransaction) {
  // Modulo 2^32 it would be ahead.
  Case run = xmin();
  run.known.position.xmin = (std::uint64_t{1} << 32) + 10;
  run.now.xmin = 20;
  EXPECT_EQ(error_of([&] { run.window(); }).sqlstate, "55000");
}

TEST(ChooseWindow, ReadsEverythingWhereThePositionWasNotKnown) {
  Case run = xmin();
  run.known.position = {};
  expect_everything(run, "");
}

// ---- from one mode to another -----------------------------------------------------------------------------

TEST(ChooseWindow, GoesOnByTransactionAfterAFullSync) {
  Case run = xmin();
  run.known.mode = SyncMode::full;
  expect_part(run, Kind::written_since_position);
}

TEST(ChooseWindow, StartsAnewAfterAFullSyncWhereTheHistoryIsAnother) {
  // Nobody relied on the transaction ids yet: no reason to refuse, nor to be surprised.
  Case run = xmin();
  run.known.mode = SyncMode::full;
  Case timeline = run;
  timeline.now.timeline = 2;
  expect_everything(timeline, "");
  Case back = run;
  back.now.xmin = 3;
  expect_everything(back, "");
  Case cluster = run;
  cluster.source.system_identifier = "1";
  expect_everything(cluster, "the source is a different cluster than before");
}

TEST(ChooseWindow, GoesOnByTransactionAfterIncrementalRuns) {
  Case run = xmin();
  run.known.mode = SyncMode::incremental;
  run.known.field = "updated_at";
  run.known.value = "2026-01-02 03:04:05+00";
  expect_part(run, Kind::written_since_position);
  run.known.position = {};
  EXPECT_EQ(run.window().kind, Kind::everything);
}

TEST(ChooseWindow, GoesOnByTransactionUntilTheFieldIsProven) {
  expect_part(unproven(), Kind::written_since_position);
  for (const SyncMode mode : {SyncMode::full, SyncMode::xmin}) {
    Case run = unproven();
    run.known.mode = mode;
    run.known.field = "";
    expect_part(run, Kind::written_since_position);
  }
}

TEST(ChooseWindow, GoesOnByTransactionWhereTheFieldIsAnother) {
  Case run = incremental();
  run.spec.incremental_field = "created_at";
  expect_part(run, Kind::written_since_position);
}

TEST(ChooseWindow, ReadsEverythingWhereTheFieldIsAnotherAndTransactionsDoNotServe) {
  Case no_position = incremental();
  no_position.spec.incremental_field = "created_at";
  no_position.known.position = {};
  Case too_old = no_position;
  too_old.known.position = {1000, "0/3000000", 1};
  too_old.now.xmin = std::uint64_t{1} << 40;
  Case back = no_position;
  back.known.position = {3000, "0/3000000", 1};
  Case timeline = no_position;
  timeline.known.position = {1000, "0/3000000", 1};
  timeline.now.timeline = 2;
  for (const Case &run : {no_position, too_old, back, timeline})
    expect_everything(run, "incremental_field has changed");
}

TEST(ChooseWindow, ReadsEverythingWhereNothingIsProvenAndTransactionsDoNotServe) {
  Case run = unproven();
  run.known.position = {};
  expect_everything(run, "");
}

TEST(ChooseWindow, TakesTransactionsOnlyWhereRowsHaveThem) {
  expect_part(unproven(), Kind::written_since_position);
  Case outside = unproven();
  outside.source.outside_heap = "public.far";
  expect_everything(outside, "");
  Case joined = unproven();
  joined.source.joined = {"public.other"};
  expect_everything(joined, "");
  Case query = unproven();
  query.spec.custom_select = query.known.custom_select = "SELECT * FROM orders";
  expect_everything(query, "");
}

// ---- the shape of a table ---------------------------------------------------------------------------------

TEST(ShapeOf, IsTheSameInAnyOrder) {
  const Column a = column("a", "int4"), b = column("b", "text");
  EXPECT_EQ(shape_of(table({"s", "t"}, {a, b})), shape_of(table({"s", "t"}, {b, a})));
  EXPECT_EQ(shape_of(table({"s", "t"}, {a})), shape_of(table({"other", "name"}, {a})));
}

TEST(ShapeOf, TellsHostileNamesApart) {
  EXPECT_NE(shape_of(table({"s", "t"}, {column("a\" int4, \"b", "int4")})),
            shape_of(table({"s", "t"}, {column("a", "int4"), column("b", "int4")})));
  EXPECT_NE(shape_of(table({"s", "t"}, {column("A", "int4")})),
            shape_of(table({"s", "t"}, {column("a", "int4")})));
}

TEST(MarksChange, IsNoneWhereMarksWereAdded) {
  Table known = table({"s", "t"}, {column("a", "int4")}), now = known;
  known.marks = {"00000001", "00000003"};
  now.marks = {"00000001", "00000002", "00000003"};
  EXPECT_EQ(marks_change(shape_of(known), now), "");
  EXPECT_NE(marks_change(shape_of(now), known), "");
  now.marks = {};
  EXPECT_NE(marks_change(shape_of(known), now), "");
  EXPECT_EQ(marks_change(shape_of(now), known), "");
  EXPECT_EQ(columns_change(shape_of(known), now), "");
}

TEST(ColumnsChange, IsOneWhereColumnsAreOthers) {
  const Table known = table({"s", "t"}, {column("a", "int4")}),
              now = table({"s", "t"}, {column("b", "int4")});
  EXPECT_EQ(columns_change(shape_of(known), now), "the columns of the source have changed");
  EXPECT_EQ(columns_change("", now), "the columns of the source have changed");
}

TEST(ChooseWindow, ReadsEverythingWhereAMarkIsGone) {
  Case run = xmin();
  run.source.marks = {"00000002"};
  run.known.shape = shape_of(run.source);
  run.source.marks = {"00000003"};
  EXPECT_EQ(run.window().kind, Kind::everything);
  EXPECT_NE(run.window().why, "");
}

TEST(HasColumn, IsNotMistakenByMarks) {
  Table known = table({"s", "t"}, {column("a", "int4"), column("b\n", "int4")});
  known.marks = {"00000001"};
  EXPECT_TRUE(has_column(shape_of(known), "a"));
  EXPECT_TRUE(has_column(shape_of(known), "b\n"));
  EXPECT_FALSE(has_column(shape_of(known), "00000001"));
}

// ---- pending values ---------------------------------------------------------------------------------------

using Pending = std::vector<PendingValue>;

// A moment as the source tells it, `second` seconds after some day began.
std::string at(int second) {
  char text[40];
  std::snprintf(text, sizeof text, "2026-01-02 %02d:%02d:%02d.000000+00", second / 3600, second / 60 % 60,
                second % 60);
  return text;
}

TEST(PendingText, ComesBackAsItWas) {
  for (const Pending &pending : {Pending{}, Pending{{5, at(1)}},
                                 Pending{{std::numeric_limits<std::int64_t>::min(), at(1)},
                                         {0, at(2)},
                                         {std::numeric_limits<std::int64_t>::max(), at(3)}}})
    EXPECT_EQ(parse_pending(to_text(pending)), pending);
}

TEST(PendingText, IsReadWhateverItHolds) {
  EXPECT_EQ(parse_pending(""), Pending{});
  for (const char *text : {",", ",,,", "5", "5,6,7", "no clock"}) EXPECT_EQ(parse_pending(text), Pending{});
  // Nothing but an end to them is asked for: of these nobody can say what they mean.
  for (const std::string &text :
       {std::string("@"), std::string("5@"), std::string("@@@,@"), std::string("x@y"), std::string("5@a@b"),
        std::string("99999999999999999999999@a"), std::string("-@-"), std::string(",@,"), std::string("1@a,"),
        std::string("\0@\0,\0", 5), std::string("\xff@\xff"), std::string(100'000, ','),
        std::string(100'000, '@')})
    EXPECT_LE(parse_pending(text).size(), text.size());
}

TEST(PendingText, LosesNoGoodEntryToABadOneBesideIt) {
  const Pending read = parse_pending("5," + to_text({{7, at(1)}}) + ",,x,");
  EXPECT_EQ(read, (Pending{{7, at(1)}}));
}

TEST(TakeProven, TakesWhatWasSeenBeforeTheHorizon) {
  Pending pending = {{10, at(1)}, {20, at(2)}, {30, at(3)}};
  EXPECT_EQ(take_proven(pending, at(1)), std::nullopt) << "at the horizon itself a transaction may be open";
  EXPECT_EQ(pending.size(), 3U);
  EXPECT_EQ(take_proven(pending, at(3)), 20);
  EXPECT_EQ(pending, (Pending{{30, at(3)}}));
  EXPECT_EQ(take_proven(pending, at(9)), 30);
  EXPECT_EQ(pending, Pending{});
  EXPECT_EQ(take_proven(pending, at(9)), std::nullopt);
}

TEST(TakeProven, TakesTheHighestThoughValuesWentDown) {
  // The row with the highest value was deleted in between.
  Pending pending = {{50, at(1)}, {20, at(2)}};
  EXPECT_EQ(take_proven(pending, at(3)), 50);
  Pending negative = {{-5, at(1)}, {-7, at(2)}};
  EXPECT_EQ(take_proven(negative, at(3)), -5);
}

TEST(TakeProven, KeepsTheListShortWhileATransactionStaysOpen) {
  Pending pending;
  for (int run = 1; run <= 5000; ++run) {
    pending.push_back({run, at(run)});
    EXPECT_EQ(take_proven(pending, at(0)), std::nullopt);
    ASSERT_LE(pending.size(), 100U);
  }
  EXPECT_EQ(pending.back().value, 5000) << "the newest is what counts when the transaction ends";
  EXPECT_EQ(take_proven(pending, at(6000)), 5000);
}

TEST(TakeProven, NeverProvesWhatWasSeenLater) {
  Pending pending;
  for (int run = 1; run <= 5000; ++run) {
    pending.push_back({run, at(run)});
    const auto proven = take_proven(pending, at(run - run % 7));
    EXPECT_LT(proven.value_or(0), std::max(run - run % 7, 1));
  }
}

// ---- what chunks may have missed

TEST(ChooseCatchUp, GoesByTheTransactionWhereItCanAndElseByTheField) {
  Case run = xmin();
  const auto chosen = [&] { return choose_catch_up(run.known, run.source, run.now, nullptr).kind; };
  EXPECT_EQ(chosen(), Kind::written_since_position);
  run.source.outside_heap = "public.v";
  run.known.value = "2026-01-01";
  EXPECT_EQ(chosen(), Kind::at_or_above_value);
  run.known.value.clear();
  EXPECT_EQ(chosen(), Kind::nothing);
}

}  // namespace
}  // namespace tablesync
