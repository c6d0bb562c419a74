// store_rows: the fast way into a table that asks for nothing but its rows: one whose key is built later, or
// the stage. It does for each row what COPY FROM (FORMAT binary) does, on the message as it came from the
// source: no second buffer, and the commonest types without a function call.
#pragma once

extern "C" {
#include "postgres.h"

#include "utils/rel.h"
}

namespace tablesync::pg {

// Gives the next message of the stream, as RowSource::next_row() does. `context` is what store_rows() was
// given.
using NextMessage = char *(*)(void *context, size_t *size);

// Whether the table needs none of COPY FROM's services: plain, without indexes, triggers, checks, generated
// columns, and with every column in the stream.
bool stores_plain_rows(Relation relation, int column_count);

// Reads the stream to its end and stores its rows; returns their number. `columns`: names, in the stream's
// order. Server code: raises with ereport, so call it inside the airlock. 22P04 for what is not the format.
uint64 store_rows(Relation relation, const char *const *columns, int column_count, bool freeze,
                  NextMessage next, void *context);

}  // namespace tablesync::pg
