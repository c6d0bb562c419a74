// What SQL functions that start a run make of their arguments and of the session that calls them.
#pragma once

#include <optional>
#include <string>

#include "core/spec/run_spec.h"

namespace tablesync::pg {

// The value; throws 22004 where it is null. `what`: how the message names it.
std::string required(std::optional<std::string> value, const char *what);
// Throws 22023 where JSON is given and is no object. `what`: how the message names it.
void check_object(const char *what, const std::optional<std::string> &json);
// Throws 22023 where a value is given and out of range.
void check_range(const char *name, std::optional<int> value, int low, int high);
// Settings of the caller that triggers, types or tablespaces of the target may depend on, and our own.
void take_session_settings(RunSpec &spec);

}  // namespace tablesync::pg
