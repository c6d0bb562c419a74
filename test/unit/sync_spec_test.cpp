#include "core/sync_spec.h"

#include <gtest/gtest.h>

#include "support/error_of.h"

namespace tablesync {
namespace {

// A spec in which nothing is what it is by default. The binding names every field: a new one does not compile
// until it is here, and so in the round trip.
SyncSpec unusual_spec() {
  SyncSpec spec;
  auto &[server, source, target, primary_key, delete_missing, verify, memory_limit_mb, max_delete_fraction,
         allow_empty, adopt, if_running, timeout_ms, settings] = spec;
  server = "Shop";
  source = "public.\"Users\"";
  target = {"raw", std::string("zero\0byte", 9)};
  primary_key = {"id", "", "naïve\n"};
  delete_missing = false;
  verify = VerifyMode::none;
  memory_limit_mb = 2147483647;
  max_delete_fraction = 0.1;
  allow_empty = true;
  adopt = true;
  if_running = IfRunning::wait;
  timeout_ms = 9'000'000'000;
  settings = {{"search_path", "\"$user\", public"}, {"timezone", ""}};
  return spec;
}

TEST(SyncSpec, SurvivesTheWayThroughSharedMemory) {
  EXPECT_EQ(deserialize_sync_spec(serialize(unusual_spec())), unusual_spec());
  EXPECT_EQ(deserialize_sync_spec(serialize(SyncSpec{})), SyncSpec{});
}

TEST(SyncSpec, TakesNoSwitchForAnother) {
  for (bool SyncSpec::*const field : {&SyncSpec::delete_missing, &SyncSpec::allow_empty, &SyncSpec::adopt}) {
    SyncSpec spec;
    spec.*field = !(spec.*field);
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)), spec);
  }
}

TEST(SyncSpec, CarriesEachWordOfIfRunningAndVerify) {
  SyncSpec spec;
  for (const IfRunning word : {IfRunning::raise, IfRunning::skip, IfRunning::wait}) {
    spec.if_running = word;
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)).if_running, word);
  }
  for (const VerifyMode word : {VerifyMode::none, VerifyMode::count}) {
    spec.verify = word;
    EXPECT_EQ(deserialize_sync_spec(serialize(spec)).verify, word);
  }
}

TEST(SyncSpec, IsRefusedWhereBytesAreMissing) {
  const std::string bytes = serialize(unusual_spec());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(error_of([&] { deserialize_sync_spec(std::string_view(bytes).substr(0, size)); }).sqlstate,
              "XX000");
}

TEST(SyncSpec, IsRefusedWhereALengthIsForged) {
  std::string bytes = serialize(SyncSpec{});
  bytes.replace(0, 8, 8, '\xff');
  EXPECT_EQ(error_of([&] { deserialize_sync_spec(bytes); }).sqlstate, "XX000");
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

TEST(ParseSyncMode, KnowsTheOldNames) {
  for (const char *name : {"full", "full_sync"}) EXPECT_EQ(parse_sync_mode(name), "full");
  for (const char *name : {"incremental", "incremental_sync"})
    EXPECT_EQ(parse_sync_mode(name), "incremental");
  for (const char *name : {"xmin", "xmin_incremental"}) EXPECT_EQ(parse_sync_mode(name), "xmin");
}

TEST(ParseSyncMode, ListsTheValidWordsForAnUnknownOne) {
  for (const char *name : {"", "Full", "fulll"}) {
    const Diagnostics said = error_of([&] { parse_sync_mode(name); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("unrecognized sync_mode \"") + name + "\"");
    EXPECT_EQ(said.hint,
              "Valid: full, incremental, xmin (full_sync, incremental_sync and xmin_incremental too).");
  }
}

TEST(ParseVerify, KnowsItsWords) {
  EXPECT_EQ(parse_verify("none"), VerifyMode::none);
  EXPECT_EQ(parse_verify("count"), VerifyMode::count);
}

TEST(ParseVerify, TellsAMissingFeatureFromAnUnknownWord) {
  EXPECT_EQ(error_of([] { parse_verify("full"); }).sqlstate, "0A000");
  EXPECT_EQ(error_of([] { parse_verify("counts"); }).sqlstate, "22023");
}

TEST(ParseDuration, ReadsSecondsAndNumbersWithAUnit) {
  EXPECT_EQ(parse_duration_ms("90"), 90'000);
  EXPECT_EQ(parse_duration_ms("90s"), 90'000);
  EXPECT_EQ(parse_duration_ms("250ms"), 250);
  EXPECT_EQ(parse_duration_ms("5min"), 300'000);
  EXPECT_EQ(parse_duration_ms("2h"), 7'200'000);
  EXPECT_EQ(parse_duration_ms("1.5"), 1'500);
  EXPECT_EQ(parse_duration_ms("0.5h"), 1'800'000);
}

TEST(ParseDuration, ReadsZeroAsNone) { EXPECT_EQ(parse_duration_ms("0"), 0); }

TEST(ParseDuration, TurnsNoShortTimeIntoNone) { EXPECT_EQ(parse_duration_ms("0.1ms"), 1); }

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char *text :
       {"", "s", "-1", "-0.1s", "5 min", " 5", "5m", "5d", "5S", "1e999", "nan", "inf", "1,5", "0x10"})
    EXPECT_EQ(error_of([&] { parse_duration_ms(text); }).sqlstate, "22023") << text;
}

TEST(ParseDuration, RefusesMoreThanATimerCanHold) {
  EXPECT_EQ(parse_duration_ms("2147483647ms"), 2147483647);
  EXPECT_EQ(error_of([] { parse_duration_ms("2147483648ms"); }).sqlstate, "22023");
  EXPECT_EQ(error_of([] { parse_duration_ms("597h"); }).hint,
            "Give seconds, or a number with a unit: ms, s, min, h. At most 24 days.");
}

TEST(SetOption, TakesBooleans) {
  SyncSpec spec;
  set_option(spec, "adopt", "true");
  set_option(spec, "allow_empty", "true");
  EXPECT_TRUE(spec.adopt);
  EXPECT_TRUE(spec.allow_empty);
  set_option(spec, "adopt", "false");
  set_option(spec, "allow_empty", "false");
  EXPECT_FALSE(spec.adopt);
  EXPECT_FALSE(spec.allow_empty);
}

TEST(SetOption, TakesAFraction) {
  SyncSpec spec;
  for (const auto &[text, value] : {std::pair{"0", 0.0}, {"0.25", 0.25}, {"1", 1.0}, {"1e-2", 0.01}}) {
    set_option(spec, "max_delete_fraction", text);
    EXPECT_EQ(spec.max_delete_fraction, value);
  }
}

TEST(SetOption, TakesATimeout) {
  SyncSpec spec;
  set_option(spec, "timeout", "10min");
  EXPECT_EQ(spec.timeout_ms, 600'000);
}

TEST(SetOption, TakesWhatToDoWhileAnotherRunIsGoingOn) {
  SyncSpec spec;
  set_option(spec, "if_running", "skip");
  EXPECT_EQ(spec.if_running, IfRunning::skip);
  set_option(spec, "if_running", "wait");
  EXPECT_EQ(spec.if_running, IfRunning::wait);
  set_option(spec, "if_running", "error");
  EXPECT_EQ(spec.if_running, IfRunning::raise);
}

TEST(SetOption, RefusesBadValuesAndSaysWhatIsValid) {
  struct Case {
    const char *key, *value, *hint;
  };
  for (const Case &c : {Case{"adopt", "yes", "Give true or false."},
                        {"allow_empty", "1", "Give true or false."},
                        {"max_delete_fraction", "1.1", "Give a number from 0 to 1."},
                        {"max_delete_fraction", "-0.1", "Give a number from 0 to 1."},
                        {"max_delete_fraction", "0.5x", "Give a number from 0 to 1."},
                        {"max_delete_fraction", "nan", "Give a number from 0 to 1."},
                        {"max_delete_fraction", "", "Give a number from 0 to 1."},
                        {"if_running", "abort", "Valid: error, skip, wait."}}) {
    SyncSpec spec;
    const Diagnostics said = error_of([&] { set_option(spec, c.key, c.value); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("invalid value for option \"") + c.key + "\": \"" + c.value + "\"");
    EXPECT_EQ(said.hint, c.hint);
    EXPECT_EQ(spec, SyncSpec{}) << "a refused value leaves the spec alone";
  }
}

TEST(SetOption, RefusesNullForEveryKey) {
  for (const char *key : {"adopt", "allow_empty", "max_delete_fraction", "timeout", "if_running"}) {
    SyncSpec spec;
    const Diagnostics said = error_of([&] { set_option(spec, key, std::nullopt); });
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("invalid value for option \"") + key + "\": null");
  }
}

TEST(SetOption, NamesTheNearestKeyForAMisspeltOne) {
  SyncSpec spec;
  const Diagnostics said = error_of([&] { set_option(spec, "adpot", "true"); });
  EXPECT_EQ(said.sqlstate, "22023");
  EXPECT_EQ(said.message, "unrecognized option \"adpot\"");
  EXPECT_EQ(said.hint, "Perhaps you meant the option \"adopt\".");
}

TEST(SetOption, ListsTheKeysWhereNoneIsNear) {
  SyncSpec spec;
  EXPECT_EQ(error_of([&] { set_option(spec, "zzzz", "1"); }).hint,
            "Valid options: adopt, allow_empty, if_running, max_delete_fraction, timeout.");
}

TEST(SetOption, DoesNotCallAKeyOfALaterVersionMisspelt) {
  for (const char *key : {"lookback", "soft_delete_column", "on_bad_row", "max_rate", "every"}) {
    SyncSpec spec;
    const Diagnostics said = error_of([&] { set_option(spec, key, "1"); });
    EXPECT_EQ(said.sqlstate, "0A000");
    EXPECT_EQ(said.message, std::string("option \"") + key + "\" is not in this version");
  }
}

}  // namespace
}  // namespace tablesync
