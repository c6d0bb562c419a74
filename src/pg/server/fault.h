// Fault points: places where a test can make a run fail, die or wait. They exist only in builds with
// `make FAULTS=1`; in others fault_point() is empty.
//
// A superuser sets, by ALTER SYSTEM or ALTER ROLE, before the run:
//
//   tablesync.fault = 'point[:nth[:kind]]'      nth: from 1, the nth time that the process gets to it
//
//   error    (the default) an ERROR with SQLSTATE 40001, which is retried if the run has retries
//   fatal    a FATAL error: the process ends as the server ends it
//   sigkill  the process is killed, and the server restarts all others
//   pause    the process waits, with the application_name 'fault point NAME', until the configuration is
//            reloaded
#pragma once

namespace tablesync::pg {

// The points, in the order of a run.
#define TABLESYNC_FAULT_POINTS(POINT)                                                      \
  POINT(worker_started)      /* connected to its database; nothing of the run is known */  \
  POINT(run_begun)           /* the run's record is written, not committed */              \
  POINT(run_recorded)        /* ... committed */                                           \
  POINT(target_locked)       /* the lock of the target is held */                          \
  POINT(work_begun)          /* in the transaction of the work */                          \
  POINT(source_connected)    /* connected to the source */                                 \
  POINT(horizon_read)        /* incremental: what the source's transactions allow */       \
  POINT(snapshot_open)       /* the reading transaction has its snapshot */                \
  POINT(target_made)         /* a target that did not exist does */                        \
  POINT(target_described)    /* the target is locked and described */                      \
  POINT(target_scanned)      /* the rows of the target are known by hashes */              \
  POINT(stage_made)          /* the stage is there, and empty */                           \
  POINT(row_received)        /* a row has come, or bytes where the server parses them */   \
  POINT(copy_finished)       /* the source confirmed the end of the rows */                \
  POINT(rows_compared)       /* all rows were compared, and some of the target are gone */ \
  POINT(gone_listed)         /* ... are listed */                                          \
  POINT(rows_converted)      /* rows that had to be converted are in the stage */          \
  POINT(keys_staged)         /* the keys of all rows are staged, to find missing ones */   \
  POINT(absent_rows_fetched) /* rows that were not among the changed ones are staged */    \
  POINT(source_done)         /* the connection to the source is closed */                  \
  POINT(deletes_begun)       /* rows are about to be deleted */                            \
  POINT(deletes_done)        /* rows were deleted */                                       \
  POINT(merge_done)          /* the stage is in the target */                              \
  POINT(key_built)           /* a new target has its primary key */                        \
  POINT(target_analyzed)     /* ... and its statistics */                                  \
  POINT(watermark_computed)  /* what the next run may rely on is known */                  \
  POINT(target_compared)     /* verify: the differences are known */                       \
  POINT(rows_repaired)       /* repair: the differences are repaired */                    \
  POINT(watermark_written)   /* the watermark is written */                                \
  POINT(run_finished)        /* the record says that the run succeeded; next is COMMIT */  \
  POINT(committed)           /* the rows and their record are committed */                 \
  POINT(commit_recorded)     /* what comes after that is in the record too */              \
  POINT(replied)             /* the caller has its answer */                               \
  POINT(attempt_recorded)    /* an attempt failed and is on record; next is the wait */    \
  POINT(failure_recorded)    /* a run failed, and its record says so, not committed */

enum class FaultPoint {
#define TABLESYNC_FAULT_POINT(name) name,
  TABLESYNC_FAULT_POINTS(TABLESYNC_FAULT_POINT)
#undef TABLESYNC_FAULT_POINT
};

// What a test can take away, by tablesync.ablation, to see that another test misses it.
enum class Ablation {
  none,
  hash,         // hashes of rows have 8 bits
  leaf_locks,   // a target's partitions are not locked
  staged_keys,  // a row may be deleted although its key is in the stage
  memory        // hashes of 64 rows fit into memory
};

#ifdef TABLESYNC_FAULTS

bool is_ablated(Ablation what);
// Acts as tablesync.fault says for this point. Throws ServerError.
void fault_point(FaultPoint point);
void define_fault_setting();

#else

constexpr bool is_ablated(Ablation) { return false; }
inline void fault_point(FaultPoint) {}
inline void define_fault_setting() {}

#endif

}  // namespace tablesync::pg
