// Whether a sync is done in chunks.
#pragma once

#include <string>

#include "core/spec/sync_spec.h"
#include "pg/sync/table_sync.h"

namespace tablesync::pg {

// Whether a sync is done in chunks, and why, fit to follow "because". Throws 42P10 where chunks are asked for
// and there is no key, 0A000 without a server. `sync` is prepared.
struct ChunkChoice {
  bool chunks = false;
  std::string why;
  SourceFiles files;        // of the source, where it was asked for
  bool surprising = false;  // the caller did not say so, and should know
};
ChunkChoice choose_chunks(const SyncSpec &spec, TableSync &sync);

}  // namespace tablesync::pg
