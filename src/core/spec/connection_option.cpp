#include "core/spec/connection_option.h"

#include <algorithm>
#include <optional>

#include "core/base/error.h"
#include "core/base/quote.h"
#include "core/base/text.h"

namespace tablesync {
namespace {

enum class Rule { on_server, on_mapping, on_mapping_by_superuser };

struct AllowedOption {
  const char *name;
  Rule rule;
  const char *default_value;  // nullptr: libpq's own
  bool number = false;
};

// Encryption by GSSAPI would use the credentials of the operating system user, so it is off unless asked for.
// Keepalive defaults find a dead peer within a minute or so; libpq's own would take two hours.
constexpr AllowedOption allowed[] = {
    {"host", Rule::on_server, nullptr},
    {"hostaddr", Rule::on_server, nullptr},
    {"port", Rule::on_server, "5432"},
    {"dbname", Rule::on_server, nullptr},
    {"user", Rule::on_mapping, nullptr},
    {"password", Rule::on_mapping, nullptr},
    {"password_required", Rule::on_mapping_by_superuser, nullptr},
    {"connect_timeout", Rule::on_server, "10", true},
    {"application_name", Rule::on_server, "pg_tablesync"},
    {"sslmode", Rule::on_server, "prefer"},
    {"sslrootcert", Rule::on_server, nullptr},
    {"sslcrl", Rule::on_server, nullptr},
    {"sslcert", Rule::on_mapping_by_superuser, nullptr},
    {"sslkey", Rule::on_mapping_by_superuser, nullptr},
    {"sslpassword", Rule::on_mapping_by_superuser, nullptr},
    {"ssl_min_protocol_version", Rule::on_server, nullptr},
    {"channel_binding", Rule::on_server, nullptr},
    {"require_auth", Rule::on_server, nullptr},
    {"gssencmode", Rule::on_server, "disable"},
    {"keepalives", Rule::on_server, "1", true},
    {"keepalives_idle", Rule::on_server, "30", true},
    {"keepalives_interval", Rule::on_server, "10", true},
    {"keepalives_count", Rule::on_server, "3", true},
    {"tcp_user_timeout", Rule::on_server, "60000", true},
    {"target_session_attrs", Rule::on_server, nullptr},
};

// Options of postgres_fdw and dblink_fdw that do not concern the connection.
constexpr const char *not_for_connecting[] = {
    "use_remote_estimate", "fdw_startup_cost", "fdw_tuple_cost",  "extensions",
    "fetch_size",          "batch_size",       "updatable",       "truncatable",
    "async_capable",       "keep_connections", "parallel_commit", "parallel_abort",
    "analyze_sampling",    "sampling_method",  "restore_stats",   "use_scram_passthrough",
};

const AllowedOption *find_allowed(std::string_view name) {
  const auto *found =
      std::find_if(std::begin(allowed), std::end(allowed), [&](const auto &o) { return name == o.name; });
  return found == std::end(allowed) ? nullptr : found;
}

bool belongs(const AllowedOption &option, OptionPlace place) {
  return (option.rule == Rule::on_server) == (place == OptionPlace::server);
}

const char *place_name(OptionPlace place) { return place == OptionPlace::server ? "server" : "user mapping"; }

bool is_secret(std::string_view name) { return name == "password" || name == "sslpassword"; }

[[noreturn]] void reject(const std::string &name, OptionPlace place) {
  std::vector<std::string> valid;
  for (const auto &o : allowed)
    if (belongs(o, place)) valid.emplace_back(o.name);
  const AllowedOption *elsewhere = find_allowed(name);
  const std::string near = nearest(name, valid);
  std::string hint;
  if (elsewhere != nullptr)
    hint = std::string("Set it on the ") +
           place_name(place == OptionPlace::server ? OptionPlace::user_mapping : OptionPlace::server) + ".";
  else if (!near.empty())
    hint = "Perhaps you meant the option \"" + near + "\".";
  else
    hint = "Valid options of a " + std::string(place_name(place)) + " are " + join(valid, ", ") + ".";
  throw Error(sqlstate::invalid_option,
              "invalid option \"" + name + "\" for a " + place_name(place) + " of tablesync", {}, hint);
}

bool is_number(const std::string &value) {
  return !value.empty() && value.size() < 10 &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<bool> parse_bool(const std::string &value) {
  if (value == "true" || value == "on" || value == "yes" || value == "1") return true;
  if (value == "false" || value == "off" || value == "no" || value == "0") return false;
  return std::nullopt;
}

const NamedOption *find(const std::vector<NamedOption> &options, std::string_view name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const auto &o) { return o.name == name; });
  return found == options.end() ? nullptr : &*found;
}

// Only a superuser can set it (the validators check that), so it can be trusted.
bool password_is_required(const ConnectionSource &source) {
  const NamedOption *option = find(source.mapping_options, "password_required");
  return option == nullptr || parse_bool(option->value).value_or(true);
}

void refuse_unknown(const std::vector<NamedOption> &options, OptionPlace place) {
  for (const NamedOption &option : options) {
    const bool skipped = std::find(std::begin(not_for_connecting), std::end(not_for_connecting),
                                   option.name) != std::end(not_for_connecting);
    const AllowedOption *known = find_allowed(option.name);
    // dblink_fdw and postgres_fdw let a server have options that we take only from a mapping, never the
    // reverse.
    if (!skipped && (known == nullptr || !belongs(*known, place))) reject(option.name, place);
  }
}

}  // namespace

void check_option(const NamedOption &option, OptionPlace place, bool set_by_superuser) {
  const AllowedOption *known = find_allowed(option.name);
  if (known == nullptr || !belongs(*known, place)) reject(option.name, place);
  // sslcert and sslkey name files of the server's own operating system user.
  const bool harmless = option.name == "password_required" && parse_bool(option.value).value_or(false);
  if (known->rule == Rule::on_mapping_by_superuser && !set_by_superuser && !harmless)
    throw Error(sqlstate::insufficient_privilege, "permission denied to set option \"" + option.name + "\"",
                {}, "Only a superuser may set it on a user mapping.");
  if (known->number && !is_number(option.value))
    throw Error(sqlstate::invalid_parameter,
                "invalid value for option \"" + option.name + "\": \"" + option.value + "\"", {},
                "Give a whole number.");
  if (option.name == "password_required" && !parse_bool(option.value))
    throw Error(sqlstate::invalid_parameter,
                "invalid value for option \"password_required\": \"" + option.value + "\"", {},
                "Give true or false.");
}

std::vector<ConnectionOption> connection_options(const ConnectionSource &source) {
  if (!source.mapping_found)
    throw Error(
        sqlstate::undefined_object,
        "user mapping not found for user \"" + source.role_name + "\", server \"" + source.server_name + "\"",
        {},
        "Create it with CREATE USER MAPPING FOR " + display_name(source.role_name) + " SERVER " +
            display_name(source.server_name) + " OPTIONS (user '...', password '...').");
  refuse_unknown(source.server_options, OptionPlace::server);
  refuse_unknown(source.mapping_options, OptionPlace::user_mapping);

  std::vector<ConnectionOption> options;
  for (const AllowedOption &known : allowed) {
    const std::string name = known.name;
    if (name == "password_required") continue;  // for us, not for libpq
    if (const NamedOption *given = find(source.server_options, name))
      options.push_back({name, given->value, "server", false});
    else if (const NamedOption *mapped = find(source.mapping_options, name))
      options.push_back({name, mapped->value, "user mapping", is_secret(name)});
    else if (known.default_value != nullptr)
      options.push_back({name, known.default_value, "default", false});
    else if (name == "user")
      options.push_back({name, source.role_name, "default", false});
  }
  if (option_value(options, "dbname", "").empty())
    options.push_back({"dbname", option_value(options, "user", source.role_name), "default", false});

  if (password_must_be_used(source) && option_value(options, "password", "").empty())
    throw Error(
        sqlstate::password_required, "password is required",
        "Role \"" + source.role_name +
            "\" is not a superuser, so it must not log in as the operating system user of this server.",
        "Set one: ALTER USER MAPPING FOR " + display_name(source.role_name) + " SERVER " +
            display_name(source.server_name) + " OPTIONS (ADD password '...').");
  return options;
}

bool password_must_be_used(const ConnectionSource &source) {
  return !source.role_is_superuser && password_is_required(source);
}

void require_password_exchange(std::vector<ConnectionOption> &options, int libpq_version) {
  constexpr int first_with_require_auth = 160000;
  if (libpq_version < first_with_require_auth || !option_value(options, "require_auth", "").empty()) return;
  options.push_back({"require_auth", "scram-sha-256,md5", "default", false});
}

std::string option_value(const std::vector<ConnectionOption> &options, std::string_view name,
                         std::string otherwise) {
  for (const ConnectionOption &option : options)
    if (option.name == name) return option.value;
  return otherwise;
}

}  // namespace tablesync
