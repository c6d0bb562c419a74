// Parameter: an argument of an SQL function or a key of its `options`. One table has the name of each, its
// values, the functions that accept it and its field of the specification. SQL arguments, options, kept
// calls, the request to a worker and doc/reference.md all use that table.
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

// The SQL functions as bits. run_sync and sync_plan have the parameters of sync_table.
namespace functions {
inline constexpr unsigned sync_table = 1, verify_table = 2, pivot_ship = 4, verify_pivot = 8;
inline constexpr unsigned syncs = sync_table | verify_table, pivots = pivot_ship | verify_pivot;
inline constexpr unsigned all = syncs | pivots;
}  // namespace functions

// A word that a parameter accepts, and the value of the field that it stands for.
struct Word {
  const char *name;
  int value;
};

struct Parameter;

// A field of a SyncSpec or a PivotSpec, according to the functions of its parameter.
struct Field {
  Json (*get)(const Parameter &parameter, const RunSpec &spec) = nullptr;
  // For a bad value, throws the error of the SQL function and leaves the field unchanged.
  void (*set)(const Parameter &parameter, RunSpec &spec, const Json &value) = nullptr;
};

struct Parameter {
  const char *name;
  // Names of the older engines: hints suggest `name` for them, and kept calls may have them.
  std::span<const char *const> old_names = {};
  ParameterType type;
  ParameterPlace place = ParameterPlace::argument;
  unsigned functions;                // that accept the parameter
  unsigned required_by = 0;          // functions that refuse NULL; for the others NULL means the default
  const char *noun = nullptr;        // its name in the error for NULL, if not `name`
  std::span<const Word> words = {};  // of type word, or of a boolean that is kept as a word
  std::int64_t low = 0, high = 2147483647;
  // If `get` or `set` is null, the caller handles it.
  Field field = {};
  const char *hint = "";  // of the error for a bad value
  bool later = false;     // of a later version: passing it throws 0A000
  // For doc/reference.md, in Markdown. The reference omits a parameter without a meaning.
  const char *default_value = "", *meaning = nullptr;
};

// The table. The arguments of each function are in the order of the SQL function.
std::span<const Parameter> parameters();

// The arguments of one function, in order: the first is argument 0.
std::vector<const Parameter *> arguments_of(unsigned function);
// The position of an argument. Throws XX000 if the function has no such argument.
int argument_number(unsigned function, std::string_view name);

// Sets the value of an argument, nothing for SQL NULL. Throws 22004 for NULL if that is not allowed,
// 0A000 for a parameter of a later version, 22023 and others for a bad value.
void set_argument(RunSpec &spec, unsigned function, const Parameter &parameter,
                  const std::optional<Json> &value);
// Sets one key of `options`. Throws 22023 for a bad value, and for an unknown key (hint: the nearest); 0A000
// for a key of a later version.
void set_option(RunSpec &spec, unsigned function, const std::string &key, const Json &value);

// The fields of a specification that differ from `defaults`, as an object: {"command": "sync_table",
// "server": ..., "options": {...}}. It always has the command. `of`: functions::syncs for SyncSpecs,
// functions::pivots for PivotSpecs.
Json fields_of(const RunSpec &spec, const RunSpec &defaults, unsigned of);
// Sets the fields from the result of fields_of(). Throws XX000 unless it is an object with a command, 22023
// for a key that is not in the table and for a value that this version does not accept.
void set_fields(RunSpec &spec, const Json &object, unsigned of);

}  // namespace tablesync
