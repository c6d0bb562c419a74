// The libpq options that a foreign server and a user mapping may have, and the input of a connection.
//
// The list is our own and short: libpq options that read files or the environment of the server's
// operating system user (service, passfile, options, replication, ...) are not on it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tablesync {

enum class OptionPlace { server, user_mapping };

struct NamedOption {
  std::string name;
  std::string value;
};

// One option that a connection uses, and its origin.
struct ConnectionOption {
  std::string name;
  std::string value;
  std::string origin;  // "server", "user mapping" or "default"
  bool secret = false;
};

// The foreign server and the user mapping that a connection is made from.
struct ConnectionSource {
  std::string server_name;
  std::string wrapper_name;  // tablesync, postgres_fdw or dblink_fdw
  std::string role_name;     // the local role: the default for `user`
  bool role_is_superuser = false;
  bool mapping_found = false;
  std::vector<NamedOption> server_options;
  std::vector<NamedOption> mapping_options;
};

// Checks one option of CREATE SERVER / CREATE USER MAPPING for our own wrapper. Throws HV00D for an unknown
// option (hint: the nearest valid one), 42501 for one that only a superuser may set, 22023 for a bad value.
void check_option(const NamedOption &option, OptionPlace place, bool set_by_superuser);

// All options to connect with, including defaults, in the order of the allow-list.
// Options of postgres_fdw and dblink_fdw that do not concern the connection are skipped. Throws HV00D for an
// option that is not allowed, 2F003 if a role that is not a superuser has no password, 42704 without a user
// mapping.
std::vector<ConnectionOption> connection_options(const ConnectionSource &source);

// Whether the login must have used the password, so that a role cannot borrow the identity of the server's
// operating system user (trust, peer, client certificate). dblink and postgres_fdw have the same rule.
bool password_must_be_used(const ConnectionSource &source);

// Restricts libpq to exchanges that do not reveal the password. Has an effect from libpq 16 on, unless the
// options choose the exchanges.
void require_password_exchange(std::vector<ConnectionOption> &options, int libpq_version);

// The value of `name`, or `otherwise`.
std::string option_value(const std::vector<ConnectionOption> &options, std::string_view name,
                         std::string otherwise);

}  // namespace tablesync
