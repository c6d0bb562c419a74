#include "pg/filter/local_row_filter.h"

extern "C" {
#include "postgres.h"

#include "access/heapam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class_d.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "pg/server/compat.h"
}

#include <algorithm>
#include <optional>
#include <vector>

#include "core/base/cell.h"
#include "core/base/text.h"
#include "pg/filter/held_rows.h"
#include "pg/filter/row_spill.h"
#include "pg/rows/row_former.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/source/stream_watch.h"

namespace tablesync::pg {
namespace {

// What the server code works on: plain data in `context`, and the hash table.
struct Filter {
  MemoryContext context;
  HeldTable held;
  RowFormer former;
  int mark;  // the attribute that marks a row as deleted; below 0: there is none
  KnownRows *known;
  RowSpill spill;
  int64 held_rows;
  int64 most;  // rows of `known`
  // The stream.
  bool header_taken, trailer_taken;
  int64 arrived, passed, dropped, left;
  bool repeats;
  int pass, part;  // part: whose rows are read back; below 0: none yet
};

// ---- the scan of the target ------------------------------------------------------------------------------

void dump_known(Filter &filter, int parts) {
  filter.spill = make_row_spill(parts);
  filter.known->each_left([&](const RowHash &hash, uint64 times) {
    for (uint64 n = 0; n < times; ++n) spill_held(filter.spill, hash);
    return true;
  });
}

// With many parts each part is small beside the room, even if the estimate was far too low.
int parts_for(double rows, int64 most) {
  int parts = 16;
  while (parts < 1024 && parts * static_cast<double>(most) < 8 * rows) parts *= 2;
  return parts;
}

// Moves all rows of a pass into the hash table.
void load_pass(Filter &filter, int pass) {
  filter.known->clear();
  for (int part = 0; part < filter.spill.parts; ++part) {
    if (filter.spill.pass[part] != pass) continue;
    rewind_part(filter.spill, part);
    RowHash hash;
    while (read_held(filter.spill, part, &hash)) filter.known->add(hash);
  }
}

// False where the rows fit into no number of passes.
void scan_target(Filter &filter, double estimate, Progress *progress) {
  if (estimate > static_cast<double>(filter.most))
    filter.spill = make_row_spill(parts_for(estimate, filter.most));
  PushActiveSnapshot(GetTransactionSnapshot());
  each_held_row(
      filter.held,
      [&](const RowHash &hash, Oid, const ItemPointerData &) {
        ++filter.held_rows;
        if (filter.spill.parts == 0) {
          if (filter.known->add(hash)) return;
          dump_known(filter, parts_for(16 * static_cast<double>(filter.held_rows), filter.most));
        }
        spill_held(filter.spill, hash);
      },
      [&](int rows) { progress->rows += static_cast<uint64>(rows); });
  PopActiveSnapshot();
}

// ---- the stream ------------------------------------------------------------------------------------------

// Whether a row is dropped; else it passes.
bool take_row(Filter &filter, const RowHash &hash) {
  switch (filter.known->take(hash)) {
    case KnownRows::Found::same:
      ++filter.dropped;
      return true;
    case KnownRows::Found::again:
      filter.repeats = true;
      break;
    default:
      break;
  }
  ++filter.passed;
  return false;
}

// Whether the row goes on at once. Else it was dropped, or waits for its pass.
bool passes_now(Filter &filter, CopyMessage message, const char *row, Size size) {
  form_values(filter.former, message);
  const Datum *const values = filter.former.values;
  RowHash hash;
  // A row without a key, or one that is to be deleted, is like no row of the target.
  const bool is_keyed = hash_values(filter.held.hasher, values, filter.former.nulls, &hash);
  if (!is_keyed) {
    ++filter.passed;
    return true;
  }
  const bool is_marked =
      filter.mark >= 0 && !filter.former.nulls[filter.mark] && DatumGetBool(values[filter.mark]);
  if (is_marked) hash.image = ~hash.image;
  if (filter.spill.parts == 0 || filter.spill.pass[part_of(filter.spill, hash)] == 0)
    return !take_row(filter, hash);
  spill_arrived(filter.spill, hash, row, size);
  return false;
}

using NextMessage = char *(*)(void *context, size_t *size);

// The next row of the stream that passes at once; null at its end.
char *next_of_stream(Filter &filter, NextMessage next, void *context, size_t *size) {
  while (char *bytes = next(context, size)) {
    CopyMessage message{bytes, bytes + *size};
    if (!filter.header_taken) take_header<bad_format>(message);
    filter.header_taken = true;
    if (message.at == message.end) continue;
    if (filter.trailer_taken) bad_format("data after the end of the COPY");
    char *const row = message.at;
    filter.trailer_taken = !tablesync::take_row<bad_format>(message, filter.former.column_count);
    if (filter.trailer_taken) continue;
    ++filter.arrived;
    *size = static_cast<size_t>(message.end - row);
    if (passes_now(filter, message, row, *size)) return row;
  }
  if (!filter.trailer_taken) bad_format("a COPY without a trailer");
  return nullptr;
}

void end_pass(Filter &filter) {
  filter.left += filter.known->left();
  if (filter.spill.parts == 0) return;
  filter.known->each_left([&](const RowHash &hash, uint64 times) {
    spill_left(filter.spill, hash, times);
    return true;
  });
}

// The next row that had to wait and passes; null after the last.
char *next_of_spill(Filter &filter, size_t *size) {
  for (;;) {
    if (filter.part >= 0) {
      RowHash hash;
      while (char *const row = next_arrived(filter.spill, filter.part, &hash, size))
        if (!take_row(filter, hash)) return row;
      close_part(filter.spill, filter.part);
    }
    if (++filter.part < filter.spill.parts && filter.spill.pass[filter.part] == filter.pass) continue;
    end_pass(filter);
    if (filter.part >= filter.spill.parts) return nullptr;
    load_pass(filter, ++filter.pass);
    --filter.part;
  }
}

// ---- rows that are gone ----------------------------------------------------------------------------------

struct GoneList {
  Relation relation;
  TupleTableSlot *slot;
  Datum *values;
  bool *nulls;
  BulkInsertState bulk;
  int64 listed;
};

// Lists the rows of the target that are among those in the hash table.
void list_known(Filter &filter, GoneList &list) {
  PushActiveSnapshot(GetTransactionSnapshot());
  const RowHasher &hasher = filter.held.hasher;
  MemoryContext const row =
      AllocSetContextCreate(CurrentMemoryContext, "row that is gone", ALLOCSET_DEFAULT_SIZES);
  each_held_row(
      filter.held,
      [&](const RowHash &hash, Oid leaf, ItemPointerData place) {
        if (!filter.known->take_same(hash)) return;
        MemoryContext const outer = MemoryContextSwitchTo(row);
        if (hasher.key_count == 0) {
          list.values[0] = ObjectIdGetDatum(leaf);
          list.values[1] = PointerGetDatum(&place);
        }
        for (int n = 0; n < hasher.key_count; ++n) {
          list.values[n] = filter.held.values[hasher.key[n]];
          list.nulls[n] = filter.held.nulls[hasher.key[n]];
        }
        HeapTuple const tuple = heap_form_tuple(RelationGetDescr(list.relation), list.values, list.nulls);
        heap_insert(list.relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_SKIP_FSM, list.bulk);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(row);
        ++list.listed;
      },
      [](int) {});
  PopActiveSnapshot();
}

void list_gone(Filter &filter, const char *schema, const char *name) {
  GoneList list{};
  list.relation = table_openrv(makeRangeVar(pstrdup(schema), pstrdup(name), -1), RowExclusiveLock);
  const auto columns = static_cast<Size>(RelationGetDescr(list.relation)->natts);
  list.values = static_cast<Datum *>(palloc0(columns * sizeof(Datum)));
  list.nulls = static_cast<bool *>(palloc0(columns));
  list.bulk = GetBulkInsertState();
  if (filter.spill.parts == 0) {
    list_known(filter, list);
  } else {
    // As many at a time as the hash table has room for.
    RowHash hash;
    uint64 times = 0;
    rewind_left(filter.spill);
    filter.known->clear();
    bool more = read_left(filter.spill, &hash, &times);
    while (more) {
      if (!filter.known->add(hash, times)) {
        list_known(filter, list);
        filter.known->clear();
        continue;
      }
      more = read_left(filter.spill, &hash, &times);
    }
    list_known(filter, list);
  }
  if (list.listed != filter.left)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("two scans of one table found different rows")));
  FreeBulkInsertState(list.bulk);
  table_close(list.relation, NoLock);
  CommandCounterIncrement();
}

// ---- the RowSource ---------------------------------------------------------------------------------------

class LocalRowFilter final : public RowFilter {
 public:
  LocalRowFilter(bool keyed) : known_(keyed) { filter_.known = &known_; }
  ~LocalRowFilter() override {
    if (filter_.context != nullptr) MemoryContextDelete(filter_.context);
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
  std::int64_t passed() const override { return filter_.passed; }
  std::int64_t dropped() const override { return filter_.dropped; }
  bool repeats_key() const override { return filter_.repeats; }
  std::int64_t gone() const override { return filter_.left; }
  std::int64_t held() const override { return filter_.held_rows; }
  const std::string &way() const override { return way_; }

  void list_gone(const QualifiedName &table) override {
    fault_point(FaultPoint::rows_compared);
    in_context([&] { pg::list_gone(filter_, table.schema.c_str(), table.name.c_str()); });
    fault_point(FaultPoint::gone_listed);
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
      MemoryContext const outer = MemoryContextSwitchTo(filter_.context);
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
      filter_.part = -1;
    }
    if (state_ == State::spilled && !compared_) {
      in_context([&] {
        if (filter_.spill.parts == 0)
          end_pass(filter_);
        else
          row_ = next_of_spill(filter_, &size_);
      });
      compared_ = row_ == nullptr;
    }
    return row_ != nullptr;
  }

  char *read_stream() {
    ErrorContextCallback callback{error_context_stack, add_context, &filter_};
    error_context_stack = &callback;
    char *const row = next_of_stream(filter_, next_message, this, &size_);
    error_context_stack = callback.previous;
    return row;
  }

  static void add_context(void *argument) {
    const auto *const filter = static_cast<Filter *>(argument);
    add_row_context(filter->former, static_cast<uint64>(filter->arrived));
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
  Filter filter_{};
  std::string way_;
  RowSource *source_ = nullptr;
  std::optional<StreamWatch> watch_;
  State state_ = State::streaming;
  bool header_sent_ = false, compared_ = false;
  char *row_ = nullptr;  // passes next
  std::size_t size_ = 0;
};

// ---- what is compared ------------------------------------------------------------------------------------

// The heaps that hold the rows of a table; none where some are not its own, or are no heaps.
void find_leaves(HeldTable &held, Oid table) {
  List *const all = find_all_inheritors(table, NoLock, nullptr);
  const bool is_partitioned = get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE;
  auto *const leaves = static_cast<Oid *>(palloc(sizeof(Oid) * static_cast<Size>(list_length(all))));
  if (!is_partitioned && list_length(all) != 1) return;
  for (int n = 0; n < list_length(all); ++n)
    if (get_rel_relkind(list_nth_oid(all, n)) == RELKIND_RELATION)
      leaves[held.leaf_count++] = list_nth_oid(all, n);
  held.leaves = leaves;
}

// Copies the attributes of `stored` at these places. Whatever the storage of a column is, its short values
// have short headers in an image.
TupleDesc pick(TupleDesc stored, const int *attributes, int count) {
  const TupleDesc shape = CreateTemplateTupleDesc(count);
  for (int n = 0; n < count; ++n) {
    const auto to = static_cast<AttrNumber>(n + 1), from = static_cast<AttrNumber>(attributes[n] + 1);
    TupleDescCopyEntry(shape, to, stored, from);
    if (TupleDescAttr(shape, n)->attlen == -1) compat_set_storage(shape, n, TYPSTORAGE_EXTENDED);
  }
  return shape;
}

struct Wanted {
  const char *const *columns;  // of the stream
  int column_count;
  const char *const *key;
  int key_count;
  const char *mark;  // of the columns, the one that is not the table's; or null
};

int position_of(TupleDesc shape, const char *name) {
  for (int n = 0; n < shape->natts; ++n)
    if (strcmp(NameStr(TupleDescAttr(shape, n)->attname), name) == 0) return n;
  return -1;
}

void describe_columns(Filter &filter, TupleDesc shape, const char *table, const Wanted &wanted) {
  filter.mark = -1;
  filter.former = make_row_former(table, wanted.column_count, shape->natts + 1);
  for (int n = 0; n < wanted.column_count; ++n) {
    const char *const name = wanted.columns[n];
    if (wanted.mark != nullptr && strcmp(name, wanted.mark) == 0) {
      const TupleDesc mark = CreateTemplateTupleDesc(1);
      TupleDescInitEntry(mark, 1, name, BOOLOID, -1, 0);
      filter.mark = shape->natts;
      describe_column(filter.former, n, name, filter.mark, TupleDescAttr(mark, 0));
    } else {
      const int at = position_of(shape, name);
      describe_column(filter.former, n, name, at, TupleDescAttr(shape, at));
    }
  }
}

void describe_target(Filter &filter, Oid oid, const Wanted &wanted) {
  Relation const relation = table_open(oid, AccessShareLock);
  const TupleDesc stored = RelationGetDescr(relation);
  auto *const attributes = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(stored->natts)));
  int count = 0;
  for (int n = 0; n < stored->natts; ++n) {
    if (TupleDescAttr(stored, n)->attisdropped) continue;
    for (int c = 0; c < wanted.column_count; ++c)
      if (strcmp(wanted.columns[c], NameStr(TupleDescAttr(stored, n)->attname)) == 0) attributes[count++] = n;
  }
  const TupleDesc shape = pick(stored, attributes, count);
  auto *const key = static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(wanted.key_count + 1)));
  for (int n = 0; n < wanted.key_count; ++n) key[n] = position_of(shape, wanted.key[n]);
  HeldTable &held = filter.held;
  held.hasher = make_row_hasher(shape, key, wanted.key_count);
  held.values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<Size>(count)));
  held.nulls = static_cast<bool *>(palloc0(static_cast<Size>(count)));
  held.row = AllocSetContextCreate(CurrentMemoryContext, "row that is compared", ALLOCSET_DEFAULT_SIZES);
  find_leaves(held, oid);
  describe_columns(filter, shape, pstrdup(RelationGetRelationName(relation)), wanted);
  table_close(relation, NoLock);
}

// The default equality of a type, and whether equal values have equal images, so that two rows with one key
// have one hash (nbtree.h, BTEQUALIMAGE_PROC).
struct Equality {
  NameData schema, name;
  bool by_image;
};

Equality equality_of(Form_pg_attribute attribute) {
  Equality found{};
  const TypeCacheEntry *const type =
      lookup_type_cache(attribute->atttypid, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_EQ_OPR);
  HeapTuple const row = SearchSysCache1(OPEROID, ObjectIdGetDatum(type->eq_opr));
  if (!HeapTupleIsValid(row)) return found;
  auto *const equality = reinterpret_cast<Form_pg_operator>(GETSTRUCT(row));
  found.name = equality->oprname;
  namestrcpy(&found.schema, get_namespace_name(equality->oprnamespace));
  ReleaseSysCache(row);
  const Oid function =
      get_opfamily_proc(type->btree_opf, type->btree_opintype, type->btree_opintype, BTEQUALIMAGE_PROC);
  found.by_image =
      OidIsValid(function) && DatumGetBool(OidFunctionCall1Coll(function, attribute->attcollation,
                                                                ObjectIdGetDatum(type->btree_opintype)));
  return found;
}

void LocalRowFilter::describe(const Table &table, const SyncPlan &plan) {
  std::vector<const char *> columns, key;
  for (const ColumnPlan &column : plan.columns) columns.push_back(column.name.c_str());
  for (const std::string &column : plan.key) key.push_back(column.c_str());
  const Wanted wanted{columns.data(), static_cast<int>(columns.size()), key.data(),
                      static_cast<int>(key.size()), plan.mark ? plan.mark->name.c_str() : nullptr};
  const Oid oid = as_oid(table.oid);
  filter_.context =
      call([] { return AllocSetContextCreate(TopTransactionContext, "row filter", ALLOCSET_DEFAULT_SIZES); });
  in_context([&] { describe_target(filter_, oid, wanted); });
}

std::string LocalRowFilter::obstacle(const SyncPlan &plan) {
  const HeldTable &held = filter_.held;
  for (int n = 0; n < held.leaf_count; ++n)
    if (!can_scan_heap(held.leaves[n])) return "its rows are not in heaps";
  if (held.leaf_count == 0) return "rows of other tables belong to it";
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
  in_context([&] { estimate = estimate_held_rows(filter_.held); });
  constexpr std::int64_t hardly_any = 64;
  filter_.most = is_ablated(Ablation::memory) ? hardly_any : KnownRows::rows_in(memory);
  constexpr double slack = 1.1, few = 1000;
  known_.make_room(std::min(filter_.most, static_cast<std::int64_t>(estimate * slack + few)));
  in_context([&] { scan_target(filter_, estimate, &progress); });
  way_ = "in memory";
  if (filter_.spill.parts > 0) {
    const std::int64_t largest = choose_passes(filter_.spill, filter_.most);
    if (largest < 0)
      return "hashes of its " + counted(filter_.held_rows, "row") + " do not fit into memory_limit_mb";
    known_.make_room(largest);
    in_context([&] { load_pass(filter_, 0); });
    if (filter_.spill.passes > 1)
      way_ = "in " + std::to_string(filter_.spill.passes) + " passes over temporary files";
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
