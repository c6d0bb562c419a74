// Fault points: places on a run's way where a test can make it fail, die or wait. They exist in builds with
// `make FAULTS=1` alone; elsewhere fault_point() is nothing.
//
// A superuser sets, by ALTER SYSTEM or ALTER ROLE, before the run:
//
//   tablesync.fault = 'point[:nth[:kind]]'      nth: from 1, each time that the process comes there counts
//
//   error    (the default) an ERROR with SQLSTATE 40001, so that it is tried again where that is asked for
//   fatal    a FATAL error: the process ends as the server ends it
//   sigkill  the process is killed, and the server restarts all others
//   pause    the process waits, its application_name being 'fault point NAME', until the configuration is
//            reloaded
#pragma once

namespace tablesync::pg {

// In the order of a run.
#define TABLESYNC_FAULT_POINTS(POINT)                                                     \
  POINT(worker_started)      /* connected to its database; nothing of the run is known */ \
  POINT(run_begun)           /* the run's record is written, not committed */             \
  POINT(run_recorded)        /* ... committed */                                          \
  POINT(target_locked)       /* the lock of the target is held */                         \
  POINT(work_begun)          /* in the transaction of the work */                         \
  POINT(source_connected)    /* there is a connection to the source */                    \
  POINT(horizon_read)        /* incremental: what the source's transactions allow */      \
  POINT(snapshot_open)       /* the reading transaction has its snapshot */               \
  POINT(target_made)         /* a target that did not exist does */                       \
  POINT(target_described)    /* the target is locked and described */                     \
  POINT(stage_made)          /* the stage is there, and empty */                          \
  POINT(row_received)        /* a row has come, or bytes where the server parses them */  \
  POINT(copy_finished)       /* the source said that it was all */                        \
  POINT(rows_converted)      /* rows that had to be converted are in the stage */         \
  POINT(keys_staged)         /* the keys of all rows are here, to find what is gone */    \
  POINT(absent_rows_fetched) /* rows that were not among the changed ones are staged */   \
  POINT(source_done)         /* the connection to the source is closed */                 \
  POINT(deletes_begun)       /* rows are about to be deleted */                           \
  POINT(deletes_done)        /* they are */                                               \
  POINT(merge_done)          /* the stage is in the target */                             \
  POINT(key_built)           /* a new target has its primary key */                       \
  POINT(target_analyzed)     /* ... and its statistics */                                 \
  POINT(watermark_computed)  /* what the next run may rely on is known */                 \
  POINT(target_compared)     /* verify: the differences are known */                      \
  POINT(rows_repaired)       /* repair: they are mended */                                \
  POINT(watermark_written)   /* the watermark is written */                               \
  POINT(run_finished)        /* the record says that the run succeeded; next is COMMIT */ \
  POINT(committed)           /* the rows and their record are committed */                \
  POINT(commit_recorded)     /* what comes after that is in the record too */             \
  POINT(replied)             /* the caller has its answer */                              \
  POINT(attempt_recorded)    /* an attempt failed and is on record; next is the wait */   \
  POINT(failure_recorded)    /* a run failed, and its record says so, not committed */

enum class FaultPoint {
#define TABLESYNC_FAULT_POINT(name) name,
  TABLESYNC_FAULT_POINTS(TABLESYNC_FAULT_POINT)
#undef TABLESYNC_FAULT_POINT
};

#ifdef TABLESYNC_FAULTS

// Does what tablesync.fault says of this point. Throws ServerError.
void fault_point(FaultPoint point);
void define_fault_setting();

#else

inline void fault_point(FaultPoint) {}
inline void define_fault_setting() {}

#endif

}  // namespace tablesync::pg
