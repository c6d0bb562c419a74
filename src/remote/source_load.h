// Asks a source how busy it is.
#pragma once

#include "core/spec/source_limits.h"
#include "remote/connection.h"

namespace tablesync::remote {

// In one statement, outside of any transaction: between two askings the source is not held in anything.
// Throws 42501, with the GRANT as hint, where the role there may not see it.
SourceLoad read_source_load(Connection &connection);

}  // namespace tablesync::remote
