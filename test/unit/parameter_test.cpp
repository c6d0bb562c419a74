#include "core/spec/parameter.h"

#include <gtest/gtest.h>

#include <regex>

#include "support/error_of.h"
#include "support/source_file.h"
#include "support/unusual_spec.h"

namespace tablesync {
namespace {

// ---- the SQL functions are those of the table -------------------------------------------------------------

struct SqlArgument {
  std::string name, type, default_value;  // "" where there is none
};

// The arguments of a function or procedure of the installation script, without what it returns.
std::vector<SqlArgument> sql_arguments(const std::string &function) {
  static const std::string script = read_source("pg_tablesync--1.0.sql");
  std::smatch found;
  const std::regex head("CREATE (?:FUNCTION|PROCEDURE) @extschema@\\." + function +
                        "\\(([^;]*?),\\s*(?:IN)?OUT ");
  if (!std::regex_search(script, found, head)) {
    ADD_FAILURE() << function;
    return {};
  }
  std::vector<SqlArgument> arguments;
  const std::string list = found[1];
  const std::regex one("(\\w+) pg_catalog\\.(\\w+(?:\\[\\])?)(?: DEFAULT ('[^']*'|\\w+))?(?:,\\s*|$)");
  for (std::sregex_iterator match(list.begin(), list.end(), one), end; match != end; ++match)
    arguments.push_back({(*match)[1], (*match)[2], (*match)[3]});
  return arguments;
}

const char *sql_type(ParameterType type) {
  switch (type) {
    case ParameterType::name:
      return "name";
    case ParameterType::texts:
      return "text[]";
    case ParameterType::integer:
      return "int4";
    case ParameterType::boolean:
      return "bool";
    case ParameterType::jsonb:
      return "jsonb";
    case ParameterType::interval:
      return "interval";
    case ParameterType::timestamptz:
      return "timestamptz";
    default:
      return "text";
  }
}

constexpr std::pair<const char *, unsigned> sql_functions[] = {
    {"sync_table", functions::sync_table}, {"run_sync", functions::sync_table},
    {"sync_plan", functions::sync_table},  {"verify_table", functions::verify_table},
    {"pivot_ship", functions::pivot_ship}, {"verify_pivot", functions::verify_pivot}};

TEST(Parameters, AreTheArgumentsOfTheSqlFunctionsInTheirOrder) {
  for (const auto &[name, function] : sql_functions) {
    const std::vector<SqlArgument> sql = sql_arguments(name);
    const std::vector<const Parameter *> table = arguments_of(function);
    ASSERT_EQ(sql.size(), table.size()) << name;
    for (size_t n = 0; n < sql.size(); ++n) {
      EXPECT_EQ(sql[n].name, table[n]->name) << name << " " << n;
      EXPECT_EQ(sql[n].type, sql_type(table[n]->type)) << name << " " << table[n]->name;
      EXPECT_EQ(argument_number(function, table[n]->name), static_cast<int>(n));
    }
  }
}

TEST(Parameters, HaveTheDefaultsOfTheSqlFunctions) {
  const auto plain = [](std::string text, const std::string &without) {
    std::erase_if(text, [&](char c) { return without.find(c) != std::string::npos; });
    return text;
  };
  for (const auto &[name, function] : sql_functions) {
    const std::vector<SqlArgument> sql = sql_arguments(name);
    for (size_t n = 0; n < sql.size(); ++n)
      if (!sql[n].default_value.empty() && sql[n].default_value != "NULL") {
        EXPECT_EQ(plain(arguments_of(function)[n]->default_value, "`,"), plain(sql[n].default_value, "'"))
            << name << " " << sql[n].name;
      }
  }
}

TEST(Parameters, OfANameAreOnePerFunction) {
  for (const Parameter &one : parameters())
    for (const Parameter &other : parameters())
      if (&one != &other && one.name == std::string_view(other.name) && one.place == other.place) {
        EXPECT_EQ(one.functions & other.functions, 0u) << one.name;
      }
}

TEST(Parameters, AreCompleteEntries) {
  for (const Parameter &parameter : parameters()) {
    if (parameter.place == ParameterPlace::inner) {
      EXPECT_NE(parameter.field.get, nullptr) << parameter.name;
    } else if (!parameter.later) {
      EXPECT_NE(parameter.meaning, nullptr) << parameter.name;
    }
    if (parameter.field.get != nullptr) {
      EXPECT_NE(parameter.field.set, nullptr) << parameter.name;
    }
    if (parameter.type == ParameterType::word) {
      EXPECT_FALSE(parameter.words.empty()) << parameter.name;
    }
    EXPECT_EQ(parameter.required_by & ~parameter.functions, 0u) << parameter.name;
  }
}

// ---- values -----------------------------------------------------------------------------------------------

const Parameter &argument(unsigned function, std::string_view name) {
  return *arguments_of(function).at(static_cast<size_t>(argument_number(function, name)));
}

TEST(SetArgument, TakesEveryWordThatItWrites) {
  for (const Parameter &parameter : parameters()) {
    if (parameter.words.empty() || parameter.field.get == nullptr) continue;
    for (const Word &word : parameter.words) {
      SyncSpec sync;
      PivotSpec pivot;
      RunSpec &spec = (parameter.functions & functions::syncs) != 0 ? static_cast<RunSpec &>(sync) : pivot;
      parameter.field.set(parameter, spec, word.name);
      EXPECT_EQ(parameter.field.get(parameter, spec).text, word.name) << parameter.name;
    }
  }
}

TEST(SetArgument, LeavesTheDefaultWhereItIsNull) {
  for (const auto &[name, function] : sql_functions)
    for (const Parameter *const parameter : arguments_of(function)) {
      SyncSpec sync;
      PivotSpec pivot;
      RunSpec &spec = (function & functions::syncs) != 0 ? static_cast<RunSpec &>(sync) : pivot;
      if ((parameter->required_by & function) == 0) {
        set_argument(spec, function, *parameter, std::nullopt);
      } else {
        const Diagnostics raised = error_of([&] { set_argument(spec, function, *parameter, std::nullopt); });
        EXPECT_EQ(raised.sqlstate, "22004");
        EXPECT_TRUE(raised.message.ends_with(" must not be null"));
      }
      EXPECT_EQ(sync, SyncSpec());
      EXPECT_EQ(pivot, PivotSpec());
    }
}

TEST(SetArgument, KeepsBounds) {
  const Parameter &workers = argument(functions::sync_table, "parallel_workers");
  SyncSpec spec;
  for (const char *good : {"1", "64"}) set_argument(spec, functions::sync_table, workers, Json::number(good));
  EXPECT_EQ(spec.parallel_workers, 64);
  for (const char *bad : {"0", "65", "-2147483648"}) {
    const Diagnostics raised =
        error_of([&] { set_argument(spec, functions::sync_table, workers, Json::number(bad)); });
    EXPECT_EQ(raised.sqlstate, "22023");
    EXPECT_EQ(raised.message, "\"parallel_workers\" must be between 1 and 64");
    EXPECT_EQ(raised.detail, std::string("It is ") + bad + ".");
  }
  EXPECT_EQ(spec.parallel_workers, 64);
}

TEST(SetArgument, RefusesWhatIsOfALaterVersion) {
  SyncSpec spec;
  const Parameter &server = argument(functions::sync_table, "target_server");
  EXPECT_EQ(error_of([&] { set_argument(spec, functions::sync_table, server, "other"); }).sqlstate, "0A000");
}

TEST(SetArgument, TakesANameThatIsToBeResolved) {
  SyncSpec spec;
  set_argument(spec, functions::sync_table, argument(functions::sync_table, "target"), "raw.orders");
  EXPECT_EQ(spec.target, (QualifiedName{"", "raw.orders"}));
}

TEST(SetArgument, RefusesBlankSql) {
  SyncSpec spec;
  const Parameter &where = argument(functions::verify_table, "custom_where");
  for (const char *blank : {"", " \t\n;"})
    EXPECT_EQ(error_of([&] { set_argument(spec, functions::verify_table, where, blank); }).sqlstate, "42601");
  EXPECT_EQ(spec, SyncSpec());
}

TEST(SetArgument, TakesShipsOnce) {
  const Parameter &ship = argument(functions::pivot_ship, "ship_id");
  const Parameter &ships = argument(functions::pivot_ship, "ship_ids");
  PivotSpec spec;
  EXPECT_EQ(error_of([&] { set_argument(spec, functions::pivot_ship, ships, Json::array()); }).message,
            "\"ship_ids\" is empty");
  set_argument(spec, functions::pivot_ship, ship, "HS4");
  EXPECT_EQ(spec.ships, std::vector<std::string>{"HS4"});
  Json two = Json::array();
  two.append("HS5");
  two.append("HS6");
  EXPECT_EQ(error_of([&] { set_argument(spec, functions::pivot_ship, ships, two); }).message,
            "ship_id and ship_ids cannot both be given");
}

TEST(SetOption, NamesWhatHadAnotherNameInTheOlderEngines) {
  SyncSpec spec;
  EXPECT_EQ(error_of([&] { set_option(spec, "migration_timeout", "3600"); }).hint,
            "Perhaps you meant the option \"timeout\".");
  EXPECT_EQ(error_of([&] { set_option(spec, "upsert_keys", "id"); }).hint,
            "Perhaps you meant the argument \"primary_key\".");
  EXPECT_EQ(spec, SyncSpec());
}

}  // namespace
}  // namespace tablesync
