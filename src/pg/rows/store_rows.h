// store_rows: a fast COPY FROM (FORMAT binary) for plain tables: a target whose key is built later, or the
// stage. It works on the message as it came from the source, without a second buffer, and decodes the most
// common types without a function call.
#pragma once

extern "C" {
#include "postgres.h"

#include "utils/rel.h"
}

namespace tablesync::pg {

// Returns the next message of the stream, as RowSource::next_row() does. `context` is the argument of
// store_rows().
using NextMessage = char *(*)(void *context, size_t *size);

// Whether the table needs none of COPY FROM's services: plain, without triggers, checks, generated columns,
// and with every column in the stream; and, unless they are built later, without indexes.
enum class Indexes { none, built_later };
bool stores_plain_rows(Relation relation, int column_count, Indexes indexes = Indexes::none);

// Reads the stream to its end and stores its rows; returns their number. `columns`: names, in the stream's
// order. `freeze`: no other session sees the table yet. Server code: raises with ereport, so call it inside
// the airlock. Raises 22P04 for another format.
uint64 store_rows(Relation relation, const char *const *columns, int column_count, bool freeze,
                  NextMessage next, void *context);

}  // namespace tablesync::pg
