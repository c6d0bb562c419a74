// The launcher: with shared_preload_libraries, one process of the server that looks after the databases of
// tablesync.databases. It is connected to none of them: every tablesync.launcher_naptime it starts a
// short-lived worker for the upkeep of each (upkeep.h), so that a database can be dropped at any time.
#pragma once

namespace tablesync::pg {

// Registers the launcher with the postmaster, which restarts it if it fails. Call it from _PG_init; it has no
// effect in a process that loads the library later.
void register_launcher();

}  // namespace tablesync::pg
