// TablePair: a table of the source and its target, opened and described, and how the rows of the one become
// rows of the other. A sync and a verification begin with it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/range/source.h"
#include "core/range/target.h"
#include "core/range/watermark.h"
#include "core/spec/sync_spec.h"
#include "core/sql/deparse_source.h"
#include "core/table/sync_plan.h"
#include "pg/record/chunk_record.h"
#include "pg/record/run_record.h"
#include "pg/run/run_notice.h"
#include "pg/run/run_steps.h"
#include "pg/server/latch_host.h"
#include "pg/target/make_target.h"
#include "pg/target/stage.h"

namespace tablesync::pg {

class TablePair {
 public:
  TablePair(const SyncSpec &spec, std::int64_t run_id, RunSteps &steps)
      : spec(spec), run_id(run_id), steps(steps), target(make_target(spec)) {}

  // May be called again, on the same connection, for the next transaction. Opens and describes the source;
  // makes the target where there is none (where it may) and locks it; changes its columns as on_schema_change
  // says; plans. Throws as plan_sync() does; 55000 for a target with rows of others.
  void open(bool may_create);
  // The same for the target alone, in a later transaction: it may have been changed in between.
  void open_target_again();
  // Builds the primary key of a target that has none yet, and makes the plan again. `bytes`: about how many
  // bytes of rows it has.
  void build_key(std::int64_t bytes);
  // Reads rows of the source into an existing table like the stage, converted where the plan says so. Returns
  // how many were stored.
  std::int64_t stage(const QualifiedName &name, const SyncPlan &stage_plan, const SourceRows &rows);
  // The same, but makes the stage, and only where there is a row.
  std::int64_t stage_if_any(Stage &stage, const SyncPlan &stage_plan, const SourceRows &rows);
  // Reads rows of the source, as they are, into an existing table of the plan's columns. Returns how many
  // were stored.
  std::int64_t receive(const QualifiedName &name, const SyncPlan &received_plan, const SourceRows &rows);
  // Whether another role's run has filled the target after this run of the current role.
  bool overwritten_since(std::int64_t run) const;
  // The SQL of the call that runs on the source.
  UserSql user_sql() const;
  // Throws 21000 where another row of the source has the key of one of the `staged` rows in the stage. Reads
  // no more of the source than it must. Does not see keys that differ on the source and are equal on the
  // target.
  void check_source_keys(std::int64_t staged);
  // See core/table/target_files.h.
  std::string files_of_target() const;
  // Whether the target's rows may be stored without a statement: see plain_table.h.
  bool target_is_plain();
  // Adds the rows with these keys (texts of the key's columns) to the stage.
  std::int64_t stage_by_key(const Rows &keys);

  const SyncSpec &spec;
  const std::int64_t run_id;
  RunSteps &steps;
  const std::unique_ptr<Target> target;
  std::unique_ptr<Source> source;
  std::optional<Horizon> horizon;
  std::optional<Watermark> known;        // of this server and source
  std::optional<Checkpoint> checkpoint;  // of a sync of the target in chunks that is not complete
  Table source_table;                    // without the columns that are left out
  SourceRows all_rows;                   // what the sync is of
  std::string live_rows;                 // the condition of all_rows from soft_delete_column; or empty
  Table target_table;
  SyncPlan plan;
  bool target_is_new = false;
  bool target_is_empty = false;
  bool exclusively_locked = false;
  std::int64_t time_limit_ms = 0;  // set it before open(): of one statement on the source; 0: none
  bool shared = false;             // set it before open(): others may write the target too
  RunCounts counts;

 private:
  std::int64_t stage_from(const QualifiedName &name, const SyncPlan &stage_plan,
                          const std::function<std::int64_t(const QualifiedName &)> &receive_into);
  std::int64_t receive(const QualifiedName &name, const SyncPlan &received_plan, RowSource &stream);
  void notice_once(const std::string &text);
  unsigned int hold();
  void connect();
  void open_source();
  void match_target(unsigned int oid, bool may_create);
  void make_plan(const std::vector<std::string> &key, bool key_is_pending);
  void open_target(unsigned int oid, bool may_create);
  void adapt_target();
  void notice_dropped_columns() const;
  void refuse_same_table() const;
  void check_restored();
  void refuse_unknown_content() const;
  void choose_all_rows();
  void choose_mark(const Column &column);

  LatchHost host_;
  std::optional<Watermark> written_;  // whoever filled the target
  std::string disproved_;           // what a dump says that the target was filled from, where that is not so
  unsigned int opened_ = 0;         // the oid of the target that was there; 0: none yet
  std::optional<ColumnPlan> mark_;  // of the plan
  std::optional<bool> is_plain_;    // the target that is open
  std::set<std::string> noticed_;
};

}  // namespace tablesync::pg
