// TableChunkCopier: copies the rows of one chunk of a sync, in one transaction on the source and one on the
// target.
#pragma once

#include <cstdint>
#include <string>

#include "pg/chunk/chunk_copier.h"
#include "pg/sync/table_sync.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class TableChunkCopier final : public ChunkCopier {
 public:
  TableChunkCopier(const SyncSpec &spec, RunSteps &steps, TableSync &sync, bool in_parallel)
      : ChunkCopier(spec, sync.pair().run_id, steps, in_parallel),
        spec_(spec),
        sync_(sync),
        pair_(sync.pair()) {}

  std::string open() override;
  // The same, but `statements` statements share the time limit of a transaction on the source; 0: without a
  // limit. open() assumes the statements of one chunk.
  std::string open(int statements);
  // Returns why the chunks of the checkpoint cannot be continued, as a clause that follows "because"; empty
  // if they can.
  std::string outdated() const;
  const std::string &subject() const override { return pair_.target.oid; }

  SourceFiles files;

 private:
  void find_end() override;
  bool copy_rows() override;
  void close_source() override { pair_.source->close(); }
  void lose_source() override;
  std::int64_t size_after(double seconds) const override;
  std::int64_t fair_size(std::int64_t pages_left) const;
  void store();
  void stage();
  SourceRows rows_in_chunk(const SourceRows &rows) const;

  const SyncSpec &spec_;
  TableSync &sync_;
  TablePair &pair_;
  Stage stage_{*pair_.the_target, stage_name, OnCommit::empty};  // kept for many chunks
};

}  // namespace tablesync::pg
