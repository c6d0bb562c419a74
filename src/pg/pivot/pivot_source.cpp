#include "pg/pivot/pivot_source.h"

#include "pg/run/run_notice.h"

namespace tablesync::pg {

void notice_once(const PivotSource &source, const std::string &text, const std::string &detail,
                 const std::string &hint) {
  if (source.noticed.insert(text).second) notice(source.spec, text, detail, hint);
}

}  // namespace tablesync::pg
