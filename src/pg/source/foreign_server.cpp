#include "pg/source/foreign_server.h"

extern "C" {
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
}

#include "core/base/error.h"
#include "core/base/quote.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"

namespace tablesync::pg {
namespace {

std::vector<NamedOption> named_options(List *options) {
  std::vector<NamedOption> named;
  ListCell *cell;
  foreach (cell, options) {
    auto *definition = static_cast<DefElem *>(lfirst(cell));
    const char *value = call([&] { return defGetString(definition); });
    named.push_back({definition->defname, value});
  }
  return named;
}

// As the server's GetUserMapping(), but without an error for a missing mapping: the caller has a better one.
bool has_user_mapping(Oid user, Oid server) {
  return call([&] {
    return SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user), ObjectIdGetDatum(server)) ||
           SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
                                 ObjectIdGetDatum(server));
  });
}

}  // namespace

ConnectionSource connection_source(const std::string &server_name) {
  ForeignServer *server = call([&] { return GetForeignServerByName(server_name.c_str(), true); });
  if (server == nullptr)
    throw Error(sqlstate::undefined_object, "server \"" + server_name + "\" does not exist", {},
                "Create it with CREATE SERVER " + display_name(server_name) +
                    " FOREIGN DATA WRAPPER tablesync OPTIONS (host '...', dbname '...').");
  Oid const user = GetUserId();
  const char *const user_name = call([&] { return GetUserNameFromId(user, false); });
  if (call([&] { return compat_aclcheck_server(server->serverid, user, ACL_USAGE); }) != ACLCHECK_OK)
    throw Error(sqlstate::insufficient_privilege, "permission denied for foreign server " + server_name, {},
                "GRANT USAGE ON FOREIGN SERVER " + display_name(server_name) + " TO " +
                    display_name(user_name) + ".");
  const char *const wrapper = call([&] { return GetForeignDataWrapper(server->fdwid)->fdwname; });

  ConnectionSource source;
  source.server_name = server_name;
  source.wrapper_name = wrapper;
  if (source.wrapper_name != "tablesync" && source.wrapper_name != "postgres_fdw" &&
      source.wrapper_name != "dblink_fdw")
    throw Error(sqlstate::wrong_object_type,
                "server \"" + server_name + "\" does not use a PostgreSQL foreign data wrapper",
                "Its foreign data wrapper is \"" + source.wrapper_name + "\".",
                "Use a server of tablesync, postgres_fdw or dblink_fdw.");
  source.role_name = user_name;
  source.server_options = named_options(server->options);
  source.mapping_found = has_user_mapping(user, server->serverid);
  source.role_is_superuser = call([&] { return superuser_arg(user); });
  if (source.mapping_found) {
    UserMapping *mapping = call([&] { return GetUserMapping(user, server->serverid); });
    source.mapping_options = named_options(mapping->options);
    // A PUBLIC mapping has no owner, so the rule for the current user applies.
    if (OidIsValid(mapping->userid))
      source.role_is_superuser = call([&] { return superuser_arg(mapping->userid); });
  }
  return source;
}

remote::ConnectionSettings connection_settings(const std::string &server, int most_mb) {
  const ConnectionSource source = connection_source(server);
  remote::ConnectionSettings settings;
  settings.server_name = server;
  settings.options = connection_options(source);
  settings.client_encoding = pg_encoding_to_char(GetDatabaseEncoding());
  settings.password_must_be_used = password_must_be_used(source);
  settings.stall_timeout = std::chrono::milliseconds(stall_timeout_ms);
  settings.most_bytes = static_cast<std::int64_t>(most_mb) << 20;
  return settings;
}

}  // namespace tablesync::pg

extern "C" {

PG_FUNCTION_INFO_V1(tablesync_fdw_validator);

// tablesync.fdw_validator(text[], oid): checks the options of CREATE/ALTER SERVER and USER MAPPING.
Datum tablesync_fdw_validator(PG_FUNCTION_ARGS) {
  using namespace tablesync;
  return pg::enter([&]() -> Datum {
    List *options = pg::call([&] { return untransformRelOptions(PG_GETARG_DATUM(0)); });
    Oid const catalog = PG_GETARG_OID(1);
    const auto given = pg::named_options(options);
    if (catalog != ForeignServerRelationId && catalog != UserMappingRelationId) {
      if (!given.empty())
        throw Error(sqlstate::invalid_option, "invalid option \"" + given.front().name + "\"", {},
                    "Only servers and user mappings of tablesync have options.");
      PG_RETURN_VOID();
    }
    const bool is_superuser = pg::call([] { return superuser(); });
    for (const NamedOption &option : given)
      check_option(option,
                   catalog == ForeignServerRelationId ? OptionPlace::server : OptionPlace::user_mapping,
                   is_superuser);
    PG_RETURN_VOID();
  });
}
}
