// ChangedRows: the rows of the source that the target does not have as they are. A sync that reads everything
// stages only these, and knows which rows of the target are gone from the source.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/sql/deparse_source.h"
#include "pg/pair/table_pair.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class ChangedRows {
 public:
  // Why every row must be staged, as a clause that follows "because"; empty if another way can be tried.
  static std::string obstacle(TablePair &pair);
  // Why digests cannot be compared, likewise. `rows`: those that the sync reads.
  static std::string digest_obstacle(const TablePair &pair, const SourceRows &rows);
  // Finds them the way that the call asks for: reads the target, or digests of both sides. Returns null where
  // every row must be staged after all: then `why_not` is such a clause.
  static std::unique_ptr<ChangedRows> of(TablePair &pair, const SourceRows &rows, std::string &why_not);
  virtual ~ChangedRows() = default;

  // Makes the stage and puts the rows there; makes none where there is none and none is gone. Fills
  // counts.read. Returns how many are staged.
  virtual std::int64_t stage(Stage &stage) = 0;

  // ---- then

  virtual std::int64_t unchanged() const = 0;  // rows of the source that are not staged
  virtual std::int64_t gone() const = 0;       // rows of the target that the source lacks
  // Whether a row may have had the key of a row that is not staged.
  virtual bool repeats_key() const = 0;
  // Lists the rows that are gone in gone_name, for Deletes::listed.
  void list_gone();
  // Call it last, before the transaction ends; not after a failure.
  virtual void end() {}

 protected:
  ChangedRows(TablePair &pair, SourceRows rows) : pair_(pair), rows_(std::move(rows)) {}

  TablePair &pair_;
  const SourceRows rows_;

 private:
  virtual void list_gone_in(const QualifiedName &table) = 0;
};

}  // namespace tablesync::pg
