// Worker slots limit the concurrent background workers of a role (tablesync.max_workers_per_role), so that no
// role takes all workers of the server. A slot is a lock of the process that waits for the worker, or of the
// worker itself, so it is released however that process ends. Superusers are not limited.
#pragma once

namespace tablesync::pg {

enum class SlotUntil { end_of_transaction, end_of_process };

// Takes a slot for a worker of this role. Returns its number, for release_worker_slot(); below 0 if the role
// is not limited. Throws 53000 if the role already has the maximum of workers.
int take_worker_slot(unsigned int role, SlotUntil until);
// Releases the slot before the end of the transaction.
void release_worker_slot(unsigned int role, int slot);

}  // namespace tablesync::pg
