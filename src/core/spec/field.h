// Fields of specifications for the table of parameters: for each type of field, its conversion to JSON and
// the check and assignment of a value.
#pragma once

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/spec/parameter.h"
#include "core/spec/pivot_spec.h"
#include "core/spec/sync_spec.h"

namespace tablesync {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

Json json_of(const Parameter &parameter, bool value);
Json json_of(const Parameter &parameter, int value);
Json json_of(const Parameter &parameter, std::int64_t value);  // by the type of the parameter
Json json_of(const Parameter &parameter, double value);
Json json_of(const Parameter &parameter, const std::string &value);
Json json_of(const Parameter &parameter, const std::vector<std::string> &value);
Json json_of(const Parameter &parameter, const TextPairs &value);
Json json_of(const Parameter &parameter, const Rate &value);
Json json_of(const Parameter &parameter, const QualifiedName &value);  // ["schema", "name"]
Json json_of_word(const Parameter &parameter, int value);

void assign(const Parameter &parameter, bool &field, const Json &value);
void assign(const Parameter &parameter, int &field, const Json &value);
void assign(const Parameter &parameter, std::int64_t &field, const Json &value);
void assign(const Parameter &parameter, double &field, const Json &value);
void assign(const Parameter &parameter, std::string &field, const Json &value);
void assign(const Parameter &parameter, std::vector<std::string> &field, const Json &value);
void assign(const Parameter &parameter, TextPairs &field, const Json &value);
void assign(const Parameter &parameter, Rate &field, const Json &value);
// If the value is a text, the schema stays empty, because the caller resolves the name.
void assign(const Parameter &parameter, QualifiedName &field, const Json &value);
int word_of(const Parameter &parameter, const Json &value);

template <typename Enum>
requires std::is_enum_v<Enum> Json json_of(const Parameter &parameter, Enum value) {
  return json_of_word(parameter, static_cast<int>(value));
}
template <typename Enum>
requires std::is_enum_v<Enum>
void assign(const Parameter &parameter, Enum &field, const Json &value) {
  field = static_cast<Enum>(word_of(parameter, value));
}

// The specification that has the fields of Options.
template <typename Options>
using SpecOf = std::conditional_t<
    std::same_as<Options, RunSpec>, RunSpec,
    std::conditional_t<std::same_as<Options, SyncOptions>, SyncSpec,
                       std::conditional_t<std::same_as<Options, PivotOptions>, PivotSpec, void>>>;

template <typename Options, typename T>
const T &read(const RunSpec &spec, T Options::*member) {
  return static_cast<const SpecOf<Options> &>(spec).*member;
}
template <typename Options, typename T>
T &write(RunSpec &spec, T Options::*member) {
  return static_cast<SpecOf<Options> &>(spec).*member;
}

// Reads the field `Member`, a pointer to a member.
template <auto Member>
Json get_member(const Parameter &parameter, const RunSpec &spec) {
  return json_of(parameter, read(spec, Member));
}
template <auto Member>
void set_member(const Parameter &parameter, RunSpec &spec, const Json &value) {
  assign(parameter, write(spec, Member), value);
}

template <auto Member>
inline constexpr Field field{&get_member<Member>, &set_member<Member>};
// A field whose value `set` checks and assigns.
template <auto Member>
constexpr Field field_with(void (*set)(const Parameter &, RunSpec &, const Json &)) {
  return {&get_member<Member>, set};
}

}  // namespace tablesync
