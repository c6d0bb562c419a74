#include "pg/target/make_target.h"

#include "pg/target/local_target.h"

namespace tablesync::pg {

std::unique_ptr<Target> make_target(const SyncSpec &) { return std::make_unique<LocalTarget>(); }

}  // namespace tablesync::pg
