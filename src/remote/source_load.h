// Reads the load of a source.
#pragma once

#include "core/spec/source_limits.h"
#include "remote/connection.h"

namespace tablesync::remote {

// Runs one statement outside of any transaction, so that nothing is held on the source between two calls.
// Throws 42501, with the GRANT as hint, if the role on the source may not see its load.
SourceLoad read_source_load(Connection &connection);

}  // namespace tablesync::remote
