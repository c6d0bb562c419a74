#include "core/table/conversion.h"

#include <gtest/gtest.h>

#include "support/tables.h"

namespace tablesync {
namespace {

constexpr char text_cast[] = "\"c\"::pg_catalog.text";

struct Pair {
  const char *source, *target;
};

std::optional<Conversion> find(Column source, Column target, bool empty_string_as_null = false) {
  source.name = "c";
  target.name = "elsewhere";
  return find_conversion(source, target, empty_string_as_null);
}

std::optional<Conversion> find(const Pair &pair) {
  return find(column("c", pair.source), column("c", pair.target));
}

// Whether the pair is one that some value may not survive: refused, or checked value by value.
enum class Way { as_it_is, cast_by_the_source, checked_here, none };

Way way(const std::optional<Conversion> &conversion) {
  if (!conversion) return Way::none;
  if (!conversion->convert.empty()) {
    EXPECT_EQ(conversion->wire_type, "pg_catalog.text");
    EXPECT_EQ(conversion->read, text_cast);
    return Way::checked_here;
  }
  EXPECT_EQ(conversion->wire_type, "");
  return conversion->read == "\"c\"" ? Way::as_it_is : Way::cast_by_the_source;
}

Way way(const Pair &pair) { return way(find(pair)); }

Way way(const std::string &type, int source_typmod, int target_typmod) {
  return way(find(column("c", type, source_typmod), column("c", type, target_typmod)));
}

// ---- types ------------------------------------------------------------------------------------------------

TEST(Conversion, CarriesTheSameTypeAsItIs) {
  for (const char *type :
       {"int4", "int8", "float8", "numeric", "text", "timestamptz", "jsonb", "uuid", "bytea"})
    EXPECT_EQ(way(Pair{type, type}), Way::as_it_is) << type;
}

TEST(Conversion, CarriesArraysAndUserTypesOfOneSignatureAsTheyAre) {
  EXPECT_EQ(way(find(array_of(column("c", "int4")), array_of(column("c", "int4")))), Way::as_it_is);
  const Column mood = user_type("c", "mood", "/ public.mood -1");
  EXPECT_EQ(way(find(mood, mood)), Way::as_it_is);
}

TEST(Conversion, CarriesWhatIsUnsafeInBinaryAsItsText) {
  Column regclass = column("c", "regclass");
  regclass.binary_safe = false;
  const auto conversion = find(regclass, regclass);
  ASSERT_EQ(way(conversion), Way::checked_here);
  EXPECT_EQ(conversion->convert, "CAST(CAST(r.\"c\" AS pg_catalog.bpchar) AS pg_catalog.regclass)");
}

TEST(Conversion, TakesTextWhereEitherSideIsUnsafe) {
  const Column safe = user_type("c", "box3", "/ public.box3 -1");
  Column unsafe = safe;
  unsafe.binary_safe = false;
  EXPECT_EQ(way(find(safe, unsafe)), Way::checked_here);
  EXPECT_EQ(way(find(unsafe, safe)), Way::checked_here);
}

TEST(Conversion, HasNoWayBetweenTypesThatOnlyShareASize) {
  for (const Pair &pair :
       {Pair{"date", "int4"}, Pair{"timestamp", "int8"}, Pair{"timestamp", "timestamptz"},
        Pair{"timestamptz", "timestamp"}, Pair{"money", "int8"}, Pair{"oid", "int4"}, Pair{"xid", "int4"},
        Pair{"macaddr8", "int8"}, Pair{"json", "jsonb"}, Pair{"bytea", "uuid"}, Pair{"time", "int8"},
        Pair{"int8", "timestamp"}, Pair{"bool", "int4"}, Pair{"text", "bytea"}, Pair{"text", "regclass"}})
    EXPECT_EQ(way(pair), Way::none) << pair.source << " -> " << pair.target;
}

TEST(Conversion, NeverTakesTheBytesOfAnotherType) {
  // Each pair has the same size on the wire.
  for (const Pair &pair : {Pair{"int8", "float8"}, Pair{"float8", "int8"}, Pair{"float4", "int4"},
                           Pair{"int4", "date"}, Pair{"int4", "float4"}})
    EXPECT_EQ(way(pair), Way::checked_here) << pair.source << " -> " << pair.target;
}

TEST(Conversion, HasNoWayBetweenDomainsOfOneNameOverOtherTypes) {
  const Column source = user_type("c", "amount", "/ public.amount -1, /domain/ pg_catalog.int8 -1");
  const Column target = user_type("c", "amount", "/ public.amount -1, /domain/ pg_catalog.float8 -1");
  EXPECT_EQ(way(find(source, target)), Way::none);
}

TEST(Conversion, HasNoWayBetweenArraysOfElementsThatDiffer) {
  EXPECT_EQ(way(find(array_of(column("c", "int8")), array_of(column("c", "float8")))), Way::none);
  EXPECT_EQ(way(find(array_of(column("c", "int4")), column("c", "int4"))), Way::none);
  EXPECT_EQ(way(find(column("c", "int4"), array_of(column("c", "int4")))), Way::none);
  EXPECT_EQ(way(find(array_of(column("c", "int2")), array_of(column("c", "int4")))), Way::none);
  EXPECT_EQ(way(find(array_of(column("c", "text")), array_of(column("c", "varchar")))), Way::none);
}

TEST(Conversion, HasNoWayToATypeOfTheSameNameInAnotherSchema) {
  Column target = user_type("c", "mood", "/ public.mood -1");
  target.type.schema = "other";
  EXPECT_EQ(way(find(user_type("c", "mood", "/ public.mood -1"), target)), Way::none);
}

TEST(Conversion, DoesNotTakeAUserTypeForTheBuiltInOneOfItsName) {
  const Column impostor = user_type("c", "int2", "/ public.int2 -1, /domain/ pg_catalog.int2 -1");
  EXPECT_EQ(way(find(impostor, column("c", "int4"))), Way::none);
  EXPECT_EQ(way(find(column("c", "int2"), user_type("c", "int4", "/ public.int4 -1"))), Way::none);
}

TEST(Conversion, LetsTheSourceWidenNumbers) {
  for (const Pair &pair :
       {Pair{"int2", "int4"}, Pair{"int2", "int8"}, Pair{"int2", "numeric"}, Pair{"int4", "int8"},
        Pair{"int4", "numeric"}, Pair{"int8", "numeric"}, Pair{"int2", "float4"}, Pair{"int2", "float8"},
        Pair{"int4", "float8"}, Pair{"float4", "float8"}, Pair{"date", "timestamp"}}) {
    const auto conversion = find(pair);
    ASSERT_EQ(way(conversion), Way::cast_by_the_source) << pair.source << " -> " << pair.target;
    EXPECT_EQ(conversion->read, std::string("\"c\"::pg_catalog.") + pair.target);
  }
}

TEST(Conversion, ChecksEachValueWhereDigitsCouldBeLost) {
  for (const Pair &pair : {Pair{"int8", "int4"}, Pair{"int4", "int2"}, Pair{"numeric", "int8"},
                           Pair{"float8", "float4"}, Pair{"int4", "float4"}, Pair{"numeric", "float8"},
                           Pair{"float8", "numeric"}, Pair{"timestamp", "date"}})
    EXPECT_EQ(way(pair), Way::checked_here) << pair.source << " -> " << pair.target;
}

TEST(Conversion, ChecksEachValueOfATypeThatIsItselfLimited) {
  EXPECT_EQ(way(find(column("c", "int4"), column("c", "numeric", numeric_typmod(5, 0)))), Way::checked_here);
  EXPECT_EQ(way(find(column("c", "int4"), column("c", "varchar", length_typmod(10)))), Way::checked_here);
  EXPECT_EQ(way(find(column("c", "int4"), column("c", "bpchar"))), Way::checked_here);
}

TEST(Conversion, ReadsTextAsWhatTheTargetIs) {
  for (const char *target : {"int2",  "int4",      "int8",        "numeric", "float4",   "float8",  "bool",
                             "date",  "timestamp", "timestamptz", "time",    "timetz",   "uuid",    "json",
                             "jsonb", "inet",      "cidr",        "macaddr", "macaddr8", "interval"})
    for (const char *source : {"text", "varchar", "bpchar"})
      EXPECT_EQ(way(Pair{source, target}), Way::checked_here) << source << " -> " << target;
}

TEST(Conversion, CarriesStringsOfOtherTypesAsText) {
  for (const char *source : {"text", "varchar", "bpchar"})
    for (const char *target : {"text", "varchar"}) {
      if (std::string(source) == target) continue;
      const auto conversion = find({source, target});
      EXPECT_EQ(way(conversion), Way::cast_by_the_source);
      EXPECT_EQ(conversion->read, text_cast) << "the wire format of text is theirs too";
    }
}

TEST(Conversion, KeepsAnythingInATextColumn) {
  for (const char *source : {"int4", "timestamptz", "jsonb", "bytea", "regclass"})
    for (const char *target : {"text", "varchar"}) EXPECT_EQ(find({source, target})->read, text_cast);
  EXPECT_EQ(find(array_of(column("c", "int4")), column("c", "text"))->read, text_cast);
  EXPECT_EQ(find(user_type("c", "mood", "/ public.mood -1"), column("c", "text"))->read, text_cast);
}

TEST(Conversion, MakesEmptyStringsNullsWhereThatIsAskedFor) {
  const std::string null_if_empty = "CASE WHEN \"c\" OPERATOR(pg_catalog.<>) '' THEN \"c\" END";
  EXPECT_EQ(find(column("c", "text"), column("c", "text"), true)->read, null_if_empty);
  EXPECT_EQ(find(column("c", "varchar"), column("c", "text"), true)->read,
            null_if_empty + "::pg_catalog.text");
  EXPECT_EQ(find(column("c", "int4"), column("c", "text"), true)->read, text_cast);
  EXPECT_EQ(find(column("c", "bytea"), column("c", "bytea"), true)->read, "\"c\"");
}

// ---- type modifiers ---------------------------------------------------------------------------------------

TEST(ConversionOfTypmods, CarriesEqualOrUnlimitedOnesAsTheyAre) {
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(10, 2)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), -1), Way::as_it_is);
  EXPECT_EQ(way("interval", 7, 7), Way::as_it_is);
  EXPECT_EQ(way("bit", 8, 8), Way::as_it_is);
}

TEST(ConversionOfTypmods, ChecksEachValueWhereOnlyTheTargetIsLimited) {
  EXPECT_EQ(way("numeric", -1, numeric_typmod(1000, 100)), Way::checked_here);
  EXPECT_EQ(way("timestamp", -1, 6), Way::checked_here);
  EXPECT_EQ(way("varbit", -1, 8), Way::checked_here);
  EXPECT_EQ(way("varchar", -1, length_typmod(5)), Way::checked_here);
}

TEST(ConversionOfTypmods, WidensNumericOnBothSidesOfThePoint) {
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(12, 4)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(11, 2)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(9, 2)), Way::checked_here)
      << "a digit before the point";
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(12, 1)), Way::checked_here)
      << "a digit behind the point";
  EXPECT_EQ(way("numeric", numeric_typmod(10, 2), numeric_typmod(11, 4)), Way::checked_here)
      << "8 digits before the point, then 7";
}

TEST(ConversionOfTypmods, ReadsNegativeScalesOfNumeric) {
  // numeric(2,-3) holds -99000 to 99000 in steps of 1000.
  EXPECT_EQ(way("numeric", numeric_typmod(2, -3), numeric_typmod(5, 0)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(2, -3), numeric_typmod(3, -2)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(2, -3), numeric_typmod(4, 0)), Way::checked_here);
  EXPECT_EQ(way("numeric", numeric_typmod(5, 0), numeric_typmod(5, -1)), Way::checked_here);
  EXPECT_EQ(way("numeric", numeric_typmod(2, -3), numeric_typmod(2, -4)), Way::checked_here);
}

TEST(ConversionOfTypmods, ReadsScalesAboveThePrecisionOfNumeric) {
  // numeric(3,5) holds up to 0.00999.
  EXPECT_EQ(way("numeric", numeric_typmod(3, 5), numeric_typmod(5, 5)), Way::as_it_is);
  EXPECT_EQ(way("numeric", numeric_typmod(5, 5), numeric_typmod(3, 5)), Way::checked_here);
  EXPECT_EQ(way("numeric", numeric_typmod(1000, 0), numeric_typmod(1000, 1000)), Way::checked_here);
}

TEST(ConversionOfTypmods, WidensFractionsOfASecond) {
  for (const char *type : {"timestamp", "timestamptz", "time", "timetz"}) {
    EXPECT_EQ(way(type, 3, 6), Way::as_it_is) << type;
    EXPECT_EQ(way(type, 6, 3), Way::checked_here) << type;
  }
}

TEST(ConversionOfTypmods, WidensBitStringsOfVaryingLengthOnly) {
  EXPECT_EQ(way("varbit", 8, 16), Way::as_it_is);
  EXPECT_EQ(way("varbit", 16, 8), Way::checked_here);
  EXPECT_EQ(way("bit", 8, 16), Way::none);
}

TEST(ConversionOfTypmods, HasNoWayBetweenIntervalsOfOtherFields) {
  EXPECT_EQ(way("interval", 3, 6), Way::none) << "the modifier also holds the fields";
  EXPECT_EQ(way("interval", -1, 6), Way::none);
}

TEST(ConversionOfTypmods, WidensStringsOfVaryingLengthOnly) {
  EXPECT_EQ(way("varchar", length_typmod(5), length_typmod(10)), Way::as_it_is);
  EXPECT_EQ(way("varchar", length_typmod(10), length_typmod(5)), Way::checked_here);
  EXPECT_EQ(way("bpchar", length_typmod(3), length_typmod(5)), Way::checked_here) << "blanks are added";
}

TEST(ConversionOfTypmods, HasNoWayBetweenArraysWithOtherLimits) {
  EXPECT_EQ(way(find(array_of(column("c", "numeric", numeric_typmod(10, 2))),
                     array_of(column("c", "numeric", numeric_typmod(5, 2))))),
            Way::none);
}

// ---- widening ---------------------------------------------------------------------------------------------

TEST(IsWidened, WhereEveryOldValueIsANewOne) {
  EXPECT_TRUE(is_widened(column("c", "int4"), column("c", "int8")));
  EXPECT_TRUE(
      is_widened(column("c", "varchar", length_typmod(5)), column("c", "varchar", length_typmod(10))));
  EXPECT_TRUE(is_widened(column("c", "varchar", length_typmod(5)), column("c", "varchar")));
  EXPECT_TRUE(is_widened(column("c", "varchar", length_typmod(5)), column("c", "text")));
  EXPECT_TRUE(is_widened(column("c", "numeric", numeric_typmod(5, 2)), column("c", "numeric")));
}

TEST(IsWidened, NotWhereTheTypesAreTheSame) {
  EXPECT_FALSE(is_widened(column("c", "int4"), column("c", "int4")));
  EXPECT_FALSE(
      is_widened(column("c", "numeric", numeric_typmod(5, 2)), column("c", "numeric", numeric_typmod(5, 2))));
}

TEST(IsWidened, NotWhereAValueCouldBeLost) {
  EXPECT_FALSE(is_widened(column("c", "int8"), column("c", "int4")));
  EXPECT_FALSE(
      is_widened(column("c", "varchar", length_typmod(10)), column("c", "varchar", length_typmod(5))));
  EXPECT_FALSE(is_widened(column("c", "text"), column("c", "varchar", length_typmod(5))));
}

TEST(IsWidened, NotWhereItWouldBecomeAnotherKindOfValue) {
  EXPECT_FALSE(is_widened(column("c", "int4"), column("c", "text"))) << "its text is no number";
  EXPECT_FALSE(is_widened(column("c", "jsonb"), column("c", "text")));
}

}  // namespace
}  // namespace tablesync
