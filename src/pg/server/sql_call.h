// Arguments and results of SQL functions, as C++ values.
#pragma once

extern "C" {
#include "postgres.h"

#include "fmgr.h"
}

#include <optional>
#include <string>
#include <vector>

#include "core/base/rows.h"

namespace tablesync::pg {

// Arguments by position; nullopt is SQL NULL. name_argument() is for type name.
std::optional<std::string> text_argument(FunctionCallInfo fcinfo, int n);
std::optional<std::string> name_argument(FunctionCallInfo fcinfo, int n);
std::optional<bool> bool_argument(FunctionCallInfo fcinfo, int n);
std::optional<int> int_argument(FunctionCallInfo fcinfo, int n);
std::optional<std::string> jsonb_argument(FunctionCallInfo fcinfo, int n);  // as JSON text
// A text[]; NULL is an empty list. Throws 22004 for a null element.
std::vector<std::string> text_array_argument(FunctionCallInfo fcinfo, int n);

// Makes a composite value from the texts of its columns.
Datum record_result(FunctionCallInfo fcinfo, const Row &row);
// Returns all rows of a set-returning function.
Datum set_result(FunctionCallInfo fcinfo, const Rows &rows);

}  // namespace tablesync::pg
