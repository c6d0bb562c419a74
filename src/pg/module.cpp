// The module's entry: a list.
extern "C" {
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

void _PG_init(void);
}

#include "pg/launcher/launcher.h"
#include "pg/server/guc.h"
#include "pg/server/modify_counter.h"

void _PG_init(void) {
  tablesync::pg::define_settings();
  tablesync::pg::install_modify_counter();
  tablesync::pg::register_launcher();
}
