// Foreign servers and user mappings of this database, as the source of a connection.
#pragma once

#include <string>

#include "core/spec/connection_option.h"
#include "remote/connection.h"

namespace tablesync::pg {

// Looks up `server` and the current user's mapping. Throws 42704 for an unknown server, 42809 for one of
// another kind of wrapper, 42501 without USAGE. A missing mapping is not an error here (mapping_found is
// false).
ConnectionSource connection_source(const std::string &server);

// What to connect with, for the current user, and how much memory (in megabytes) one row or answer may take.
// Reads the password: keep the result out of messages and shared memory.
remote::ConnectionSettings connection_settings(const std::string &server, int most_mb);

}  // namespace tablesync::pg
