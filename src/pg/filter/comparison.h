// Comparison: a scan of the target fills a table of hashes, then each row of a stream is looked up by its
// key. Rows that differ pass; the others are dropped.
//
// Plain data in a memory context, and the hash table; server code: it raises with ereport.
#pragma once

extern "C" {
#include "postgres.h"
}

#include <atomic>
#include <cstdint>

#include "pg/filter/held_rows.h"
#include "pg/filter/row_spill.h"
#include "pg/rows/row_former.h"

namespace tablesync::pg {

struct Comparison {
  MemoryContext context;
  HeldTable held;
  RowFormer former;
  int mark;  // the attribute that marks a row as deleted; below 0: there is none
  KnownRows *known;
  RowSpill spill;
  int64 held_rows;
  int64 most;  // rows of `known`
  // The stream.
  bool header_taken, trailer_taken;
  int64 arrived, passed, dropped, left;
  bool repeats;
  int pass, part;  // part: whose rows are read back; below 0: none yet
};

// Scans the target; `estimate`: about how many rows it has. Adds them to `progress`.
void scan_target(Comparison &comparison, double estimate, std::atomic<std::uint64_t> *progress);
// Moves the rows of a pass from their files into the hash table.
void load_pass(Comparison &comparison, int pass);

// Returns the next message of the stream, as RowSource::next_row() does.
using NextMessage = char *(*)(void *context, size_t *size);
// The next row of the stream that passes at once; null at its end. Rows of later passes are spilled.
char *next_of_stream(Comparison &comparison, NextMessage next, void *context, size_t *size);
// After the end of the stream: the next of the spilled rows that passes; null after the last. Then
// `comparison.left` is final.
char *next_of_spill(Comparison &comparison, size_t *size);

}  // namespace tablesync::pg
