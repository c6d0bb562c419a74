// Making and altering the tables of a target.
#pragma once

#include <string>

#include "core/base/quote.h"
#include "core/spec/run_spec.h"
#include "core/table/table.h"

namespace tablesync::pg {

// Makes the schema if it is absent, and the table with the source's columns, types, NOT NULLs, identities,
// collations and comments, without a key. Types that are missing here become text, with a NOTICE.
void create_target(const QualifiedName &name, const Table &source, const RunSpec &spec);

// Makes the schema if it is absent, and holds it. Throws 42501 where the current user may not make tables in
// it or does not trust its owner, or it is one of the system's or our own.
void prepare_schema(const std::string &schema, const RunSpec &spec);
// Throws 42501 where prepare_schema() would, and changes nothing.
void check_may_prepare(const std::string &schema, const RunSpec &spec);

// Alter an existing target: a column more, or the type of one as wide as on the source. Throw 42501 where the
// current user does not own the table, 42704 where the type does not exist here.
void add_target_column(const QualifiedName &target, const Column &source);
void widen_target_column(const QualifiedName &target, const Column &source);

}  // namespace tablesync::pg
