// Setters of parameters whose values have special rules. They throw the errors of the SQL functions.
#pragma once

#include "core/spec/parameter.h"

namespace tablesync {

void set_sync_mode(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_verify(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_repair(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_lookback(const Parameter &parameter, RunSpec &spec, const Json &value);

void set_pivot_mode(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_ship(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_ships(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_channels(const Parameter &parameter, RunSpec &spec, const Json &value);
// Does not check that each pattern is a regular expression: the caller asks the server.
void set_groups(const Parameter &parameter, RunSpec &spec, const Json &value);
void set_columns(const Parameter &parameter, RunSpec &spec, const Json &value);
Json get_columns(const Parameter &parameter, const RunSpec &spec);

}  // namespace tablesync
