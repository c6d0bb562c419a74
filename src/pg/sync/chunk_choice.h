// Whether a sync is done in chunks.
#pragma once

#include <string>

#include "core/spec/sync_spec.h"
#include "pg/sync/table_sync.h"

namespace tablesync::pg {

// The decision whether a sync is done in chunks. `sync` must be prepared. Throws 42P10 where the call asks
// for chunks but the table has no key, 0A000 where there is no server.
struct ChunkChoice {
  bool chunks = false;
  std::string why;          // a clause that follows "because"
  SourceFiles files;        // of the source; empty where they were not read
  bool surprising = false;  // the caller did not choose this, and should be notified
};
ChunkChoice choose_chunks(const SyncSpec &spec, TableSync &sync);

}  // namespace tablesync::pg
