// decode_jsonb: what jsonb_recv() does, for the documents that jsonb_send() mostly writes: strings without
// escapes, keys in the order in which jsonb stores them. Such a document is laid out in one pass over its
// text; the general way builds a tree of it first, and takes half of the time of a load of rows with one.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace tablesync::pg {

// The value that jsonb_recv() would make of these bytes, bit by bit, allocated in the current memory context;
// nullptr where that function must be asked. Server code: raises with ereport (bytes that are not text of the
// database).
struct varlena *decode_jsonb(const char *bytes, int length);

}  // namespace tablesync::pg
