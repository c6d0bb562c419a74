#include "core/range/incremental_field.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tables.h"

namespace tablesync {
namespace {

constexpr FieldKind all_kinds[] = {FieldKind::timestamp,     FieldKind::timestamptz,      FieldKind::date,
                                   FieldKind::yyyymmdd_text, FieldKind::yyyymmdd_integer, FieldKind::integer};

Table orders(Column field) {
  field.name = "at";
  return table({"public", "Orders"}, {not_null(column("id", "int8")), std::move(field)});
}

IncrementalField find(const Column &field, const std::string &declared) {
  return find_incremental_field(orders(field), "at", declared);
}

IncrementalField find(const std::string &type, const std::string &declared) {
  return find(column("at", type), declared);
}

Diagnostics refusal(const Column &field, const std::string &declared) {
  return error_of([&] { find(field, declared); });
}

// ---- finding it -------------------------------------------------------------------------------------------

TEST(FindIncrementalField, TakesItsKindFromTheColumn) {
  EXPECT_EQ(find("timestamp", "").kind, FieldKind::timestamp);
  EXPECT_EQ(find("timestamptz", "").kind, FieldKind::timestamptz);
  EXPECT_EQ(find("date", "").kind, FieldKind::date);
  for (const char *type : {"int2", "int4", "int8"}) EXPECT_EQ(find(type, "").kind, FieldKind::integer);
}

TEST(FindIncrementalField, TakesTheKindThatIsDeclared) {
  for (const char *declared : {"timestamp", "datetime"}) {
    EXPECT_EQ(find("timestamp", declared).kind, FieldKind::timestamp);
    EXPECT_EQ(find("timestamptz", declared).kind, FieldKind::timestamptz);
  }
  EXPECT_EQ(find("date", "date").kind, FieldKind::date);
  for (const char *type : {"text", "varchar", "bpchar"})
    EXPECT_EQ(find(type, "yyyymmdd").kind, FieldKind::yyyymmdd_text);
  for (const char *type : {"int4", "int8"})
    EXPECT_EQ(find(type, "yyyymmdd").kind, FieldKind::yyyymmdd_integer);
  for (const char *type : {"int2", "int4", "int8"}) EXPECT_EQ(find(type, "integer").kind, FieldKind::integer);
}

TEST(FindIncrementalField, KnowsItsNameItsTypeAndWhetherItCanBeNull) {
  const IncrementalField nullable = find(column("at", "timestamp", 3), "");
  EXPECT_EQ(nullable.name, "at");
  EXPECT_EQ(nullable.column_type, "timestamp");
  EXPECT_TRUE(nullable.nullable);
  EXPECT_FALSE(find(not_null(column("at", "date")), "").nullable);
}

TEST(FindIncrementalField, RefusesAColumnThatTheSourceHasNot) {
  const Diagnostics said =
      error_of([] { find_incremental_field(orders(column("at", "date")), "updated", ""); });
  EXPECT_EQ(said.sqlstate, "42703");
  EXPECT_EQ(said.message,
            "incremental_field \"updated\" is not a column of \"public.\"Orders\"\" on the source");
  EXPECT_EQ(said.hint, "");
}

TEST(FindIncrementalField, NamesTheNearestColumnForAMisspeltOne) {
  for (const char *name : {"At", "att", ""}) {
    const Diagnostics said =
        error_of([&] { find_incremental_field(orders(column("at", "date")), name, ""); });
    EXPECT_EQ(said.sqlstate, "42703");
    EXPECT_EQ(said.hint, *name == '\0' ? "" : "Perhaps you meant the column \"at\".");
  }
}

TEST(FindIncrementalField, RefusesTypesThatHaveNoOrder) {
  for (const char *type :
       {"json", "xml", "xid", "cid", "point", "box", "path", "polygon", "line", "lseg", "circle"})
    for (const char *declared : {"", "timestamp", "yyyymmdd", "nonsense"}) {
      const Diagnostics said = refusal(column("at", type), declared);
      EXPECT_EQ(said.sqlstate, "42883") << type;
      EXPECT_EQ(said.message, "column \"at\" cannot be used as incremental_field");
      EXPECT_EQ(said.detail, std::string("Type ") + type + " has no ordering operator.");
    }
}

TEST(FindIncrementalField, RefusesTypesThatAreNoMomentAndNoInteger) {
  for (const char *type : {"numeric", "float8", "uuid", "bool", "time", "interval", "jsonb", "bytea"}) {
    const Diagnostics said = refusal(column("at", type), "");
    EXPECT_EQ(said.sqlstate, "42804") << type;
    EXPECT_EQ(said.message,
              std::string("column \"at\" of type ") + type + " cannot be used as incremental_field");
    EXPECT_EQ(
        said.hint,
        "Give a column of type timestamp, timestamptz, date or an integer, or cast it in custom_select.");
  }
}

TEST(FindIncrementalField, AsksForADeclarationOfText) {
  for (const char *type : {"text", "varchar", "bpchar"}) {
    const Diagnostics said = refusal(column("at", type), "");
    EXPECT_EQ(said.sqlstate, "42804");
    EXPECT_EQ(said.hint, "If it holds days like 20240131, pass incremental_field_type => 'yyyymmdd'.");
  }
}

TEST(FindIncrementalField, RefusesAColumnThatIsNotOfTheDeclaredType) {
  struct Pair {
    const char *type, *declared;
  };
  for (const Pair &pair :
       {Pair{"date", "timestamp"}, Pair{"text", "timestamp"}, Pair{"int8", "timestamp"},
        Pair{"date", "datetime"}, Pair{"timestamp", "date"}, Pair{"timestamptz", "date"},
        Pair{"text", "date"}, Pair{"date", "yyyymmdd"}, Pair{"int2", "yyyymmdd"}, Pair{"numeric", "yyyymmdd"},
        Pair{"text", "integer"}, Pair{"numeric", "integer"}, Pair{"timestamp", "integer"}}) {
    const Diagnostics said = refusal(column("at", pair.type), pair.declared);
    EXPECT_EQ(said.sqlstate, "42804") << pair.type << " as " << pair.declared;
    EXPECT_EQ(said.message, std::string("column \"at\" of type ") + pair.type +
                                " cannot be used as incremental_field of type \"" + pair.declared + "\"");
    EXPECT_EQ(said.hint, "Leave incremental_field_type out to derive it from the column.");
  }
}

TEST(FindIncrementalField, RefusesAnUnknownDeclaration) {
  for (const char *declared : {"Timestamp", "timestamptz", "int", "bigint", "yyyy-mm-dd", " date", "'"}) {
    const Diagnostics said = refusal(column("at", "timestamp"), declared);
    EXPECT_EQ(said.sqlstate, "22023");
    EXPECT_EQ(said.message, std::string("unrecognized incremental_field_type \"") + declared + "\"");
    EXPECT_EQ(
        said.hint,
        "Valid values are timestamp, datetime, date, yyyymmdd and integer. Leave it out to derive it from "
        "the column.");
  }
}

TEST(FindIncrementalField, TakesNoArrayAndNoUserTypeForTheBuiltInOne) {
  for (const char *type : {"timestamp", "timestamptz", "date", "int8"}) {
    EXPECT_EQ(refusal(array_of(column("at", type)), "").sqlstate, "42804") << type;
    EXPECT_EQ(refusal(user_type("at", type, "/ public.impostor -1"), "").sqlstate, "42804") << type;
  }
  EXPECT_EQ(refusal(array_of(column("at", "text")), "yyyymmdd").sqlstate, "42804");
  EXPECT_EQ(refusal(user_type("at", "json", "/ public.json -1"), "").sqlstate, "42804");
}

TEST(IsDayGrained, WhereABoundIsADay) {
  for (const FieldKind kind : all_kinds)
    EXPECT_EQ(is_day_grained(kind), kind == FieldKind::date || kind == FieldKind::yyyymmdd_text ||
                                        kind == FieldKind::yyyymmdd_integer);
}

// ---- its SQL ----------------------------------------------------------------------------------------------

IncrementalField field(FieldKind kind, bool nullable = false) { return {"at", kind, nullable, ""}; }

TEST(WatermarkType, IsWhatTheFieldIsComparedAs) {
  const char *const types[] = {"timestamp", "timestamptz", "date", "text", "int8", "int8"};
  for (size_t n = 0; n < std::size(all_kinds); ++n)
    EXPECT_EQ(watermark_type(all_kinds[n]), std::string("pg_catalog.") + types[n]);
}

TEST(AtOrAbove, IncludesTheBoundItself) {
  EXPECT_EQ(at_or_above(field(FieldKind::integer), "5"),
            R"("at" OPERATOR(pg_catalog.>=) CAST('5' AS pg_catalog.int8))");
  EXPECT_EQ(at_or_above(field(FieldKind::yyyymmdd_integer), "20240131", std::vector<std::string>()),
            R"("at" OPERATOR(pg_catalog.>=) CAST('20240131' AS pg_catalog.int8))");
}

TEST(AtOrAbove, IncludesNullsWhereThereCanBeSome) {
  for (const FieldKind kind : all_kinds) {
    EXPECT_NE(at_or_above(field(kind, true), "5").find(R"( OR "at" IS NULL)"), std::string::npos);
    EXPECT_EQ(at_or_above(field(kind, false), "5").find("IS NULL"), std::string::npos);
  }
}

TEST(AtOrAbove, IncludesWhatIsBeforeEveryMoment) {
  EXPECT_EQ(at_or_above(field(FieldKind::timestamptz, true), "2026-01-02 03:04:05+00"),
            R"("at" OPERATOR(pg_catalog.>=) CAST('2026-01-02 03:04:05+00' AS pg_catalog.timestamptz))"
            R"( OR "at" IS NULL OR "at" OPERATOR(pg_catalog.=) CAST('-infinity' AS pg_catalog.timestamptz))");
  for (const FieldKind kind : all_kinds) {
    const bool has_infinity =
        watermark_type(kind).starts_with("pg_catalog.timestamp") || kind == FieldKind::date;
    EXPECT_EQ(at_or_above(field(kind), "5").find("'-infinity'") != std::string::npos, has_infinity);
  }
}

TEST(FieldSql, KeepsHostileTextInsideItsQuotes) {
  const std::string hostile = "a\"b\\c'; DROP TABLE x; --";
  IncrementalField named = field(FieldKind::timestamp, true);
  named.name = hostile;
  EXPECT_NE(at_or_above(named, hostile)
                .find(R"("a""b\c'; DROP TABLE x; --" OPERATOR(pg_catalog.>=) )"
                      R"(CAST(E'a"b\\c''; DROP TABLE x; --' AS pg_catalog.timestamp))"),
            std::string::npos)
      << at_or_above(named, hostile);
  for (const FieldKind kind : all_kinds) {
    if (kind == FieldKind::integer) continue;
    const std::string moment = moment_in_field(kind, hostile, hostile);
    EXPECT_NE(moment.find(R"(E'a"b\\c''; DROP TABLE x; --')"), std::string::npos) << moment;
    const std::string lower = less_lookback(kind, hostile, "1h");
    EXPECT_NE(lower.find(R"(E'a"b\\c''; DROP TABLE x; --')"), std::string::npos) << lower;
  }
}

TEST(MomentInField, TakesTheLocalTimeWhereTheFieldHasNoZone) {
  for (const FieldKind kind : all_kinds) {
    if (kind == FieldKind::integer) continue;
    const std::string sql = moment_in_field(kind, "instant", "local");
    EXPECT_EQ(sql.find("'local'") != std::string::npos, kind != FieldKind::timestamptz);
    EXPECT_EQ(sql.find("'instant'") != std::string::npos, kind == FieldKind::timestamptz);
  }
}

TEST(MomentInField, IsNoneForAnInteger) {
  EXPECT_EQ(error_of([] { moment_in_field(FieldKind::integer, "x", "y"); }).sqlstate, "XX000");
}

TEST(LessLookback, RefusesADurationForAnInteger) {
  for (const char *lookback :
       {"10 min", "1h", "", "1.5", "-1", "+1", " 1", "1 ", "1e3", "99999999999999999999"}) {
    const Diagnostics said = error_of([&] { less_lookback(FieldKind::integer, "100", lookback); });
    EXPECT_EQ(said.sqlstate, "22023") << lookback;
    EXPECT_EQ(said.message, std::string("invalid value for option \"lookback\": \"") + lookback + "\"");
    EXPECT_EQ(said.detail, "The incremental field is an integer.");
  }
}

TEST(LessLookback, RefusesWhatIsNoDurationForTheOthers) {
  for (const FieldKind kind : all_kinds)
    if (kind != FieldKind::integer) {
      EXPECT_EQ(error_of([&] { less_lookback(kind, "20260102", "soon"); }).sqlstate, "22023");
    }
}

TEST(LessLookback, CountsWholeDaysWhereTheFieldIsOfDays) {
  for (const auto &[lookback, days] :
       {std::pair{"0", "'0'"}, {"1ms", "'1'"}, {"24h", "'1'"}, {"86401", "'2'"}, {"2.5 days", "'3'"}})
    for (const FieldKind kind : {FieldKind::date, FieldKind::yyyymmdd_text, FieldKind::yyyymmdd_integer}) {
      const std::string sql = less_lookback(kind, "20260102", lookback);
      EXPECT_NE(sql.find(std::string("OPERATOR(pg_catalog.-) CAST(") + days + " AS pg_catalog.int4)"),
                std::string::npos)
          << sql;
    }
}

}  // namespace
}  // namespace tablesync
