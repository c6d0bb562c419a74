// What is put right in the records after a crash: by the next run of a target, and by the upkeep of a
// database. These are the only statements about everybody's rows: see state.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pg/record/columns.h"

namespace tablesync::pg {

// Closes the records of runs whose worker is gone without a word: of this target, or, where it is empty, of
// all.
void close_interrupted(const std::string &target);

// Removes what is known of targets that do not exist any more.
void forget_dropped_targets();

// Removes what roles had begun that do not exist any more: nobody can go on with it.
void forget_dropped_roles();
// A sync that was interrupted and may go on: its owner may still log in and call sync_table(), and nobody has
// worked on its target since.
struct Resumable {
  unsigned int owner = 0;
  std::string target, request;  // of tablesync.checkpoint, JSON
  std::string command;          // of the run that wrote the checkpoint
  int crashes = 0;              // in a row that ended it
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

// Who has hidden tables (see hidden_table.h) of runs that are not going on, and may log in.
std::vector<unsigned int> owners_of_leftovers();

}  // namespace tablesync::pg
