#include "pg/pivot/reading_source.h"

extern "C" {
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "core/base/cell.h"
#include "core/base/same_text.h"
#include "pg/rows/heap_scan.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/server/spi.h"
#include "pg/source/stream_watch.h"
#include "pg/target/plain_table.h"

namespace tablesync::pg {
namespace {

constexpr int rows_per_look = 256;

// ---- this database -------------------------------------------------------------------------------------

// Makes readings of rows, and passes them on.
class Intake {
 public:
  // `places`: the place of each column of a reading in a row, from 0; below 0: none.
  Intake(const ReadingPlan &plan, const std::array<int, reading_columns> &places, ReadingSink &sink,
         const Rate &rate, Progress &progress)
      : ship_(plan.ship),
        decimals_are_texts_(plan.decimals_are_texts),
        places_(places),
        sink_(sink),
        rate_(rate),
        progress_(progress),
        rows_before_(progress.rows),
        detoasted_(call([] {
          return AllocSetContextCreate(CurrentMemoryContext, "readings, detoasted", ALLOCSET_SMALL_SIZES);
        })) {}

  bool take(const Datum *values, const bool *nulls);
  // Publishes how many came, and frees their texts.
  void publish() {
    call([&] { MemoryContextReset(detoasted_); });
    progress_.rows = rows_before_ + static_cast<std::uint64_t>(rows_);
  }
  std::int64_t finish();

  int place_of(ReadingColumn which) const { return places_[static_cast<size_t>(which)]; }
  MaybeText text_at(const Datum *values, const bool *nulls, ReadingColumn which) const;
  std::int64_t rows() const { return rows_; }

 private:
  MaybeText long_text(varlena *text) const;
  Reading reading_of(const Datum *values, const bool *nulls) const;
  void keep_pace(const Reading &reading);

  const std::string_view ship_;  // the ship of all readings; empty: a column has it
  const bool decimals_are_texts_;
  const std::array<int, reading_columns> places_;
  ReadingSink &sink_;
  const Rate &rate_;
  Progress &progress_;
  const std::uint64_t rows_before_;
  const std::int64_t began_ms_ = steady_ms();
  std::int64_t rows_ = 0, bytes_ = 0;
  MemoryContext const detoasted_;
};

MaybeText Intake::text_at(const Datum *values, const bool *nulls, ReadingColumn which) const {
  const int n = place_of(which);
  if (n < 0 || nulls[n]) return {};
  auto *const text = reinterpret_cast<varlena *>(DatumGetPointer(values[n]));
  // Nearly all are short.
  if (VARATT_IS_1B(text) && !VARATT_IS_1B_E(text))
    return {VARDATA_1B(text), static_cast<size_t>(VARSIZE_1B(text)) - VARHDRSZ_SHORT};
  return long_text(text);
}

MaybeText Intake::long_text(varlena *text) const {
  if (VARATT_IS_COMPRESSED(text) || VARATT_IS_EXTERNAL(text))
    text = call([&] {
      MemoryContext const outer = MemoryContextSwitchTo(detoasted_);
      varlena *const all = pg_detoast_datum_packed(text);
      MemoryContextSwitchTo(outer);
      return all;
    });
  return {VARDATA_ANY(text), static_cast<size_t>(VARSIZE_ANY_EXHDR(text))};
}

// Initializes all at once, because to create a reading and fill it later is twice the work.
Reading Intake::reading_of(const Datum *values, const bool *nulls) const {
  const auto value_at = [&](ReadingColumn which, auto of) -> std::optional<decltype(of(Datum()))> {
    const int n = place_of(which);
    if (n < 0 || nulls[n]) return std::nullopt;
    return of(values[n]);
  };
  const auto text = [&](ReadingColumn which) { return text_at(values, nulls, which); };
  const auto number = [](Datum datum) { return static_cast<std::int64_t>(datum); };
  const auto boolean = [](Datum datum) { return DatumGetBool(datum); };
  const auto decimal = [](Datum datum) { return DatumGetFloat8(datum); };
  const NumberRead double_v = decimals_are_texts_
                                  ? read_number(text(ReadingColumn::double_v))
                                  : NumberRead{value_at(ReadingColumn::double_v, decimal), {}};
  return {ship_.empty() ? text(ReadingColumn::ship_id) : ship_,
          text(ReadingColumn::data_channel_id),
          value_at(ReadingColumn::created_time, number),
          {text(ReadingColumn::value_format), value_at(ReadingColumn::bool_v, boolean),
           text(ReadingColumn::str_v), value_at(ReadingColumn::long_v, number), double_v.double_v,
           double_v.beyond_double}};
}

// About the size of the reading in a COPY.
std::int64_t size_of(const Reading &reading) {
  std::int64_t size = 4 * reading_columns + 8 + 8;
  for (const MaybeText text : {reading.ship, reading.channel, reading.value.format, reading.value.str_v})
    size += static_cast<std::int64_t>(text.size());
  return size;
}

void Intake::keep_pace(const Reading &reading) {
  bytes_ += size_of(reading);
  constexpr std::int64_t worth_a_wait = 20;
  const std::int64_t wait_ms = ms_ahead(rate_, rows_, bytes_, steady_ms() - began_ms_);
  if (wait_ms >= worth_a_wait) wait_for_ms(wait_ms);
}

bool Intake::take(const Datum *values, const bool *nulls) {
  const Reading reading = reading_of(values, nulls);
  const bool wants_more = sink_.take(reading);
  ++rows_;
  if (rate_.limited()) keep_pace(reading);
  fault_point(FaultPoint::row_received);
  return wants_more;
}

std::int64_t Intake::finish() {
  publish();
  call([&] { MemoryContextDelete(detoasted_); });
  progress_.memory_bytes = private_memory();
  return rows_;
}

// ---- this database, from the pages ---------------------------------------------------------------------

unsigned int oid_of(const Table &table) { return as_oid(table.oid); }

// The oid of a type of pg_catalog that readings are read as.
unsigned int type_oid(const std::string &name) {
  constexpr std::pair<std::string_view, unsigned int> types[] = {
      {"text", TEXTOID},           {"varchar", VARCHAROID}, {"timestamptz", TIMESTAMPTZOID},
      {"timestamp", TIMESTAMPOID}, {"bool", BOOLOID},       {"int8", INT8OID},
      {"float8", FLOAT8OID}};
  for (const auto &[known, oid] : types)
    if (known == name) return oid;
  throw Error(sqlstate::internal, "readings cannot be read as " + name);
}

// The types of the columns at these places; 0 where no reading is made of a column.
std::vector<unsigned int> types_at(const ReadingPlan &plan, const std::array<int, reading_columns> &places) {
  std::vector<unsigned int> types(static_cast<size_t>(*std::max_element(places.begin(), places.end()) + 1));
  for (size_t n = 0; n < places.size(); ++n)
    if (places[n] >= 0) types[static_cast<size_t>(places[n])] = type_oid(plan.types[n]);
  return types;
}

// The places of the columns by attribute number, which counts dropped columns.
std::array<int, reading_columns> attributes_of(const ReadingPlan &plan, const Table &table) {
  const unsigned int oid = oid_of(table);
  std::array<int, reading_columns> attributes;
  attributes.fill(-1);
  for (size_t n = 0; n < plan.columns.size(); ++n)
    for (const Column &column : table.columns)
      if (plan.columns[n] == quote_identifier(column.name)) {
        const char *const name = column.name.c_str();
        attributes[n] = call([&] { return get_attnum(oid, name); }) - 1;
      }
  return attributes;
}

// Checks that rows come with ever younger transactions, which it compares by age, like in_order_of_age().
class WriterOrder {
 public:
  WriterOrder() : now_(call([] { return ReadNextTransactionId(); })) {}
  bool continues_with(TransactionId writer) {
    if (writer == last_) return true;
    const auto passed = static_cast<std::int32_t>(now_ - writer);
    const std::int32_t age = !TransactionIdIsNormal(writer) || passed < 0 ? oldest : passed;
    const bool younger = age <= age_;
    last_ = writer;
    age_ = age;
    return younger;
  }

 private:
  static constexpr std::int32_t oldest = std::numeric_limits<std::int32_t>::max();
  const TransactionId now_;
  TransactionId last_ = InvalidTransactionId;
  std::int32_t age_ = oldest;
};

void check_text(std::string_view text) {
  call([&] { pg_verifymbstr(text.data(), static_cast<int>(text.size()), false); });
}

}  // namespace

std::int64_t read_local(const ReadingPlan &plan, const std::string &select, ReadingSink &sink,
                        const Rate &rate, Progress &progress) {
  Intake intake(plan, plan.places, sink, rate, progress);
  each_row(select, {}, types_at(plan, plan.places), [&](const std::uintptr_t *values, const bool *nulls) {
    const bool wants_more = intake.take(values, nulls);
    if (intake.rows() % rows_per_look == 0) intake.publish();
    return wants_more;
  });
  return intake.finish();
}

bool can_scan_local(const ReadingPlan &plan, const Table &table) {
  if (table.kind != 'r' || table.has_children || plan.expressions != plan.columns) return false;
  const unsigned int oid = oid_of(table);
  return can_scan_heap(oid) && call([&] {
           return check_enable_rls(oid, InvalidOid, true) != RLS_ENABLED &&
                  pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
         }) &&
         is_read_in_place(table.name);
}

std::int64_t scan_local(const ReadingPlan &plan, const Table &table, const std::vector<std::string> &ships,
                        ReadingSink &sink, const Rate &rate, Progress &progress) {
  const std::set<std::string, std::less<>> wanted(ships.begin(), ships.end());
  const std::array<int, reading_columns> attributes = attributes_of(plan, table);
  Intake intake(plan, attributes, sink, rate, progress);
  const int ship_at = intake.place_of(ReadingColumn::ship_id);
  const std::vector<unsigned int> types = types_at(plan, attributes);
  const auto width = static_cast<int>(types.size());
  const unsigned int oid = oid_of(table);
  HeapScan scan = call([&] { return HeapScan::begin(oid, width, types.data()); });
  const auto deform = [&](int count) {
    if (!scan.deform(count)) call([&] { scan.fill_missing(count); });
  };
  std::optional<std::string> last;
  bool last_is_wanted = false;
  const auto is_wanted = [&] {
    if (wanted.empty() || ship_at < 0) return true;
    deform(ship_at + 1);
    const MaybeText ship = intake.text_at(scan.values(), scan.nulls(), ReadingColumn::ship_id);
    if (!is_there(ship)) return false;
    // Often it is that of the previous row.
    if (!last || !is_same(ship, *last)) {
      last = ship;
      last_is_wanted = wanted.contains(ship);
    }
    return last_is_wanted;
  };
  WriterOrder order;
  bool in_order = true, wants_more = true;
  while (wants_more && call([&] { return scan.next_page(); })) {
    for (int n = 0; wants_more && n < scan.rows(); ++n) {
      scan.look_at(n);
      if (in_order && !order.continues_with(scan.writer())) {
        in_order = false;
        sink.lose_order();
      }
      if (!is_wanted()) continue;
      deform(width);
      wants_more = intake.take(scan.values(), scan.nulls());
    }
    intake.publish();
  }
  call([&] { scan.end(); });
  return intake.finish();
}

std::int64_t read_remote(const ReadingPlan &plan, RowSource &stream, ReadingSink &sink, const Rate &rate,
                         Progress &progress) {
  StreamWatch watch(stream, rate, progress);
  ReadingStream readings(plan, check_text);
  size_t size = 0;
  while (char *const bytes = stream.next_row(size)) {
    if (!readings.take(bytes, size)) continue;
    const bool wants_more = sink.take(readings.reading());
    fault_point(FaultPoint::row_received);
    if (!wants_more) return stream.rows();
    const bool at_clock = stream.rows() % rows_per_look == 0;
    if (at_clock) check_for_interrupts();
    watch.look(at_clock);
  }
  readings.finish();
  watch.finish();
  fault_point(FaultPoint::copy_finished);
  return stream.rows();
}

}  // namespace tablesync::pg
