// The launcher: with shared_preload_libraries, one process of the server that looks after the databases of
// tablesync.databases. It is connected to none of them: every tablesync.launcher_naptime it has a short-lived
// worker do the upkeep of each (upkeep.h), so that nothing of ours keeps a database from being dropped.
#pragma once

namespace tablesync::pg {

// Has the postmaster start the launcher, and start it again where it fails. Call it from _PG_init; no effect
// in a process that loads the library later.
void register_launcher();

}  // namespace tablesync::pg
