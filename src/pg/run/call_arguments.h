// How SQL functions that start a run read their arguments and the settings of the session. The table of
// parameters (core/spec/parameter.h) describes the arguments.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <optional>
#include <string>
#include <string_view>

#include "core/spec/parameter.h"
#include "core/spec/run_spec.h"

namespace tablesync::pg {

// Returns the value; throws 22004 if it is null. `what`: its name in the message.
std::string required(std::optional<std::string> value, const char *what);
// An interval above 0, without months, in microseconds. Throws 22004 for NULL, 22023 for other intervals.
std::int64_t interval_argument(FunctionCallInfo fcinfo, int n, const char *name);

// Sets all arguments in `spec`, except `options`. `function`: one of core/spec/parameter.h. Throws as
// set_argument() does, and 22008 for infinite times.
void take_arguments(RunSpec &spec, unsigned function, FunctionCallInfo fcinfo);
// The argument `options`; an empty object for NULL. Throws 22023 unless it is an object.
Json options_argument(FunctionCallInfo fcinfo, unsigned function);
bool is_given(FunctionCallInfo fcinfo, unsigned function, std::string_view name);
// The argument `wait`, which is not in the spec.
bool waits(FunctionCallInfo fcinfo, unsigned function);

// Copies settings of the caller into `spec`: those on which triggers, types or tablespaces of the target may
// depend, and our own.
void take_session_settings(RunSpec &spec);

}  // namespace tablesync::pg
