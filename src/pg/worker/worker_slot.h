// Worker slots: how many background workers a role may have at one time (tablesync.max_workers_per_role), so
// that no role takes all that the server has. A slot is a lock: of whoever waits for the worker, else of the
// worker itself, so it is free again when that process is gone, however it ended. Superusers are not limited.
#pragma once

namespace tablesync::pg {

enum class SlotUntil { end_of_transaction, end_of_process };

// Takes a slot for a worker of this role. Returns its number, for release_worker_slot(); below 0 where the
// role is not limited. Throws 53000 where the role has as many workers as it may have.
int take_worker_slot(unsigned int role, SlotUntil until);
// Before the end of the transaction.
void release_worker_slot(unsigned int role, int slot);

}  // namespace tablesync::pg
