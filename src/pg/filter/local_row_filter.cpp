#include "pg/filter/local_row_filter.h"

extern "C" {
#include "postgres.h"

#include "utils/memutils.h"
}

#include <algorithm>
#include <optional>
#include <vector>

#include "core/base/cell.h"
#include "core/base/text.h"
#include "pg/filter/compared_table.h"
#include "pg/filter/comparison.h"
#include "pg/filter/gone_rows.h"
#include "pg/rows/heap_scan.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/source/stream_watch.h"

namespace tablesync::pg {
namespace {

class LocalRowFilter final : public RowFilter {
 public:
  LocalRowFilter(bool keyed) : known_(keyed) { comparison_.known = &known_; }
  // It may outlive the transaction, and so may its memory. Its files end with the transaction.
  ~LocalRowFilter() override {
    if (comparison_.context != nullptr) MemoryContextDelete(comparison_.context);
  }

  void read(RowSource &source, const Rate &rate, Progress &progress) override {
    source_ = &source;
    watch_.emplace(source, rate, progress);
  }

  bool is_empty() override { return !look_ahead(); }

  char *next_row(std::size_t &size) override {
    if (state_ == State::ended) return nullptr;
    if (!header_sent_) {
      header_sent_ = true;
      size = sizeof header_ - 1;
      return header_;
    }
    if (!look_ahead()) {
      state_ = State::ended;
      size = sizeof trailer_ - 1;
      return trailer_;
    }
    char *const row = row_;
    row_ = nullptr;
    size = size_;
    return row;
  }

  // Whether more than this can be had without waiting is not known.
  bool ready() override { return row_ != nullptr || !header_sent_; }
  std::int64_t rows() const override { return source_ == nullptr ? 0 : source_->rows(); }
  std::int64_t bytes() const override { return source_ == nullptr ? 0 : source_->bytes(); }
  void resume() override { source_->resume(); }
  bool is_watched() const override { return true; }
  std::int64_t passed() const override { return comparison_.passed; }
  std::int64_t dropped() const override { return comparison_.dropped; }
  bool repeats_key() const override { return comparison_.repeats; }
  std::int64_t gone() const override { return comparison_.left; }
  std::int64_t held() const override { return comparison_.held_rows; }
  const std::string &way() const override { return way_; }

  void list_gone(const QualifiedName &table) override {
    fault_point(FaultPoint::rows_compared);
    in_context([&] { pg::list_gone(comparison_, table.schema.c_str(), table.name.c_str()); });
    fault_point(FaultPoint::gone_listed);
  }

  void end() override {
    in_context([&] { close_spill(comparison_.spill); });
  }

  void describe(const Table &table, const SyncPlan &plan);
  // Why the filter cannot be used, as a clause that follows "because"; empty if it can.
  std::string obstacle(const SyncPlan &plan);
  std::string scan(std::int64_t memory, Progress &progress);

 private:
  enum class State { streaming, spilled, ended };

  template <typename F>
  void in_context(F f) {
    call([&] {
      MemoryContext const outer = MemoryContextSwitchTo(comparison_.context);
      f();
      MemoryContextSwitchTo(outer);
    });
  }

  // Whether there is one more row that passes: row_.
  bool look_ahead() {
    if (row_ != nullptr) return true;
    if (state_ == State::streaming) {
      in_context([&] { row_ = read_stream(); });
      if (row_ != nullptr) return true;
      watch_->finish();
      state_ = State::spilled;
      comparison_.part = -1;
    }
    if (state_ == State::spilled && !compared_) {
      in_context([&] { row_ = next_of_spill(comparison_, &size_); });
      compared_ = row_ == nullptr;
    }
    return row_ != nullptr;
  }

  char *read_stream() {
    ErrorContextCallback callback{error_context_stack, add_context, &comparison_};
    error_context_stack = &callback;
    char *const row = next_of_stream(comparison_, next_message, this, &size_);
    error_context_stack = callback.previous;
    return row;
  }

  static void add_context(void *argument) {
    const auto *const comparison = static_cast<Comparison *>(argument);
    add_row_context(comparison->former, static_cast<uint64>(comparison->arrived));
  }

  static char *next_message(void *argument, size_t *size) {
    return enter([&] {
      auto &self = *static_cast<LocalRowFilter *>(argument);
      check_for_interrupts();
      char *const row = self.source_->next_row(*size);
      fault_point(FaultPoint::row_received);
      self.watch_->look(self.source_->rows() % 256 == 0);
      return row;
    });
  }

  // Signature, flags and the length of the extension; and the number of fields of no row ("COPY", Binary
  // Format). The byte behind each may be written.
  char header_[19 + 1] = "PGCOPY\n\377\r\n";
  char trailer_[2 + 1] = "\377\377";

  KnownRows known_;
  Comparison comparison_{};
  std::string way_;
  RowSource *source_ = nullptr;
  std::optional<StreamWatch> watch_;
  State state_ = State::streaming;
  bool header_sent_ = false, compared_ = false;
  char *row_ = nullptr;  // passes next
  std::size_t size_ = 0;
};

void LocalRowFilter::describe(const Table &table, const SyncPlan &plan) {
  std::vector<const char *> columns, key;
  for (const ColumnPlan &column : plan.columns) columns.push_back(column.name.c_str());
  for (const std::string &column : plan.key) key.push_back(column.c_str());
  const Wanted wanted{columns.data(), static_cast<int>(columns.size()), key.data(),
                      static_cast<int>(key.size()), plan.mark ? plan.mark->name.c_str() : nullptr};
  const Oid oid = as_oid(table.oid);
  comparison_.context =
      call([] { return AllocSetContextCreate(TopMemoryContext, "row filter", ALLOCSET_DEFAULT_SIZES); });
  in_context([&] { describe_target(comparison_, oid, wanted); });
}

std::string LocalRowFilter::obstacle(const SyncPlan &plan) {
  const HeldTable &held = comparison_.held;
  for (int n = 0; n < held.leaf_count; ++n)
    if (!can_scan_heap(held.leaves[n])) return "its rows are not in heaps";
  if (held.leaf_count == 0) return "rows of other tables belong to it, or its rows are elsewhere";
  for (int n = 0; !plan.key_proven && n < held.hasher.key_count; ++n) {
    Equality equality;
    in_context([&] { equality = equality_of(TupleDescAttr(held.hasher.shape, held.hasher.key[n])); });
    const std::string name = "OPERATOR(" + tablesync::quote_identifier(NameStr(equality.schema)) + "." +
                             NameStr(equality.name) + ")";
    if (!equality.by_image || name != plan.key_equality[static_cast<size_t>(n)])
      return "values of its key that look different may be equal";
  }
  return {};
}

std::string LocalRowFilter::scan(std::int64_t memory, Progress &progress) {
  double estimate = 0;
  in_context([&] { estimate = estimate_held_rows(comparison_.held); });
  constexpr std::int64_t hardly_any = 64;
  comparison_.most = is_ablated(Ablation::memory) ? hardly_any : KnownRows::rows_in(memory);
  constexpr double slack = 1.1, few = 1000;
  known_.make_room(std::min(comparison_.most, static_cast<std::int64_t>(estimate * slack + few)));
  in_context([&] { scan_target(comparison_, estimate, &progress.rows); });
  way_ = "in memory";
  if (comparison_.spill.parts > 0) {
    const std::int64_t largest = choose_passes(comparison_.spill, comparison_.most);
    if (largest < 0)
      return "hashes of its " + counted(comparison_.held_rows, "row") + " do not fit into memory_limit_mb";
    known_.make_room(largest);
    in_context([&] { load_pass(comparison_, 0); });
    if (comparison_.spill.passes > 1)
      way_ = "in " + std::to_string(comparison_.spill.passes) + " passes over temporary files";
  }
  fault_point(FaultPoint::target_scanned);
  return {};
}

}  // namespace

std::unique_ptr<RowFilter> make_local_filter(const Table &table, const SyncPlan &plan, std::int64_t memory,
                                             Progress &progress, std::string &why_not) {
  auto filter = std::make_unique<LocalRowFilter>(plan.keyed());
  filter->describe(table, plan);
  why_not = filter->obstacle(plan);
  if (why_not.empty()) why_not = filter->scan(memory, progress);
  if (!why_not.empty()) return nullptr;
  return filter;
}

}  // namespace tablesync::pg
