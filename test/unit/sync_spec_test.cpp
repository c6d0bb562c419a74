#include "core/spec/sync_spec.h"

#include <gtest/gtest.h>

#include "core/spec/option_value.h"
#include "support/error_of.h"
#include "support/unusual_spec.h"

namespace tablesync {
namespace {

TEST(SyncSpec, SurvivesTheWayThroughSharedMemory) {
  expect_all_unusual<RunSpec>(unusual_sync(), SyncSpec());
  expect_all_unusual<SyncOptions>(unusual_sync(), SyncSpec());
  EXPECT_EQ(deserialize_sync_spec(serialize(unusual_sync())), unusual_sync());
  EXPECT_EQ(deserialize_sync_spec(serialize(SyncSpec{})), SyncSpec{});
}

TEST(SyncSpec, TakesNoSwitchForAnother) {
  for (bool SyncSpec::*const field : std::initializer_list<bool SyncSpec::*>{
           &SyncSpec::delete_missing, &SyncSpec::allow_empty, &SyncSpec::adopt,
           &SyncSpec::empty_string_as_null, &SyncSpec::enable_checkpoint, &SyncSpec::failed_chunks_only,
           &SyncSpec::restart, &SyncSpec::trust_owner}) {
    SyncSpec spec;
    spec.*field = !(spec.*field);
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)), spec);
  }
}

TEST(SyncSpec, TakesNoTextForAnother) {
  for (std::string SyncSpec::*const field : std::initializer_list<std::string SyncSpec::*>{
           &SyncSpec::server, &SyncSpec::source, &SyncSpec::incremental_field,
           &SyncSpec::incremental_field_type, &SyncSpec::custom_select, &SyncSpec::custom_where,
           &SyncSpec::custom_count, &SyncSpec::lookback, &SyncSpec::time_zone, &SyncSpec::soft_delete_column,
           &SyncSpec::chunk_by}) {
    SyncSpec spec;
    spec.*field = field == &SyncSpec::lookback ? "7 min" : field == &SyncSpec::chunk_by ? "key" : "this one";
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)), spec);
  }
}

// Whether each of these words comes back.
template <typename Base, typename Word>
void expect_carried(Word Base::*field, std::initializer_list<Word> words) {
  for (const Word word : words) {
    SyncSpec spec;
    spec.*field = word;
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)), spec);
  }
}

TEST(SyncSpec, CarriesEveryWord) {
  expect_carried(&SyncSpec::command, {Command::sync, Command::verify, Command::repair});
  expect_carried(&SyncSpec::mode, {SyncMode::full, SyncMode::incremental, SyncMode::xmin});
  expect_carried(&SyncSpec::if_running, {IfRunning::raise, IfRunning::skip, IfRunning::wait});
  expect_carried(&SyncSpec::verify, {VerifyMode::none, VerifyMode::count, VerifyMode::full});
  expect_carried(&SyncSpec::soft_delete_action, {SoftDelete::remove, SoftDelete::mark});
  expect_carried(&SyncSpec::on_schema_change,
                 {OnSchemaChange::raise, OnSchemaChange::add, OnSchemaChange::ignore});
  expect_carried(&SyncSpec::chunk_mode, {ChunkMode::by_size, ChunkMode::always, ChunkMode::never});
  expect_carried(&SyncSpec::compare, {CompareBy::filter, CompareBy::stage, CompareBy::digest});
  expect_carried(&SyncSpec::on_bad_row, {OnBadRow::raise, OnBadRow::reject});
}

TEST(SyncSpec, IsRefusedWhereBytesAreMissing) {
  const std::string bytes = serialize(unusual_sync());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(error_of([&] { deserialize_sync_spec(std::string_view(bytes).substr(0, size)); }).sqlstate,
              "XX000");
}

TEST(SyncSpec, OfAnotherFunctionIsRefused) {
  EXPECT_EQ(error_of([&] { deserialize_sync_spec(serialize(PivotSpec{})); }).sqlstate, "22023");
  EXPECT_EQ(error_of([&] { deserialize_pivot_spec(serialize(SyncSpec{})); }).sqlstate, "22023");
  for (const char *json : {"", "{}", "[]", "null", "\"sync\"", "{\"source\": \"orders\"}"})
    EXPECT_EQ(error_of([&] { deserialize_sync_spec(json); }).sqlstate, "XX000") << json;
}

TEST(SyncSpec, DefaultsToWhatIsSafe) {
  const SyncSpec spec;
  EXPECT_FALSE(spec.adopt);
  EXPECT_FALSE(spec.allow_empty);
  EXPECT_LT(spec.max_delete_fraction, 1);
  EXPECT_EQ(spec.verify, VerifyMode::count);
  EXPECT_EQ(spec.if_running, IfRunning::raise);
}

TEST(DescribeSpec, NamesBothEndsAsTheUserKnowsThem) {
  SyncSpec spec;
  spec.server = "shop";
  spec.source = "public.users";
  spec.target = {"raw", "Users"};
  EXPECT_EQ(describe_spec(spec), "shop: public.users -> raw.\"Users\"");
}

TEST(DescribeSpec, NamesNoServerWhereItIsThisDatabase) {
  SyncSpec spec;
  spec.source = "public.users";
  spec.target = {"raw", "users"};
  EXPECT_EQ(describe_spec(spec), "public.users -> raw.users");
}

TEST(SyncSpec, WritesUnlessItOnlyVerifies) {
  SyncSpec spec;
  EXPECT_TRUE(spec.writes());
  spec.command = Command::repair;
  EXPECT_TRUE(spec.writes());
  spec.command = Command::verify;
  EXPECT_FALSE(spec.writes());
}

TEST(ParseSyncMode, KnowsTheOldNames) {
  for (const char *name : {"full", "full_sync"}) EXPECT_EQ(parse_sync_mode(name), SyncMode::full);
  for (const char *name : {"incremental", "incremental_sync"})
    EXPECT_EQ(parse_sync_mode(name), SyncMode::incremental);
  for (const char *name : {"xmin", "xmin_incremental"}) EXPECT_EQ(parse_sync_mode(name), SyncMode::xmin);
}

TEST(ParseSyncMode, ReadsTheNameOfEachMode) {
  for (const SyncMode mode : {SyncMode::full, SyncMode::incremental, SyncMode::xmin})
    EXPECT_EQ(parse_sync_mode(name_of(mode)), mode);
}

TEST(ParseSyncMode, ListsTheValidWordsForAnUnknownOne) {
  for (const char *name : {"", "Full", "fulll"}) {
    const Diagnostics said = error_of([&] { parse_sync_mode(name); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("unrecognized sync_mode \"") + name + "\"");
    EXPECT_EQ(said.hint,
              "Valid values are full, incremental and xmin, and also full_sync, incremental_sync and "
              "xmin_incremental.");
  }
}

TEST(ParseVerify, KnowsItsWords) {
  EXPECT_EQ(parse_verify("none"), VerifyMode::none);
  EXPECT_EQ(parse_verify("count"), VerifyMode::count);
  EXPECT_EQ(parse_verify("full"), VerifyMode::full);
}

TEST(ParseVerify, ListsTheValidWordsForAnUnknownOne) {
  for (const char *word : {"counts", "", "Full"}) {
    const Diagnostics said = error_of([&] { parse_verify(word); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("unrecognized value for verify: \"") + word + "\"");
    EXPECT_EQ(said.hint, "Valid values are none, count and full.");
  }
}

// ---- durations --------------------------------------------------------------------------------------------

TEST(ParseDuration, ReadsABareNumberAsSeconds) {
  EXPECT_EQ(parse_duration_ms("90"), 90'000);
  EXPECT_EQ(parse_duration_ms("1.5"), 1'500);
}

TEST(ParseDuration, KnowsEveryUnitByAllItsNames) {
  struct Case {
    std::vector<const char *> names;
    std::int64_t milliseconds;
  };
  for (const auto &[names, milliseconds] : {Case{{"ms"}, 1},
                                            {{"s", "sec", "second", "seconds"}, 1000},
                                            {{"min", "minute", "minutes"}, 60'000},
                                            {{"h", "hour", "hours"}, 3'600'000},
                                            {{"d", "day", "days"}, 86'400'000}})
    for (const std::string name : names) {
      EXPECT_EQ(parse_duration_ms("5" + name), 5 * milliseconds) << name;
      EXPECT_EQ(parse_duration_ms("5 " + name), 5 * milliseconds) << name;
      EXPECT_EQ(parse_duration_ms("2.5" + name), (5 * milliseconds + 1) / 2) << name;
    }
}

TEST(ParseDuration, ReadsZeroAsNone) {
  EXPECT_EQ(parse_duration_ms("0"), 0);
  EXPECT_EQ(parse_duration_ms("0 days"), 0);
}

TEST(ParseDuration, TurnsNoShortTimeIntoNone) { EXPECT_EQ(parse_duration_ms("0.1ms"), 1); }

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char *text : {"",
                           "s",
                           "-1",
                           "-0.1s",
                           " 5",
                           "5m",
                           "5S",
                           "5 Min",
                           "1e999",
                           "nan",
                           "inf",
                           "1,5",
                           "0x10",
                           "+5",
                           "5 s ",
                           "5w",
                           "5 weeks",
                           "5 minute s",
                           "5min30s",
                           "1 day 2 hours",
                           "10 min; DROP TABLE x",
                           "--"}) {
    const Diagnostics said = error_of([&] { parse_duration_ms(text); });
    EXPECT_EQ(said.sqlstate, "22023") << text;
    EXPECT_EQ(said.message, std::string("invalid duration: \"") + text + "\"");
    EXPECT_EQ(said.hint, "Give seconds, or a number with a unit: ms, s, min, h, d.");
  }
}

TEST(ParseDuration, StaysWithinAHundredYears) {
  EXPECT_EQ(parse_duration_ms("36600d"), std::int64_t{36600} * 86'400'000);
  for (const char *text : {"36601d", "36600.001 days", "1e300", "99999999999999999999h"})
    EXPECT_EQ(error_of([&] { parse_duration_ms(text); }).sqlstate, "22023") << text;
}

// ---- options ----------------------------------------------------------------------------------------------

const std::vector<std::string> all_options = {"adopt",
                                              "allow_empty",
                                              "chunk_by",
                                              "compare",
                                              "empty_string_as_null",
                                              "if_running",
                                              "lookback",
                                              "max_delete_fraction",
                                              "max_differences",
                                              "max_rate",
                                              "max_source_lag",
                                              "max_source_sessions",
                                              "on_bad_row",
                                              "on_schema_change",
                                              "restart",
                                              "retry_delay",
                                              "soft_delete_action",
                                              "soft_delete_column",
                                              "time_zone",
                                              "timeout",
                                              "trust_owner"};

SyncSpec spec_with(const std::string &key, const std::string &value) {
  SyncSpec spec;
  set_option(spec, key, value);
  return spec;
}

TEST(SetOption, TakesSwitches) {
  const std::pair<const char *, bool SyncSpec::*> switches[] = {
      {"adopt", &SyncSpec::adopt},
      {"allow_empty", &SyncSpec::allow_empty},
      {"empty_string_as_null", &SyncSpec::empty_string_as_null},
      {"trust_owner", &SyncSpec::trust_owner}};
  for (const auto &[key, field] : switches) {
    SyncSpec expected;
    expected.*field = true;
    SyncSpec spec = spec_with(key, "true");
    EXPECT_EQ(spec, expected) << key;
    set_option(spec, key, "false");
    EXPECT_EQ(spec, SyncSpec{}) << key;
  }
}

TEST(SetOption, TakesTexts) {
  struct Case {
    const char *key;
    std::string SyncSpec::*field;
    std::string value;
  };
  for (const auto &[key, field, value] :
       {Case{"lookback", &SyncSpec::lookback, "10 min"},
        {"lookback", &SyncSpec::lookback, "10000"},
        {"time_zone", &SyncSpec::time_zone, "Europe/Berlin"},
        {"soft_delete_column", &SyncSpec::soft_delete_column, "Deleted \"at\""}}) {
    SyncSpec expected;
    expected.*field = value;
    EXPECT_EQ(spec_with(key, value), expected) << key;
  }
}

// Whether `key` takes these words for `field`, and changes nothing else.
template <typename Word>
void expect_words(const std::string &key, Word SyncSpec::*field,
                  std::initializer_list<std::pair<const char *, Word>> words) {
  for (const auto &[name, word] : words) {
    SyncSpec expected;
    expected.*field = word;
    EXPECT_EQ(spec_with(key, name), expected) << key << " " << name;
  }
}

TEST(SetOption, TakesWords) {
  expect_words<IfRunning>(
      "if_running", &SyncSpec::if_running,
      {{"error", IfRunning::raise}, {"skip", IfRunning::skip}, {"wait", IfRunning::wait}});
  expect_words<SoftDelete>("soft_delete_action", &SyncSpec::soft_delete_action,
                           {{"delete", SoftDelete::remove}, {"mark", SoftDelete::mark}});
  expect_words<OnSchemaChange>(
      "on_schema_change", &SyncSpec::on_schema_change,
      {{"error", OnSchemaChange::raise}, {"add", OnSchemaChange::add}, {"ignore", OnSchemaChange::ignore}});
  expect_words<OnBadRow>("on_bad_row", &SyncSpec::on_bad_row,
                         {{"error", OnBadRow::raise}, {"reject", OnBadRow::reject}});
}

TEST(SetOption, TakesAFraction) {
  for (const auto &[text, value] : {std::pair{"0", 0.0}, {"0.25", 0.25}, {"1", 1.0}, {"1e-2", 0.01}})
    EXPECT_EQ(spec_with("max_delete_fraction", text).max_delete_fraction, value);
}

TEST(SetOption, TakesANumberOfDifferences) {
  for (const auto &[text, value] : {std::pair{"0", 0}, {"1000", 1000}, {"2147483647", 2147483647}})
    EXPECT_EQ(spec_with("max_differences", text).max_differences, value);
}

TEST(SetOption, TakesLimitsOfTheSource) {
  SyncSpec expected;
  EXPECT_FALSE(expected.source_limits.any());
  expected.source_limits.lag_ms = 1500;
  EXPECT_EQ(spec_with("max_source_lag", "1.5s"), expected);
  for (const auto &[text, value] : {std::pair{"0", 0}, {"50", 50}, {"2147483647", 2147483647}}) {
    expected.source_limits = {-1, value};
    EXPECT_EQ(spec_with("max_source_sessions", text), expected);
    EXPECT_TRUE(expected.source_limits.any());
  }
}

TEST(SetOption, TakesATimeout) {
  EXPECT_EQ(spec_with("max_rate", "10 MB").max_rate, (Rate{0, 10485760}));
  EXPECT_EQ(spec_with("retry_delay", "1.5s").retry_delay_ms, 1500);
  EXPECT_EQ(spec_with("timeout", "10 min").timeout_ms, 600'000);
  EXPECT_EQ(spec_with("timeout", "0").timeout_ms, 0);
  EXPECT_EQ(spec_with("timeout", "2147483647ms").timeout_ms, 2147483647);
}

TEST(SetOption, RefusesBadValuesAndSaysWhatIsValid) {
  constexpr char fraction[] = "Give a number from 0 to 1.";
  constexpr char boolean[] = "Give true or false.";
  struct Case {
    const char *key;
    std::vector<const char *> values;
    const char *hint;
  };
  for (const auto &[key, values, hint] :
       {Case{"adopt", {"yes", "1", "TRUE", "t", ""}, boolean},
        {"allow_empty", {"1", "on"}, boolean},
        {"empty_string_as_null", {"null", "", "True"}, boolean},
        {"max_delete_fraction", {"1.1", "-0.1", "0.5x", "nan", "", "inf", "50%", " 0.5"}, fraction},
        {"max_differences",
         {"-1", "", "2147483648", "1.5", "1e3", " 1", "many"},
         "Give a number of 0 or more."},
        {"if_running", {"abort", "", "Error", "raise"}, "Valid values are error, skip, wait."},
        {"soft_delete_action", {"remove", "", "DELETE"}, "Valid values are delete, mark."},
        {"on_schema_change", {"raise", "", "adds"}, "Valid values are error, add, ignore."},
        {"on_bad_row", {"skip", "", "Reject"}, "Valid values are error, reject."},
        {"timeout", {""}, "Give seconds, or a number with a unit: ms, s, min, h, d."},
        {"timeout", {"2147483648ms", "25d"}, "It must be at most 24 days."},
        {"max_rate", {""}, "Give rows or bytes per second, like \"5000 rows\" or \"10 MB\" (kB, MB, GB)."},
        {"max_source_lag", {""}, "Give seconds, or a number with a unit: ms, s, min, h, d."},
        {"max_source_lag", {"0", "0 min"}, "Give a time above 0."},
        {"max_source_lag", {"25d"}, "It must be at most 24 days."},
        {"max_source_sessions",
         {"-1", "", "2147483648", "1.5", "all", "5 sessions"},
         "Give a number of 0 or more."},
        {"retry_delay", {""}, "Give seconds, or a number with a unit: ms, s, min, h, d."},
        {"lookback", {""}, "Give a duration like \"10 min\", or a number of values for an integer field."},
        {"time_zone", {""}, "Give the name of a time zone, like \"Europe/Berlin\"."},
        {"soft_delete_column", {""}, "Give the name of a column of the source."}})
    for (const char *value : values) {
      SyncSpec spec;
      const Diagnostics said = error_of([&, k = key] { set_option(spec, k, value); });
      EXPECT_EQ(said.sqlstate, "22023") << key << " " << value;
      EXPECT_EQ(said.message, std::string("invalid value for option \"") + key + "\": \"" + value + "\"");
      EXPECT_EQ(said.hint, hint);
      EXPECT_EQ(spec, SyncSpec{}) << "a refused value leaves the spec alone";
    }
}

TEST(SetOption, RefusesDurationsThatAreNone) {
  for (const char *key : {"timeout", "lookback", "max_source_lag"})
    for (const char *value : {"soon", "-5", "5 parsecs", "10min '; DROP TABLE x"}) {
      SyncSpec spec;
      EXPECT_EQ(error_of([&] { set_option(spec, key, value); }).sqlstate, "22023") << key << " " << value;
    }
}

TEST(SetOption, RefusesNullForEveryKey) {
  for (const std::string &key : all_options) {
    SyncSpec spec;
    const Diagnostics said = error_of([&] { set_option(spec, key, std::nullopt); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, "invalid value for option \"" + key + "\": null");
    EXPECT_EQ(spec, SyncSpec{});
  }
}

TEST(SetOption, NamesTheNearestKeyForAMisspeltOne) {
  for (const auto &[key, meant] : {std::pair{"adpot", "adopt"},
                                   {"look_back", "lookback"},
                                   {"timezone", "time_zone"},
                                   {"on_shema_change", "on_schema_change"}}) {
    SyncSpec spec;
    const Diagnostics said = error_of([&, k = key] { set_option(spec, k, "true"); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("unrecognized option \"") + key + "\"");
    EXPECT_EQ(said.hint, std::string("Perhaps you meant the option \"") + meant + "\".");
  }
}

TEST(SetOption, ListsTheKeysWhereNoneIsNear) {
  SyncSpec spec;
  EXPECT_EQ(error_of([&] { set_option(spec, "zzzz", "1"); }).hint,
            "Valid options are " + join(all_options, ", ") + ".");
}

TEST(SetOption, DoesNotCallAKeyOfALaterVersionMisspelt) {
  for (const char *key : {"every"}) {
    SyncSpec spec;
    const Diagnostics said = error_of([&] { set_option(spec, key, "1"); });
    EXPECT_EQ(said.sqlstate, "0A000");
    EXPECT_EQ(said.message, std::string("option \"") + key + "\" is not supported in this version");
    EXPECT_EQ(said.hint, "This version has the options " + join(all_options, ", ") + ".");
  }
}

// ---- what is kept of a call

TEST(KeptSpec, ComesBackAsItWas) {
  SyncSpec kept = unusual_sync();
  kept.restart = kept.failed_chunks_only = false;
  EXPECT_EQ(from_kept(to_kept(unusual_sync())), kept) << "what goes on restarts nothing";
}

TEST(KeptSpec, HasWhatIsNotAsByDefault) {
  SyncSpec spec;
  spec.server = "shop";
  spec.source = "orders";
  spec.target = {"raw", "orders"};
  spec.mode = SyncMode::incremental;
  spec.chunk_mode = ChunkMode::always;
  spec.batch_size = 500;
  spec.timeout_ms = 90'000;
  EXPECT_EQ(to_kept(spec),
            R"({"server": "shop", "source": "orders", "target": ["raw", "orders"], )"
            R"("sync_mode": "incremental", "batch_size": 500, "chunk_mode": true, "command": "sync_table", )"
            R"("options": {"timeout": "90000 ms"}})");
}

TEST(KeptSpec, OfAnOlderVersionHasDefaultsForTheRest) {
  SyncSpec spec;
  spec.source = "orders";
  spec.adopt = true;
  EXPECT_EQ(from_kept(R"({"options": {"adopt": true}, "source": "orders", "command": "sync_table"})"), spec);
  spec.primary_key = {"id"};
  EXPECT_EQ(from_kept(R"({"options": {"adopt": true}, "source": "orders", "command": "sync_table", )"
                      R"("upsert_keys": ["id"]})"),
            spec)
      << "a key that has had another name";
}

TEST(KeptSpec, OfANewerVersionIsNotTaken) {
  const auto with = [](const std::string &more) {
    return R"({"command": "sync_table", "source": "orders")" + more + "}";
  };
  EXPECT_TRUE(from_kept(with("")).has_value());
  for (const char *more :
       {R"(, "row_filter": "tenant = 7")", R"(, "options": {"row_filter": "tenant = 7"})",
        R"(, "options": {"source": "items"})", R"(, "adopt": true)", R"(, "sync_mode": "stream")",
        R"(, "options": {"on_bad_row": "mend"})", R"(, "primary_key": "id")", R"(, "batch_size": "many")",
        R"(, "target": ["a", "b", "c"])", R"(, "wait": false)", R"(, "options": {"every": "1h"})"})
    EXPECT_FALSE(from_kept(with(more)).has_value()) << more;
}

TEST(KeptSpec, OfAnotherFunctionIsRefused) {
  for (const std::string &kept :
       {std::string(), std::string("sync 1\n"), std::string("\"\\\\x73796e63\""), to_kept(PivotSpec())})
    EXPECT_FALSE(from_kept(kept).has_value()) << kept;
}

TEST(Definition, TellsWhatChanged) {
  SyncSpec spec;
  spec.server = "shop";
  const QualifiedName source{"public", "orders"};
  const std::string then = definition_of(spec, source);
  EXPECT_EQ(definition_of(spec, source), then);
  spec.custom_where = "id > 7";
  EXPECT_EQ(first_change(then, definition_of(spec, source)),
            "This call has custom_where: 'id > 7'; the earlier call did not.");
  EXPECT_EQ(first_change(definition_of(spec, source), then),
            "The earlier call had custom_where: 'id > 7'; this call does not.");
}

TEST(Definition, LeavesOutWhatChangesNoRow) {
  SyncSpec spec;
  const std::string then = definition_of(spec, {"public", "orders"});
  spec.batch_size = 7;
  spec.timeout_ms = 7;
  spec.delete_missing = false;
  spec.chunk_mode = ChunkMode::always;
  EXPECT_EQ(definition_of(spec, {"public", "orders"}), then);
}

}  // namespace
}  // namespace tablesync
