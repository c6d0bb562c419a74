// The record of the differences that a verification found. state.h writes and reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/record.h"
#include "core/spec/run_spec.h"

namespace tablesync::pg {

struct Difference {
  std::string kind;  // missing, extra, different
  std::string key;
  std::vector<std::string> columns;  // that differ; empty if only one side has the row

  // The columns of verify_table().
  template <typename Record, typename Visitor>
  static void each_column(Record &difference, Visitor &&column) {
    column("kind", difference.kind);
    column("row_key", difference.key);
    column("columns", or_null(difference.columns));
  }
};
// Records the differences that a run listed.
void record_differences(std::int64_t run_id, const RunSpec &spec, const std::vector<Difference> &differences);
// The differences of one of the current user's runs.
std::vector<Difference> find_differences(std::int64_t run_id);

}  // namespace tablesync::pg
