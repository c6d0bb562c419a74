#include "pg/record/difference_record.h"

#include "core/base/quote.h"
#include "pg/record/state.h"

namespace tablesync::pg {

void record_differences(std::int64_t run_id, const RunSpec &spec,
                        const std::vector<Difference> &differences) {
  int number = 0;
  for (const Difference &difference : differences)
    own_state("INSERT INTO tablesync.difference (run_id, difference_no, owner, target, " +
                  names_of<Difference>() + R"()
VALUES ($1::int8, $2::int4, $owner, $3, )" +
                  parameters_of<Difference>(4) + ")",
              Row{std::to_string(run_id), std::to_string(++number), display_name(spec.target)} +
                  encode(difference));
}

std::vector<Difference> find_differences(std::int64_t run_id) {
  return decode_all<Difference>(latest_own_state("SELECT " + select_list<Difference>() + R"(
FROM tablesync.difference
WHERE run_id = $1::int8
  AND owner = $owner
ORDER BY difference_no)",
                                                 {std::to_string(run_id)}));
}

}  // namespace tablesync::pg
