#include "pg/pivot/pivot_source.h"

#include "pg/run/run_notice.h"

namespace tablesync::pg {

void tell_once(const PivotSource &source, const std::string &text, const std::string &detail,
               const std::string &hint) {
  if (source.told.insert(text).second) tell(source.spec, text, detail, hint);
}

}  // namespace tablesync::pg
