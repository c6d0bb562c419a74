// One-dimensional arrays as array_in() takes them and array_out() writes them: {a,"b c",NULL}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/rows.h"

namespace tablesync {

std::string array_text(const Row &elements);
std::string array_text(const std::vector<std::string> &elements);
// Throws 08P01 for a text that is not such an array.
Row parse_array(std::string_view text);

}  // namespace tablesync
