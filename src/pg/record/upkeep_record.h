// Repairs the records after a crash, in the next run of a target and in the upkeep of a database. These are
// the only statements on the rows of all roles: see state.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/record/columns.h"

namespace tablesync::pg {

// Closes the records of runs whose worker ended without doing so: of this target, or of all if it is empty.
void close_interrupted(const std::string &target);

// Removes the records of dropped targets.
void forget_dropped_targets();

// Removes the incomplete runs of dropped roles, because they cannot be resumed.
void forget_dropped_roles();
// An interrupted run that can be resumed: its owner may still log in and call its function, and no later run
// has worked on its target.
struct Resumable {
  unsigned int owner = 0;
  std::string target, request;  // of tablesync.checkpoint, JSON
  std::string command;          // of the run that wrote the checkpoint
  int crashes = 0;              // that ended it, in a row
  std::int64_t ended_ms_ago = 0;

  template <typename Record, typename Visitor>
  static void each_column(Record &resumable, Visitor &&column) {
    column("owner", resumable.owner);
    column("target", resumable.target);
    column("request", Jsonb{resumable.request});
    column("command", resumable.command);
    column("crashes", resumable.crashes);
    column("ended_ms_ago", resumable.ended_ms_ago);
  }
};
// `commands`: the kinds of run that are resumed.
std::vector<Resumable> find_resumable(const std::vector<std::string> &commands);

// The roles that have hidden tables (see hidden_table.h) of runs that are not running, and may log in.
std::vector<unsigned int> owners_of_leftovers();

}  // namespace tablesync::pg
