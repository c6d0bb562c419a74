// decode_value: the values of the commonest types without the call of their receive functions.
#pragma once

extern "C" {
#include "postgres.h"

#include "pg/server/compat.h"
}

namespace tablesync::pg {

// The longest text whose header is one byte; longer ones are left to the receive function.
constexpr int short_text = VARATT_SHORT_MAX - VARHDRSZ_SHORT;

// The value that the receive function of `type` would make of these bytes, bit by bit (but for a text's
// header, which is short). False where that function must decide. `room`: of VARATT_SHORT_MAX bytes, which
// the value may be in; else it is in the current memory context. Server code: raises with ereport.
bool decode_value(Oid type, int32 typmod, char *bytes, int length, char *room, Datum *value);

}  // namespace tablesync::pg
