// RowFilter: drops the rows of a stream that a table of the target has already as they are, so that only
// changed and new rows are staged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/progress.h"
#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"

namespace tablesync {

// As a RowSource: the rows that passed, in any order. rows() and bytes() count those that have arrived.
class RowFilter : public RowSource {
 public:
  // Filters `source`, which must outlive this, and reads it at most at `rate`. Call it once.
  virtual void read(RowSource &source, const Rate &rate, Progress &progress) = 0;
  // Whether no row passes. Waits for the first one that does, or for the end.
  virtual bool is_empty() = 0;

  // Of the rows so far: those that passed, and those that were dropped.
  virtual std::int64_t passed() const = 0;
  virtual std::int64_t dropped() const = 0;

  // ---- after the end

  // Whether a row may have had the key of a row before it, which then was dropped.
  virtual bool repeats_key() const = 0;
  // How many rows of the target no row had the key of; without a key: was like.
  virtual std::int64_t gone() const = 0;
  // Puts their keys into `table`, which has the columns of the key; without a key their places: the oid of
  // the table that holds the row, and its ctid.
  virtual void list_gone(const QualifiedName &table) = 0;

  // Closes its files, before the transaction ends. Call it last; not after a failure.
  virtual void end() = 0;

  // How many rows the target has, and how they are compared, for the records: "in memory".
  virtual std::int64_t held() const = 0;
  virtual const std::string &way() const = 0;
};

}  // namespace tablesync
