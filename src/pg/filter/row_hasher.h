// RowHasher: hashes of a row, of its key and of its stored image. Equal hashes stand for equal images: rows
// for which the operator *= of the server is true.
//
// Plain data in memory contexts, and server code: it raises with ereport.
#pragma once

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
}

#include "core/base/known_rows.h"

namespace tablesync::pg {

struct RowHasher {
  TupleDesc shape;            // of the compared columns
  const int *key;             // the key's among them, from 0
  int key_count;              // 0: there is none
  unsigned char secret[192];  // whoever writes the rows cannot choose two of the same hash
  char *image;                // as heap_form_tuple() would store the row, without a header
  Size room;
};

// A hasher in the current memory context.
RowHasher make_row_hasher(TupleDesc shape, const int *key, int key_count);
// Hashes a row by its values, none of which may be compressed or out of line. False where its key has a null.
bool hash_values(RowHasher &hasher, const Datum *values, const bool *nulls, RowHashes *hash);
// Hashes a stored row of the same shape, whose values are neither compressed nor out of line.
void hash_stored(const RowHasher &hasher, HeapTupleHeader row, Size size, const Datum *values,
                 RowHashes *hash);

}  // namespace tablesync::pg
