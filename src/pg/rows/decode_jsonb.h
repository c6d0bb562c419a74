// decode_jsonb: a fast jsonb_recv() for the usual documents of jsonb_send(): strings without escapes, keys in
// the order in which jsonb stores them. It lays out such a document in one pass over its text. jsonb_recv()
// builds a tree first, which takes half of the time of loading rows with a document.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace tablesync::pg {

// Returns exactly the value that jsonb_recv() would return for these bytes, allocated in the current memory
// context; nullptr if the caller must call jsonb_recv(). Server code: raises with ereport (bytes that are not
// valid text).
struct varlena *decode_jsonb(const char *bytes, int length);

}  // namespace tablesync::pg
