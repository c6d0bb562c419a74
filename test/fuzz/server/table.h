// A table without a server, as store_rows() needs one: what it stores is read to its last byte, and counted.
#pragma once

#include <vector>

#include "fuzz/fuzzer.h"
#include "fuzz/values.h"

extern "C" {
#include "postgres.h"

#include "utils/rel.h"
}

namespace tablesync::fuzz {

// One at a time. `in_pages`: it takes rows by heap_pages. Lives until the next one.
Relation make_table(Random &random, const std::vector<Kind> &columns, bool in_pages);
std::vector<const char *> names_of_table();
// Whether even a valid stream may be refused: for its NULLs, or by a receive function.
bool table_refuses_values();
long rows_in_table();

}  // namespace tablesync::fuzz
