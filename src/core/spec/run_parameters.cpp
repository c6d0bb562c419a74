// The parameters of every run.
#include "core/spec/field.h"
#include "core/spec/parameter_table.h"

namespace tablesync {
namespace {

using enum ParameterType;
using enum ParameterPlace;
using namespace functions;

constexpr Word if_running_words[] = {spell("error", IfRunning::raise), spell("skip", IfRunning::skip),
                                     spell("wait", IfRunning::wait)};

// Of the older engines.
constexpr const char *old_timeout[] = {"migration_timeout"};

template <auto Limit>
Json get_limit(const Parameter &parameter, const RunSpec &spec) {
  return json_of(parameter, spec.source_limits.*Limit);
}
template <auto Limit>
void set_limit(const Parameter &parameter, RunSpec &spec, const Json &value) {
  assign(parameter, spec.source_limits.*Limit, value);
}
template <auto Limit>
constexpr Field limit{&get_limit<Limit>, &set_limit<Limit>};

constexpr Parameter table[] = {
    // ---- options
    {.name = "if_running",
     .type = word,
     .place = option,
     .functions = all,
     .words = if_running_words,
     .field = field<&RunSpec::if_running>,
     .default_value = "`error`",
     .meaning = "if another run works on the target: `error` (55P03), `skip`, `wait`"},
    {.name = "max_rate",
     .type = rate,
     .place = option,
     .functions = all,
     .field = field<&RunSpec::max_rate>,
     .default_value = "none",
     .meaning = "throttle reading to these rows or bytes per second: `5000 rows`, `10 MB` (kB, MB, GB). "
                "Transactions on the source then last longer"},
    {.name = "max_source_lag",
     .type = duration,
     .place = option,
     .functions = all,
     .low = 1,
     .field = limit<&SourceLimits::lag_ms>,
     .hint = "Give a time above 0.",
     .default_value = "none",
     .meaning = "do not begin to read while a standby of the source lags by more than this "
                "(`replay_lag`), or the source itself if it is a standby: "
                "[see](guide.md#kind-to-the-source)"},
    {.name = "max_source_sessions",
     .type = integer,
     .place = option,
     .functions = all,
     .field = limit<&SourceLimits::sessions>,
     .default_value = "none",
     .meaning = "do not begin to read while more sessions than this are active on the source, not "
                "counting those of tablesync"},
    {.name = "retry_delay",
     .type = duration,
     .place = option,
     .functions = all,
     .field = field<&RunSpec::retry_delay_ms>,
     .default_value = "2 s",
     .meaning = "wait before the second attempt; doubled for each further one, up to 5 minutes; the later "
                "half of each wait is random"},
    {.name = "timeout",
     .old_names = old_timeout,
     .type = duration,
     .place = option,
     .functions = all,
     .field = field<&RunSpec::timeout_ms>,
     .default_value = "none",
     .meaning = "end the run, including its retries, after this time: `90`, `90s`, `5min`, `2h`, `1 day`"},
    {.name = "trust_owner",
     .type = boolean,
     .place = option,
     .functions = all,
     .field = field<&RunSpec::trust_owner>,
     .default_value = "false",
     .meaning = "write to tables of a role that the caller does not trust, so that its triggers and "
                "domains [run with the caller's rights](security.md#rule-2-a-relation-is-held)"},
    // The documentation of other versions has it, so it is not a spelling mistake.
    {.name = "every", .type = text, .place = option, .functions = all, .later = true},
    // ---- fields that no caller sets
    {.name = "failed_chunks_only",
     .type = boolean,
     .place = inner,
     .functions = all,
     .field = field<&RunSpec::failed_chunks_only>},
    {.name = "settings", .type = jsonb, .place = inner, .functions = all, .field = field<&RunSpec::settings>},
};

}  // namespace

std::span<const Parameter> run_parameters() { return table; }

}  // namespace tablesync
