#include "core/spec/connection_option.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/error_of.h"

namespace tablesync {
namespace {

constexpr auto on_server = OptionPlace::server;
constexpr auto on_mapping = OptionPlace::user_mapping;

// A server and a mapping that a plain role may connect with.
ConnectionSource shop() {
  ConnectionSource source;
  source.server_name = "shop";
  source.wrapper_name = "tablesync";
  source.role_name = "Analyst";
  source.mapping_found = true;
  source.server_options = {{"host", "db.example.com"}, {"dbname", "shop"}};
  source.mapping_options = {{"user", "reader"}, {"password", "secret"}};
  return source;
}

const ConnectionOption *find(const std::vector<ConnectionOption> &options, const std::string &name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const auto &o) { return o.name == name; });
  return found == options.end() ? nullptr : &*found;
}

TEST(CheckOption, AcceptsWhatEachPlaceMayCarry) {
  for (const char *name : {"host", "hostaddr", "port", "dbname", "application_name", "sslmode", "sslrootcert",
                           "channel_binding", "require_auth", "target_session_attrs"})
    EXPECT_NO_THROW(check_option({name, "x"}, on_server, false)) << name;
  for (const char *name : {"user", "password"})
    EXPECT_NO_THROW(check_option({name, "x"}, on_mapping, false)) << name;
}

TEST(CheckOption, RefusesWhatReadsFilesOrTheEnvironmentOfTheServer) {
  for (const char *name : {"service", "passfile", "options", "replication", "fallback_application_name",
                           "krbsrvname", "requirepeer", "sslcrldir"})
    for (const OptionPlace place : {on_server, on_mapping})
      EXPECT_EQ(error_of([&] { check_option({name, "x"}, place, true); }).sqlstate, "HV00D") << name;
}

TEST(CheckOption, NamesTheNearestOptionForAMisspeltOne) {
  const Diagnostics said = error_of([] { check_option({"hots", "x"}, on_server, false); });
  EXPECT_EQ(said.message, "invalid option \"hots\" for a server of tablesync");
  EXPECT_EQ(said.hint, "Perhaps you meant the option \"host\".");
}

TEST(CheckOption, SaysWhereAnOptionBelongs) {
  EXPECT_EQ(error_of([] {
              check_option({"password", "x"}, on_server, true);
            }).hint,
            "Set it on the user mapping.");
  EXPECT_EQ(error_of([] { check_option({"host", "x"}, on_mapping, true); }).hint, "Set it on the server.");
}

TEST(CheckOption, ListsTheValidOptionsWhereNoneIsNear) {
  EXPECT_EQ(
      error_of([] {
        check_option({"x", "x"}, on_mapping, true);
      }).hint,
      "Valid options of a user mapping are user, password, password_required, sslcert, sslkey, sslpassword.");
}

TEST(CheckOption, LetsOnlyASuperuserNameFilesOfTheServer) {
  for (const char *name : {"sslcert", "sslkey", "sslpassword"}) {
    EXPECT_NO_THROW(check_option({name, "x"}, on_mapping, true));
    const Diagnostics said = error_of([&] { check_option({name, "x"}, on_mapping, false); });
    EXPECT_EQ(said.sqlstate, "42501");
    EXPECT_EQ(said.hint, "Only a superuser may set it on a user mapping.");
  }
}

TEST(CheckOption, LetsOnlyASuperuserWaiveThePassword) {
  EXPECT_EQ(error_of([] {
              check_option({"password_required", "false"}, on_mapping, false);
            }).sqlstate,
            "42501");
  EXPECT_EQ(error_of([] {
              check_option({"password_required", "perhaps"}, on_mapping, false);
            }).sqlstate,
            "42501");
  EXPECT_NO_THROW(check_option({"password_required", "true"}, on_mapping, false));
  EXPECT_NO_THROW(check_option({"password_required", "false"}, on_mapping, true));
}

TEST(CheckOption, ReadsBooleansAsTheServerDoes) {
  for (const char *value : {"true", "on", "yes", "1", "false", "off", "no", "0"})
    EXPECT_NO_THROW(check_option({"password_required", value}, on_mapping, true)) << value;
  const Diagnostics said = error_of([] { check_option({"password_required", "perhaps"}, on_mapping, true); });
  EXPECT_EQ(said.sqlstate, "22023");
  EXPECT_EQ(said.hint, "Give true or false.");
}

TEST(CheckOption, TakesWholeNumbersWhereLibpqDoes) {
  for (const char *name : {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval",
                           "keepalives_count", "tcp_user_timeout"}) {
    EXPECT_NO_THROW(check_option({name, "30"}, on_server, false));
    for (const char *value : {"", "-1", "1.5", "10s", " 5", "0x10", "9999999999"}) {
      const Diagnostics said = error_of([&] { check_option({name, value}, on_server, false); });
      EXPECT_EQ(said.sqlstate, "22023");
      EXPECT_EQ(said.message, std::string("invalid value for option \"") + name + "\": \"" + value + "\"");
    }
  }
}

TEST(ConnectionOptions, SayWhereEachValueComesFrom) {
  const auto options = connection_options(shop());
  EXPECT_EQ(find(options, "host")->value, "db.example.com");
  EXPECT_EQ(find(options, "host")->origin, "server");
  EXPECT_EQ(find(options, "user")->value, "reader");
  EXPECT_EQ(find(options, "user")->origin, "user mapping");
  EXPECT_EQ(find(options, "port")->value, "5432");
  EXPECT_EQ(find(options, "port")->origin, "default");
}

TEST(ConnectionOptions, FindADeadPeerWithinAMinuteByDefault) {
  const auto options = connection_options(shop());
  EXPECT_EQ(option_value(options, "connect_timeout", ""), "10");
  EXPECT_EQ(option_value(options, "keepalives", ""), "1");
  EXPECT_EQ(option_value(options, "keepalives_idle", ""), "30");
  EXPECT_EQ(option_value(options, "keepalives_interval", ""), "10");
  EXPECT_EQ(option_value(options, "keepalives_count", ""), "3");
  EXPECT_EQ(option_value(options, "tcp_user_timeout", ""), "60000");
}

TEST(ConnectionOptions, UseNoCredentialsOfTheOperatingSystemUserByDefault) {
  EXPECT_EQ(option_value(connection_options(shop()), "gssencmode", ""), "disable");
}

TEST(ConnectionOptions, PreferWhatTheServerSaysToTheDefault) {
  ConnectionSource source = shop();
  source.server_options.push_back({"connect_timeout", "3"});
  const auto options = connection_options(source);
  EXPECT_EQ(option_value(options, "connect_timeout", ""), "3");
  EXPECT_EQ(std::count_if(options.begin(), options.end(),
                          [](const auto &o) { return o.name == "connect_timeout"; }),
            1);
}

TEST(ConnectionOptions, MarkPasswordsAsSecret) {
  ConnectionSource source = shop();
  source.mapping_options.push_back({"sslpassword", "too"});
  for (const ConnectionOption &option : connection_options(source))
    EXPECT_EQ(option.secret, option.name == "password" || option.name == "sslpassword") << option.name;
}

TEST(ConnectionOptions, TakeTheLocalRoleWhereTheMappingNamesNoUser) {
  ConnectionSource source = shop();
  source.mapping_options = {{"password", "secret"}};
  const auto options = connection_options(source);
  EXPECT_EQ(find(options, "user")->value, "Analyst");
  EXPECT_EQ(find(options, "user")->origin, "default");
}

TEST(ConnectionOptions, TakeTheUserForTheDatabaseAsLibpqDoes) {
  ConnectionSource source = shop();
  source.server_options = {{"host", "db.example.com"}};
  EXPECT_EQ(find(connection_options(source), "dbname")->value, "reader");
}

TEST(ConnectionOptions, NeedAUserMapping) {
  ConnectionSource source = shop();
  source.mapping_found = false;
  const Diagnostics said = error_of([&] { connection_options(source); });
  EXPECT_EQ(said.sqlstate, "42704");
  EXPECT_EQ(said.message, "user mapping not found for user \"Analyst\", server \"shop\"");
  EXPECT_EQ(
      said.hint,
      "Create it with CREATE USER MAPPING FOR \"Analyst\" SERVER shop OPTIONS (user '...', password '...').");
}

TEST(ConnectionOptions, NeedAPasswordFromAPlainRole) {
  ConnectionSource source = shop();
  for (const auto &mapping : {std::vector<NamedOption>{{"user", "reader"}},
                              std::vector<NamedOption>{{"user", "reader"}, {"password", ""}},
                              std::vector<NamedOption>{{"user", "reader"}, {"password_required", "true"}}}) {
    source.mapping_options = mapping;
    const Diagnostics said = error_of([&] { connection_options(source); });
    EXPECT_EQ(said.sqlstate, "2F003");
    EXPECT_EQ(said.hint,
              "Set one: ALTER USER MAPPING FOR \"Analyst\" SERVER shop OPTIONS (ADD password '...').");
  }
}

TEST(ConnectionOptions, NeedNoPasswordFromASuperuser) {
  ConnectionSource source = shop();
  source.role_is_superuser = true;
  source.mapping_options.clear();
  EXPECT_NO_THROW(connection_options(source));
  EXPECT_FALSE(password_must_be_used(source));
}

TEST(ConnectionOptions, NeedNoPasswordWhereASuperuserWaivedIt) {
  ConnectionSource source = shop();
  source.mapping_options = {{"password_required", "false"}};
  const auto options = connection_options(source);
  EXPECT_FALSE(password_must_be_used(source));
  EXPECT_EQ(find(options, "password_required"), nullptr) << "libpq does not know it";
}

TEST(ConnectionOptions, NeedAPasswordWhereTheWaiverCannotBeRead) {
  ConnectionSource source = shop();
  source.mapping_options.push_back({"password_required", "perhaps"});
  EXPECT_TRUE(password_must_be_used(source));
}

TEST(ConnectionOptions, SkipWhatOtherWrappersSayOfOtherThings) {
  ConnectionSource source = shop();
  source.wrapper_name = "postgres_fdw";
  for (const char *name : {"use_remote_estimate", "fetch_size", "extensions", "updatable", "async_capable"})
    source.server_options.push_back({name, "x"});
  for (const ConnectionOption &option : connection_options(source))
    EXPECT_NE(option.value, "x") << option.name;
}

TEST(ConnectionOptions, RefuseWhatOtherWrappersAllowAndWeDoNot) {
  for (const char *name : {"service", "options", "passfile", "user", "password"}) {
    ConnectionSource source = shop();
    source.wrapper_name = "dblink_fdw";
    source.server_options.push_back({name, "x"});
    EXPECT_EQ(error_of([&] { connection_options(source); }).sqlstate, "HV00D") << name;
  }
  ConnectionSource source = shop();
  source.mapping_options.push_back({"host", "elsewhere.example.com"});
  EXPECT_EQ(error_of([&] { connection_options(source); }).sqlstate, "HV00D");
}

TEST(OptionValue, FallsBackWhereTheOptionIsAbsent) {
  const std::vector<ConnectionOption> options = {{"host", "", "server", false}};
  EXPECT_EQ(option_value(options, "port", "5432"), "5432");
  EXPECT_EQ(option_value(options, "host", "x"), "") << "an empty value is a value";
}

TEST(RequirePasswordExchange, KeepsThePasswordFromBeingShown) {
  std::vector<ConnectionOption> options = {{"host", "x", "server", false}};
  require_password_exchange(options, 160000);
  EXPECT_EQ(option_value(options, "require_auth", ""), "scram-sha-256,md5");
}

TEST(RequirePasswordExchange, LeavesWhatTheOptionsSay) {
  std::vector<ConnectionOption> options = {{"require_auth", "password", "server", false}};
  require_password_exchange(options, 170002);
  ASSERT_EQ(options.size(), 1U);
  EXPECT_EQ(options[0].value, "password");
}

TEST(RequirePasswordExchange, AsksNothingOfALibpqThatDoesNotKnowIt) {
  std::vector<ConnectionOption> options;
  require_password_exchange(options, 150020);
  EXPECT_TRUE(options.empty());
}

}  // namespace
}  // namespace tablesync
