#include "pg/run/run_notice.h"

extern "C" {
#include "postgres.h"

#include "utils/elog.h"
}

#include "pg/server/airlock.h"

namespace tablesync::pg {

void notice(const RunSpec &spec, const std::string &text, const std::string &detail,
            const std::string &hint) {
  const std::string message = display_name(spec.target.name) + ": " + text;
  call([&] {
    ereport(NOTICE, (errmsg("%s", message.c_str()), detail.empty() ? 0 : errdetail("%s", detail.c_str()),
                     hint.empty() ? 0 : errhint("%s", hint.c_str())));
  });
}

}  // namespace tablesync::pg
