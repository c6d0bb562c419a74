// LocalTarget: this server as the target of a sync, through SPI. It has no state: all of them are the same.
#pragma once

#include "core/range/target.h"

namespace tablesync::pg {

class LocalTarget final : public Target {
 public:
  Rows query(const std::string &sql, const Row &parameters = {},
             const Where &where = Where::current()) override;
  std::int64_t execute(const std::string &sql, const Where &where = Where::current()) override;
  Modified modify(const std::string &sql, Progress &progress, const Where &where = Where::current()) override;
  bool attempt(const std::function<void()> &f,
               const std::function<bool(const Diagnostics &)> &handles) override;
  std::string setting(const std::string &name) override;
  void set(const std::string &name, const std::string &value) override;

  unsigned int find(const QualifiedName &table) override;
  unsigned int hold(const SyncSpec &spec) override;
  void check(const SyncSpec &spec) override;
  bool try_lock_exclusively(unsigned int oid) override;
  Table describe(const QualifiedName &table) override;
  void make(const SyncSpec &spec, const Table &source) override;
  void add_column(const QualifiedName &table, const Column &source) override;
  void widen_column(const QualifiedName &table, const Column &source) override;

  bool takes_rows_directly(const QualifiedName &table) override;
  std::int64_t load(RowSource &rows, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                    const Rate &rate, Progress &progress) override;

  std::unique_ptr<RowFilter> filter(const Table &table, const SyncPlan &plan, std::int64_t memory,
                                    Progress &progress, std::string &why_not) override;
  std::optional<Watermark> watermark(const std::string &oid) override;
  void record(std::int64_t run_id, const SyncSpec &spec, const std::string &oid,
              const Watermark &watermark) override;
};

}  // namespace tablesync::pg
