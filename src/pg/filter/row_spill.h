// RowSpill: rows that wait in temporary files because the hashes of all rows of a table do not fit into
// memory. Both sides are split by the hash of the key, as a hash join of the server splits them (nodeHash.c),
// and consecutive parts that fit together are compared in one pass.
//
// Plain data in memory contexts, and server code: it raises with ereport. The end of the transaction removes
// the files.
#pragma once

extern "C" {
#include "postgres.h"

#include "storage/buffile.h"
}

#include "core/base/known_rows.h"

namespace tablesync::pg {

struct RowSpill {
  int parts;          // a power of two; 0: nothing is spilled
  BufFile **held;     // hashes of the table's rows, by part
  int64 *held_rows;   // how many
  BufFile **arrived;  // rows of the stream that wait for their pass
  int *pass;          // of each part
  int passes;
  BufFile *left;  // rows of the table that no row of a finished pass was like
  char *row;      // that was read back
  Size room;
};

// A spill of so many parts, empty, in the current memory context.
RowSpill make_row_spill(int parts);
inline int part_of(const RowSpill &spill, const RowHashes &hash) {
  return static_cast<int>(hash.key & static_cast<uint64>(spill.parts - 1));
}
void spill_held(RowSpill &spill, const RowHashes &hash);
// Assigns the parts to passes of at most `most` rows each; returns the rows of the largest, or -1 where one
// part alone has more.
int64 choose_passes(RowSpill &spill, int64 most);
void spill_arrived(RowSpill &spill, const RowHashes &hash, const char *row, Size size);
// Reads the next one of the part's rows; null after the last. Valid until the next call, with room for a byte
// behind it.
char *next_arrived(RowSpill &spill, int part, RowHashes *hash, size_t *size);
// Makes the files of a part ready to be read from their beginning.
void rewind_part(RowSpill &spill, int part);
bool read_held(RowSpill &spill, int part, RowHashes *hash);
void close_part(RowSpill &spill, int part);
void close_spill(RowSpill &spill);  // all files
// A row that was left, and how many are like it.
void spill_left(RowSpill &spill, const RowHashes &hash, uint64 times);
void rewind_left(RowSpill &spill);
bool read_left(RowSpill &spill, RowHashes *hash, uint64 *times);

}  // namespace tablesync::pg
