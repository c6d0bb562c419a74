// decode_value: decodes values of the most common types without calling their receive functions.
#pragma once

extern "C" {
#include "postgres.h"

#include "pg/server/compat.h"
}

namespace tablesync::pg {

// The longest text whose header is one byte; longer ones are left to the receive function.
constexpr int short_text = VARATT_SHORT_MAX - VARHDRSZ_SHORT;

// Decodes exactly the value that the receive function of `type` would return (except the header of a text,
// which is short). Returns false if the caller must call that function. The value is in `room`, of
// VARATT_SHORT_MAX bytes, or in the current memory context. Server code: raises with ereport.
bool decode_value(Oid type, int32 typmod, char *bytes, int length, char *room, Datum *value);

}  // namespace tablesync::pg
