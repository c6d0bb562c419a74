// Whose code a run would run: triggers, defaults and domains of a table that it writes are its owner's, and
// would run with the rights of the role that the run is of.
#pragma once

#include <string>

#include "core/spec/run_spec.h"

namespace tablesync::pg {

// Throws 42501 where the table, or one of its partitions or children, belongs to a role that the current user
// does not trust; not where the call says trust_owner. A role trusts itself, superusers and, where it is no
// superuser, the roles that it is a member of.
void check_trust(unsigned int table, const RunSpec &spec);
// The same for a schema in which a table is to be made, for superusers. (What another role makes there is its
// own.)
void check_schema_trust(const std::string &schema, const RunSpec &spec);

}  // namespace tablesync::pg
