#include "pg/sync/custom_count.h"

#include "core/base/cell.h"
#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"

namespace tablesync::pg {

void CustomCount::read(TablePair &pair) {
  if (pair.spec.custom_count.empty()) return;
  const Rows rows = pair.source->query(pair.user_sql().count);
  const std::string count = rows.size() == 1 ? single<std::string>(rows) : "";
  if (count.empty() || count.find_first_not_of("0123456789") != std::string::npos || count.size() > 18)
    throw Error("42601", "custom_count must be one SELECT that returns one number",
                "It returned " +
                    (rows.size() == 1 ? "\"" + count + "\"" : std::to_string(rows.size()) + " rows") + ".");
  counted_ = as_int64(count);
}

// It counts all rows of the sync, so a run that reads a part of them must not read more.
void CustomCount::check(std::int64_t rows_read, bool everything) const {
  if (counted_ < 0) return;
  if (everything ? rows_read == counted_ : rows_read <= counted_) return;
  throw Error(sqlstate::wrong_state,
              "custom_count counted " + counted(counted_, "row") + ", but the source returned " +
                  with_commas(rows_read),
              "Both were read in one snapshot.",
              "Let custom_count count the rows of the same query, or leave it out.");
}

}  // namespace tablesync::pg
