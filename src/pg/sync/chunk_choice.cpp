#include "pg/sync/chunk_choice.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "pg/server/guc.h"

namespace tablesync::pg {

ChunkChoice choose_chunks(const SyncSpec &spec, TableSync &sync) {
  TablePair &pair = sync.pair();
  const bool asked = spec.chunk_mode == ChunkMode::always;
  if (spec.chunk_mode == ChunkMode::never) return {false, "chunk_mode is false", {}};
  if (!pair.source) {
    if (asked) throw Error(sqlstate::not_supported, "chunk_mode needs a server");
    return {};
  }
  if (asked && !pair.plan.keyed())
    throw Error(sqlstate::invalid_key,
                "chunk_mode needs a key, and \"" + display_name(pair.source_table.name) + "\" has none",
                "Rows that moved between two chunks are found again by their key.",
                "Give the source a primary key, or pass primary_key => ARRAY[...].");
  if (!asked && sync.window().kind != ReadWindow::Kind::everything)
    return {false, "only a part of the table is read", {}};
  const SourceFiles files = pair.source->files();
  if (asked) return {true, "chunk_mode is true", files};
  if (pair.checkpoint && !spec.restart) return {true, "the sync was begun in chunks", files};
  const std::int64_t threshold = static_cast<std::int64_t>(chunk_threshold_mb) << 20;
  const std::string size = "it has " + human_bytes(files.bytes);
  const std::string limit = "tablesync.chunk_threshold is " + human_bytes(threshold);
  if (files.bytes < threshold) return {false, size + ", and " + limit, files};
  if (!pair.plan.keyed()) return {false, "it has no key, though " + size, files, true};
  if (!spec.custom_count.empty())
    return {false, "custom_count counts the rows of one snapshot, though " + size, files, true};
  return {true, size + ", and " + limit, files, true};
}

}  // namespace tablesync::pg
