// The one place that decides which kind of Source serves a call.
#pragma once

#include <memory>
#include <string>

#include "core/range/source.h"
#include "remote/host.h"

namespace tablesync::pg {

// Connects to the foreign server of that name with the current user's mapping. `host` must outlive the
// source. Throws as connection_settings() does, and 08001 if the connection fails.
std::unique_ptr<Source> make_source(remote::Host &host, const std::string &server, int memory_limit_mb);

}  // namespace tablesync::pg
