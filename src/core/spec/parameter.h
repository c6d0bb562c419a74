// Parameter: what a call can be given, as an argument of an SQL function or as a key of its `options`. One
// table says what each is called, which values it takes, where it is accepted and which field of the
// specification holds it. SQL arguments, options, kept calls, the bytes for a worker and doc/reference.md all
// come from that table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/spec/run_spec.h"

namespace tablesync {

enum class ParameterType {
  name,
  text,
  texts,  // text[]
  sql,    // text, and not blank
  word,   // text, one of a list
  integer,
  boolean,
  jsonb,
  interval,
  timestamptz,
  duration,  // text, as parse_duration_ms() takes it
  rate,      // text, as parse_rate() takes it
  fraction,  // a number from 0 to 1
};

enum class ParameterPlace {
  argument,  // of the SQL functions
  option,    // a key of `options`
  inner,     // a field that no caller sets
};

// The SQL functions as bits. run_sync and sync_plan take what sync_table takes.
namespace functions {
inline constexpr unsigned sync_table = 1, verify_table = 2, pivot_ship = 4, verify_pivot = 8;
inline constexpr unsigned syncs = sync_table | verify_table, pivots = pivot_ship | verify_pivot;
inline constexpr unsigned all = syncs | pivots;
}  // namespace functions

// A word that a parameter takes, and the value of the field that it stands for.
struct Word {
  const char *name;
  int value;
};

struct Parameter;

// A field of a SyncSpec or a PivotSpec, according to the functions of its parameter.
struct Field {
  Json (*get)(const Parameter &parameter, const RunSpec &spec) = nullptr;
  // Throws what the SQL function throws for a bad value, and then leaves the field alone.
  void (*set)(const Parameter &parameter, RunSpec &spec, const Json &value) = nullptr;
};

struct Parameter {
  const char *name;
  // Names of the older engines: hints mention `name` for them, and kept calls may have them.
  std::span<const char *const> old_names = {};
  ParameterType type;
  ParameterPlace place = ParameterPlace::argument;
  unsigned functions;          // that accept it
  unsigned required_by = 0;    // functions that refuse NULL for it; for the others NULL means the default
  const char *noun = nullptr;  // how the error for NULL names it, where `name` is not enough
  std::span<const Word> words = {};  // of type word, or of a boolean that is kept as a word
  std::int64_t low = 0, high = 2147483647;
  // `get` alone, `set` alone or none of both: the caller sees to it.
  Field field = {};
  const char *hint = "";  // of the error for a bad value
  bool later = false;     // of a later version: 0A000 where it is given
  // For doc/reference.md, in Markdown. Without a meaning the reference leaves it out.
  const char *default_value = "", *meaning = nullptr;
};

// The table: of each function, the arguments in the order of the SQL function.
std::span<const Parameter> parameters();

// The arguments of one function, in order: the first is argument 0.
std::vector<const Parameter *> arguments_of(unsigned function);
// Its position. Throws XX000 where the function has no such argument.
int argument_number(unsigned function, std::string_view name);

// Takes the value of an argument, nothing for SQL NULL. Throws 22004 for NULL where that is not allowed,
// 0A000 for a parameter of a later version, 22023 and others for a bad value.
void set_argument(RunSpec &spec, unsigned function, const Parameter &parameter,
                  const std::optional<Json> &value);
// Takes one key of `options`. Throws 22023 for a bad value, and for an unknown key (hint: the nearest); 0A000
// for a key of a later version.
void set_option(RunSpec &spec, unsigned function, const std::string &key, const Json &value);

// The fields of a specification that are not as in `defaults`, as an object: {"command": "sync_table",
// "server": ..., "options": {...}}. The command is always there. `of`: functions::syncs for SyncSpecs,
// functions::pivots for PivotSpecs.
Json fields_of(const RunSpec &spec, const RunSpec &defaults, unsigned of);
// Sets the fields that fields_of() gave. Throws XX000 where it is no object with a command, 22023 for a key
// that is not in the table and for a value that this version does not take.
void set_fields(RunSpec &spec, const Json &object, unsigned of);

}  // namespace tablesync
