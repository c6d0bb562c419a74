#include "core/table/target_files.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "core/base/record.h"
#include "core/table/describe.h"

namespace tablesync {
namespace {

// The identity of the target, a colon, and " oid=file" for each file.
std::string_view subject_of(std::string_view text) { return text.substr(0, text.find(':')); }

std::map<std::string_view, std::string_view> files_of(std::string_view text) {
  std::map<std::string_view, std::string_view> files;
  for (size_t at = text.find(' '); at != std::string_view::npos; at = text.find(' ')) {
    text.remove_prefix(at + 1);
    const std::string_view entry = text.substr(0, text.find(' '));
    const size_t equals = std::min(entry.find('='), entry.size());
    files[entry.substr(0, equals)] = entry.substr(equals);
  }
  return files;
}

}  // namespace

std::string target_files_query() {
  return "WITH RECURSIVE " + parts_of_relation("$1::pg_catalog.oid") + R"(
SELECT p.oid, f.file FROM part p CROSS JOIN LATERAL pg_catalog.pg_relation_filenode(p.oid) AS f (file)
WHERE f.file IS NOT NULL ORDER BY p.oid)";
}

std::string target_files(const Table &target, const Rows &files) {
  std::string text = target.system_identifier + "/" + target.database_oid + "/" + target.oid + ":";
  for (const Row &file : files) {
    const auto [oid, number] = values_of<std::string, std::string>(file);
    text += " " + oid + "=" + number;
  }
  return text;
}

bool was_rewritten(const std::string &before, const std::string &now) {
  if (subject_of(before) != subject_of(now)) return false;
  const auto then = files_of(before), files = files_of(now);
  bool any_left = then.empty();
  for (const auto &[oid, file] : then) {
    const auto found = files.find(oid);
    if (found == files.end()) continue;
    if (found->second != file) return true;
    any_left = true;
  }
  return !any_left;
}

}  // namespace tablesync
