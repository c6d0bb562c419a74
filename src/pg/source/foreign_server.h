// Foreign servers and user mappings of this database, as the source of a connection.
#pragma once

#include <string>

#include "core/spec/connection_option.h"
#include "remote/connection.h"

namespace tablesync::pg {

// Looks up `server` and the current user's mapping. Throws 42704 for an unknown server, 42809 for one of
// another kind of wrapper, 42501 without USAGE. Does not throw for a missing mapping (mapping_found is
// false).
ConnectionSource connection_source(const std::string &server);

// The connection settings of the current user. `most_mb`: memory for one row or answer, in megabytes. The
// result has the password: keep it out of messages and shared memory.
remote::ConnectionSettings connection_settings(const std::string &server, int most_mb);

}  // namespace tablesync::pg
