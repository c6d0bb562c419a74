#include "pg/record/difference_record.h"

#include "core/base/quote.h"
#include "pg/record/state.h"

namespace tablesync::pg {

void record_differences(std::int64_t run_id, const RunSpec &spec,
                        const std::vector<Difference> &differences) {
  int number = 0;
  for (const Difference &difference : differences) {
    std::vector<std::string> columns;
    for (const std::string &column : difference.columns) columns.push_back(quote_literal(column));
    own_state(
        "INSERT INTO tablesync.difference (run_id, difference_no, owner, target, kind, row_key, columns) "
        "VALUES ($1::int8, $2::int4, $owner, $3, $4, $5, " +
            (columns.empty() ? "NULL" : "ARRAY[" + join(columns, ", ") + "]") + ")",
        {std::to_string(run_id), std::to_string(++number), display_name(spec.target), difference.kind,
         difference.key});
  }
}

Rows find_differences(std::int64_t run_id) {
  return latest_own_state(
      "SELECT kind, row_key, columns FROM tablesync.difference WHERE run_id = $1::int8 AND owner = $owner "
      "ORDER BY difference_no",
      {std::to_string(run_id)});
}

}  // namespace tablesync::pg
