// DigestedRows: changed rows that digests of both sides have found. Each side sums hashes of its rows by
// buckets; of buckets whose sums differ the source sends keys and hashes, and then the rows that differ. So
// little is sent over a thin link where little has changed.
#pragma once

#include <memory>

#include "pg/changes/changed_rows.h"
#include "pg/pair/compare.h"

namespace tablesync::pg {

class DigestedRows final : public ChangedRows {
 public:
  DigestedRows(TablePair &pair, SourceRows rows, Comparison found)
      : ChangedRows(pair, std::move(rows)), found_(std::move(found)) {}

  // Compares both sides. Null where so many rows differ that it is cheaper to read all.
  static std::unique_ptr<ChangedRows> of(TablePair &pair, const SourceRows &rows);

  std::int64_t stage(Stage &stage) override;
  std::int64_t unchanged() const override { return found_.source_rows - differing(); }
  std::int64_t gone() const override { return found_.extra; }
  bool repeats_key() const override { return false; }

 private:
  std::int64_t differing() const { return found_.missing + found_.different; }
  void list_gone_in(const QualifiedName &table) override;

  const Comparison found_;
};

}  // namespace tablesync::pg
