// What SQL functions that start a run make of their arguments and of the session that calls them. The table
// of parameters (core/spec/parameter.h) says which argument is which.
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

// The value; throws 22004 where it is null. `what`: how the message names it.
std::string required(std::optional<std::string> value, const char *what);
// An interval above 0, without months, in microseconds. Throws 22004 where it is null, 22023.
std::int64_t interval_argument(FunctionCallInfo fcinfo, int n, const char *name);

// Takes all arguments into `spec`, but for `options`. `function`: one of core/spec/parameter.h. Throws as
// set_argument() there, and 22008 for infinite times.
void take_arguments(RunSpec &spec, unsigned function, FunctionCallInfo fcinfo);
// The argument `options`; an empty object where it is NULL. Throws 22023 where it is no object.
Json options_argument(FunctionCallInfo fcinfo, unsigned function);
bool is_given(FunctionCallInfo fcinfo, unsigned function, std::string_view name);
// The argument `wait`, which is not of the spec.
bool waits(FunctionCallInfo fcinfo, unsigned function);

// Settings of the caller that triggers, types or tablespaces of the target may depend on, and our own.
void take_session_settings(RunSpec &spec);

}  // namespace tablesync::pg
