// Plain tables: those whose rows are where their name says. An extension may own the planning of a table
// (TimescaleDB that of a hypertable, Citus that of a reference or a local table): statements then read and
// write its rows elsewhere, and what is written into the table's own file is seen by nobody. The server's
// planner says which is the case, whatever the extension. It is asked only where an extension takes part in
// planning.
#pragma once

#include "core/base/quote.h"

namespace tablesync::pg {

// Whether statements read the table where it is: a heap or a partitioned table of heaps, which is scanned
// itself.
bool is_read_in_place(const QualifiedName &table);
// The same for reading and writing: then its rows may be written without a statement. False without SELECT
// and INSERT.
bool is_plain_table(const QualifiedName &table);

}  // namespace tablesync::pg
