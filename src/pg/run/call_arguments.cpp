#include "pg/run/call_arguments.h"

extern "C" {
#include "utils/timestamp.h"
}

#include "core/base/error.h"
#include "core/base/moment.h"
#include "pg/server/session_option.h"
#include "pg/server/sql_call.h"

namespace tablesync::pg {

std::string required(std::optional<std::string> value, const char *what) {
  if (!value) throw Error(sqlstate::null_not_allowed, std::string(what) + " must not be null");
  return *value;
}

// Months have no fixed length, so chunks of months would differ.
std::int64_t interval_argument(FunctionCallInfo fcinfo, int n, const char *name) {
  if (PG_ARGISNULL(n)) throw Error(sqlstate::null_not_allowed, std::string(name) + " must not be null");
  const Interval *const interval = PG_GETARG_INTERVAL_P(n);
  const auto refuse = [&](const std::string &why, const std::string &hint = {}) {
    throw Error(sqlstate::invalid_parameter, "\"" + std::string(name) + "\" " + why, {}, hint);
  };
  if (interval->month != 0) refuse("must not have months or years", "Give days, like '30 days'.");
  constexpr std::int64_t day = 86'400'000'000, most_days = 366 * 1000;
  if (interval->day > most_days || interval->day < -most_days || interval->time / day > most_days)
    refuse("is too long");
  const std::int64_t microseconds = interval->day * day + interval->time;
  if (microseconds <= 0)
    refuse("must be greater than 0", "Give a value with its unit, like '24 hours'. '5' means five seconds.");
  return microseconds;
}

namespace {

Json moment_value(FunctionCallInfo fcinfo, int n, const char *name) {
  const TimestampTz moment = PG_GETARG_TIMESTAMPTZ(n);
  if (TIMESTAMP_NOT_FINITE(moment))
    throw Error("22008", std::string("\"") + name + "\" must be finite", {},
                "Leave it out if there is no such bound.");
  return text_of_moment(moment);
}

std::optional<Json> argument_value(FunctionCallInfo fcinfo, int n, const Parameter &parameter) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  switch (parameter.type) {
    case ParameterType::name:
      return *name_argument(fcinfo, n);
    case ParameterType::texts: {
      Json texts = Json::array();
      for (std::string &text : text_array_argument(fcinfo, n)) texts.append(std::move(text));
      return texts;
    }
    case ParameterType::integer:
      return Json::number(std::to_string(*int_argument(fcinfo, n)));
    case ParameterType::boolean:
      return Json::boolean(*bool_argument(fcinfo, n));
    case ParameterType::jsonb:
      return read_json(*jsonb_argument(fcinfo, n));
    case ParameterType::interval:
      return std::to_string(interval_argument(fcinfo, n, parameter.name)) + " us";
    case ParameterType::timestamptz:
      return moment_value(fcinfo, n, parameter.name);
    default:
      return *text_argument(fcinfo, n);
  }
}

}  // namespace

void take_arguments(RunSpec &spec, unsigned function, FunctionCallInfo fcinfo) {
  int n = 0;
  for (const Parameter *const argument : arguments_of(function))
    set_argument(spec, function, *argument, argument_value(fcinfo, n++, *argument));
}

Json options_argument(FunctionCallInfo fcinfo, unsigned function) {
  const std::optional<std::string> json = jsonb_argument(fcinfo, argument_number(function, "options"));
  if (!json) return Json::object();
  if (!json->starts_with('{'))
    throw Error(sqlstate::invalid_parameter, "options must be an object", {},
                R"(Pass an object, like '{"timeout": "10min"}'.)");
  return read_json(*json);
}

bool is_given(FunctionCallInfo fcinfo, unsigned function, std::string_view name) {
  return !PG_ARGISNULL(argument_number(function, name));
}

bool waits(FunctionCallInfo fcinfo, unsigned function) {
  return bool_argument(fcinfo, argument_number(function, "wait")).value_or(true);
}

void take_session_settings(RunSpec &spec) {
  for (const char *name : {"search_path", "timezone", "lock_timeout", "synchronous_commit",
                           "temp_tablespaces", "default_tablespace", "tablesync.stall_timeout",
                           "tablesync.chunk_threshold", "tablesync.max_source_transaction"})
    spec.settings.emplace_back(name, session_option(name));
}

}  // namespace tablesync::pg
