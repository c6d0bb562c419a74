// The entry point of the module: it registers all parts.
extern "C" {
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);
}

#include "pg/launcher/launcher.h"
#include "pg/pivot/pivot_kind.h"
#include "pg/run/run_kind.h"
#include "pg/server/guc.h"
#include "pg/server/modify_counter.h"
#include "pg/sync/sync_kind.h"
#include "pg/verify/verify_kind.h"

void _PG_init(void) {
  using namespace tablesync::pg;
  define_settings();
  install_modify_counter();
  register_kind(sync_kind);
  register_kind(verify_kind);
  register_kind(pivot_kind);
  register_kind(verify_pivot_kind);
  register_launcher();
}
