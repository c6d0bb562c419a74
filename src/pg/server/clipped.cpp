#include "pg/server/clipped.h"

extern "C" {
#include "postgres.h"

#include "mb/pg_wchar.h"
}

#include <cstring>

namespace tablesync::pg {

std::string clipped(const std::string &text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  const int kept = pg_mbcliplen(text.data(), static_cast<int>(text.size()), static_cast<int>(bytes));
  return text.substr(0, static_cast<std::size_t>(kept));
}

void copy_clipped(char *buffer, std::size_t size, const std::string &text) {
  const std::string kept = clipped(text, size - 1);
  std::memcpy(buffer, kept.c_str(), kept.size() + 1);
}

}  // namespace tablesync::pg
