// Whether what a decoder made is a value of its type, looked at without the decoder's code.
#pragma once

extern "C" {
#include "postgres.h"
}

#include <string>
#include <string_view>

#include "fuzz/values.h"

namespace tablesync::fuzz {

Oid oid_of(Kind kind);

// As its send function would write it; a boolean's byte is 0 or 1. Ends the program where the value is not
// well-formed. Not for jsonb.
std::string sent(Kind kind, Datum value);

// The document as text without spaces. Ends the program where it is not what jsonb.h describes: offsets and
// lengths that add up to its size, keys in order, nothing behind its end.
std::string text_of_jsonb(Datum value);
// A document in JSON, without the spaces between its parts; a zero has no sign.
std::string without_spaces(std::string_view json);

}  // namespace tablesync::fuzz
