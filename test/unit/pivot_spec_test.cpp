#include "core/spec/pivot_spec.h"

#include <gtest/gtest.h>

#include "support/error_of.h"

namespace tablesync {
namespace {

// A spec in which nothing is what it is by default. The binding names every field: a new one does not compile
// until it is here, and so in the round trip.
PivotSpec unusual_spec() {
  PivotSpec spec;
  auto &[mode, ships, from, cutoff, cutoff_is_now, chunk_interval, sample_interval, channels, groups,
         all_text, drop_tables, batch_rows, failed_chunk, newest_first, order_by, columns] =
      static_cast<PivotOptions &>(spec);
  spec.command = Command::pivot;
  spec.server = "tenant";
  spec.source = "public.\"Readings\"";
  spec.target = {"wide", "of_"};
  spec.max_retries = 7;
  mode = PivotMode::migration_only;
  ships = {"HS4", "", "größe\n"};
  from = -5;
  cutoff = 5;
  cutoff_is_now = true;
  chunk_interval = 1;
  sample_interval = 2;
  channels = {"b", "a"};
  groups = {{"engine", "^/me"}};
  all_text = true;
  drop_tables = true;
  batch_rows = 3;
  failed_chunk = 4;
  newest_first = false;
  order_by = "revision";
  columns = {{"double_v", "value"}, {"ship_id", ""}};
  return spec;
}

TEST(PivotSpec, ComesBackAsItWas) {
  EXPECT_EQ(deserialize_pivot_spec(serialize(unusual_spec())), unusual_spec());
  EXPECT_EQ(deserialize_pivot_spec(serialize(PivotSpec{})), PivotSpec{});
  PivotSpec kept = unusual_spec();
  kept.restart = kept.drop_tables = false;
  EXPECT_EQ(pivot_from_kept(to_kept(unusual_spec())), kept) << "what goes on begins nothing anew";
}

TEST(PivotSpec, KeptBytesOfOthersAreNone) {
  EXPECT_EQ(pivot_from_kept(""), std::nullopt);
  EXPECT_EQ(pivot_from_kept("sync 300\n"), std::nullopt);
  EXPECT_EQ(pivot_from_kept("pivot 1\n" + serialize(PivotSpec{})), std::nullopt);
}

TEST(PivotSpec, IsRefusedWhereBytesAreMissing) {
  const std::string bytes = serialize(unusual_spec());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(error_of([&] { deserialize_pivot_spec(std::string_view(bytes).substr(0, size)); }).sqlstate,
              "XX000");
}

TEST(PivotSpec, TheSubjectIsTheShipsTheSourceAndTheTables) {
  PivotSpec spec = unusual_spec();
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
  const PivotSpec spec = unusual_spec();
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
  EXPECT_TRUE(changes([](PivotSpec &s) { s.time_zone = "Europe/Berlin"; }));
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
