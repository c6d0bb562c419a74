#include "core/spec/pivot_spec.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/unusual_spec.h"

namespace tablesync {
namespace {

TEST(PivotSpec, ComesBackAsItWas) {
  expect_all_unusual<RunSpec>(unusual_pivot(), PivotSpec());
  expect_all_unusual<PivotOptions>(unusual_pivot(), PivotSpec());
  EXPECT_EQ(deserialize_pivot_spec(serialize(unusual_pivot())), unusual_pivot());
  EXPECT_EQ(deserialize_pivot_spec(serialize(PivotSpec{})), PivotSpec{});
  PivotSpec kept = unusual_pivot();
  kept.restart = kept.drop_tables = false;
  EXPECT_EQ(pivot_from_kept(to_kept(unusual_pivot())), kept) << "what goes on restarts nothing";
}

TEST(PivotSpec, KeptCallsOfOthersAreNone) {
  for (const std::string &kept :
       {std::string(), std::string("sync 300\n"), std::string("{}"), to_kept(SyncSpec()),
        std::string(R"({"command": "pivot_ship", "row_filter": "tenant = 7"})"),
        std::string(R"({"command": "pivot_ship", "options": {"columns": {"quality": "q"}}})")})
    EXPECT_EQ(pivot_from_kept(kept), std::nullopt) << kept;
}

TEST(PivotSpec, KeepsWhatIsNotAsByDefault) {
  PivotSpec spec;
  spec.target = {"public", "tbl_"};
  spec.ships = {"HS4"};
  spec.from = 0;
  spec.chunk_interval = 86'400'000'000;
  spec.groups = {{"engine", "^/me"}};
  spec.columns = {{"ship_id", ""}, {"double_v", "value"}};
  spec.newest_first = false;
  EXPECT_EQ(to_kept(spec),
            R"({"ship_ids": ["HS4"], "target_schema": "public", "table_prefix": "tbl_", )"
            R"("from_time": "2000-01-01 00:00:00+00", "chunk_interval": "86400000000 us", )"
            R"("table_groups": {"engine": "^/me"}, "command": "pivot_ship", )"
            R"("options": {"columns": {"ship_id": null, "double_v": "value"}, "order": "oldest_first"}})");
}

TEST(PivotSpec, IsRefusedWhereBytesAreMissing) {
  const std::string bytes = serialize(unusual_pivot());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(error_of([&] { deserialize_pivot_spec(std::string_view(bytes).substr(0, size)); }).sqlstate,
              "XX000");
}

TEST(PivotSpec, TheSubjectIsTheShipsTheSourceAndTheTables) {
  PivotSpec spec = unusual_pivot();
  spec.ships = {"b", "a"};
  spec.failed_chunk = 0;
  PivotSpec other = spec;
  other.ships = {"a", "b"};
  EXPECT_EQ(subject_of(spec), subject_of(other)) << "in whatever order";
  other.channels.clear();
  EXPECT_EQ(subject_of(spec), subject_of(other));
  other.ships = {"a"};
  EXPECT_NE(subject_of(spec), subject_of(other));
  other = spec;
  other.failed_chunk = 9;
  EXPECT_NE(subject_of(spec), subject_of(other));
  other = spec;
  other.target.name = "of";
  EXPECT_NE(subject_of(spec), subject_of(other));
}

TEST(PivotSpec, ItsDefinitionIsWhatChangesTheRows) {
  const PivotSpec spec = unusual_pivot();
  PivotSpec other = spec;
  other.parallel_workers = 9;
  other.memory_limit_mb = 99;
  other.batch_rows = 77;
  EXPECT_EQ(definition_of(spec), definition_of(other));
  const auto changes = [&](auto change) {
    PivotSpec changed = spec;
    change(changed);
    return definition_of(changed) != definition_of(spec);
  };
  EXPECT_TRUE(changes([](PivotSpec &s) { s.mode = PivotMode::full; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.from = 0; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.channels = {"a", "b"}; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.groups = {{"engine", "me"}}; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.all_text = false; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.newest_first = true; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.columns = {}; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.time_zone = "Europe/Paris"; }));
  EXPECT_TRUE(changes([](PivotSpec &s) { s.cutoff_is_now = false; }));
  EXPECT_FALSE(changes([](PivotSpec &s) { s.cutoff = 6; })) << "now is another time each time";
}

TEST(PivotSpec, TakesModesInEitherSpelling) {
  EXPECT_EQ(parse_pivot_mode("full"), PivotMode::full);
  EXPECT_EQ(parse_pivot_mode("schema-only"), PivotMode::schema_only);
  EXPECT_EQ(parse_pivot_mode("tables_only"), PivotMode::tables_only);
  EXPECT_EQ(parse_pivot_mode("migration-only"), PivotMode::migration_only);
  for (const char *later : {"realtime", "concurrent", "hybrid", "streaming", "dual_write", "dual-write"})
    EXPECT_EQ(error_of([&] { parse_pivot_mode(later); }).sqlstate, "0A000") << later;
  for (const char *bad : {"", "FULL", "full ", "dual"})
    EXPECT_EQ(error_of([&] { parse_pivot_mode(bad); }).sqlstate, "22023") << bad;
}

TEST(PivotSpec, TakesOptionsByName) {
  PivotSpec spec;
  set_option(spec, "order", "oldest_first");
  EXPECT_FALSE(spec.newest_first);
  set_option(spec, "timeout", "10");
  EXPECT_EQ(spec.timeout_ms, 10'000);
  EXPECT_EQ(error_of([&] { set_option(spec, "ordr", "oldest_first"); }).hint,
            "Perhaps you meant the option \"order\".");
  EXPECT_EQ(error_of([&] { set_option(spec, "adopt", "true"); }).sqlstate, "22023") << "it is of sync_table";
  EXPECT_EQ(error_of([&] { set_option(spec, "every", "1h"); }).sqlstate, "0A000");
}

TEST(PivotSpec, TakesColumnsByTheirUse) {
  PivotSpec spec;
  set_column(spec, "double_v", "value");
  set_column(spec, "ship_id", std::nullopt);
  EXPECT_EQ(given_column(spec, ReadingColumn::double_v), "value");
  EXPECT_EQ(given_column(spec, ReadingColumn::ship_id), "");
  EXPECT_EQ(given_column(spec, ReadingColumn::long_v), std::nullopt);
  EXPECT_EQ(error_of([&] { set_column(spec, "double", "value"); }).sqlstate, "22023");
  EXPECT_EQ(error_of([&] { set_column(spec, "created_time", std::nullopt); }).sqlstate, "22023");
}

}  // namespace
}  // namespace tablesync
