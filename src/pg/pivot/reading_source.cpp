#include "pg/pivot/reading_source.h"

extern "C" {
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pg/server/compat.h"
#include "tcop/dest.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
}

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include "core/copy_binary.h"
#include "core/error.h"
#include "pg/run/stream_watch.h"
#include "pg/server/airlock.h"
#include "pg/server/fault.h"
#include "pg/server/latch_host.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

constexpr int rows_per_look = 256;

// ---- here ----------------------------------------------------------------------------------------------

// What the executor gives its rows to. `base` comes first, so that a pointer to it is one to this.
struct Receiver {
  DestReceiver base;
  const ReadingPlan *plan;
  int places[reading_columns];  // in a row, from 0; below 0: none
  ReadingSink *sink;
  const Rate *rate;
  Progress *progress;
  std::uint64_t rows_before;
  std::int64_t began_ms;
  std::int64_t rows, bytes;
  MemoryContext detoasted;
};

int place_of(const Receiver &receiver, ReadingColumn which) {
  return receiver.places[static_cast<size_t>(which)];
}

MaybeText text_at(const Receiver &receiver, const TupleTableSlot &slot, ReadingColumn which) {
  const int n = place_of(receiver, which);
  if (n < 0 || slot.tts_isnull[n]) return {};
  auto *text = reinterpret_cast<varlena *>(DatumGetPointer(slot.tts_values[n]));
  if (VARATT_IS_COMPRESSED(text) || VARATT_IS_EXTERNAL(text)) text = pg_detoast_datum_packed(text);
  return {VARDATA_ANY(text), static_cast<size_t>(VARSIZE_ANY_EXHDR(text))};
}

template <typename T, typename F>
std::optional<T> value_at(const Receiver &receiver, const TupleTableSlot &slot, ReadingColumn which, F of) {
  const int n = place_of(receiver, which);
  if (n < 0 || slot.tts_isnull[n]) return std::nullopt;
  return of(slot.tts_values[n]);
}

// All at once: a reading that is made and then filled is twice the work.
Reading reading_of(const Receiver &receiver, const TupleTableSlot &slot) {
  const auto number = [](Datum datum) { return static_cast<std::int64_t>(datum); };
  return {
      receiver.plan->ship.empty() ? text_at(receiver, slot, ReadingColumn::ship_id) : receiver.plan->ship,
      text_at(receiver, slot, ReadingColumn::data_channel_id),
      value_at<Moment>(receiver, slot, ReadingColumn::created_time, number),
      {text_at(receiver, slot, ReadingColumn::value_format),
       value_at<bool>(receiver, slot, ReadingColumn::bool_v, [](Datum datum) { return DatumGetBool(datum); }),
       text_at(receiver, slot, ReadingColumn::str_v),
       value_at<std::int64_t>(receiver, slot, ReadingColumn::long_v, number),
       value_at<double>(receiver, slot, ReadingColumn::double_v,
                        [](Datum datum) { return DatumGetFloat8(datum); })}};
}

// About what the reading would be in a COPY.
std::int64_t size_of(const Reading &reading) {
  std::int64_t size = 4 * reading_columns + 8 + 8;
  for (const MaybeText text : {reading.ship, reading.channel, reading.value.format, reading.value.str_v})
    size += static_cast<std::int64_t>(text.size());
  return size;
}

void keep_pace(Receiver &receiver, const Reading &reading) {
  receiver.bytes += size_of(reading);
  constexpr std::int64_t worth_a_wait = 20;
  const std::int64_t wait_ms =
      ms_ahead(*receiver.rate, receiver.rows, receiver.bytes, steady_ms() - receiver.began_ms);
  if (wait_ms >= worth_a_wait) wait_for_ms(wait_ms);
}

// Server code around `enter`: an error of the sink goes the way of the server's own.
bool receive(TupleTableSlot *slot, DestReceiver *self) {
  auto *receiver = reinterpret_cast<Receiver *>(self);
  slot_getallattrs(slot);
  MemoryContext const outer = MemoryContextSwitchTo(receiver->detoasted);
  enter([&] {
    const Reading reading = reading_of(*receiver, *slot);
    receiver->sink->take(reading);
    if (receiver->rate->limited()) keep_pace(*receiver, reading);
    fault_point(FaultPoint::row_received);
  });
  MemoryContextSwitchTo(outer);
  if (++receiver->rows % rows_per_look == 0) {
    MemoryContextReset(receiver->detoasted);
    receiver->progress->rows = receiver->rows_before + static_cast<std::uint64_t>(receiver->rows);
  }
  return true;
}

// Ships that are wanted, in the order of their bytes; a table may have many.
struct Wanted {
  const std::string *first, *last;
};

bool is_wanted(const Wanted &wanted, const Receiver &receiver, TupleTableSlot *slot) {
  const int n = place_of(receiver, ReadingColumn::ship_id);
  if (wanted.first == wanted.last || n < 0) return true;
  slot_getsomeattrs(slot, n + 1);
  const MaybeText ship = text_at(receiver, *slot, ReadingColumn::ship_id);
  if (!is_there(ship)) return false;
  if (wanted.last - wanted.first == 1) return ship == *wanted.first;
  return std::binary_search(wanted.first, wanted.last, ship);
}

// Server calls only, but for receive().
void scan_table(unsigned int oid, const Wanted &wanted, Receiver *receiver) {
  Relation const relation = table_open(oid, AccessShareLock);
  TupleTableSlot *const slot = table_slot_create(relation, nullptr);
  // From the first page on, so that of two readings the last one is the last.
  TableScanDesc const scan = table_beginscan_strat(relation, GetActiveSnapshot(), 0, nullptr, true, false);
  for (std::uint64_t rows = 0; table_scan_getnextslot(scan, ForwardScanDirection, slot); ++rows) {
    if (rows % rows_per_look == 0) CHECK_FOR_INTERRUPTS();
    if (is_wanted(wanted, *receiver, slot)) receive(slot, &receiver->base);
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(slot);
  table_close(relation, AccessShareLock);
}

void start_up(DestReceiver *, int, TupleDesc) {}
void shut_down(DestReceiver *) {}
void destroy(DestReceiver *) {}

// Server calls only: runs inside the airlock.
void execute_into(const char *sql, DestReceiver *receiver) {
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  SPIExecuteOptions options{};
  options.read_only = true;
  options.dest = receiver;
  const int code = SPI_execute_extended(sql, &options);
  if (code != SPI_OK_SELECT) elog(ERROR, "SPI failed: %s", SPI_result_code_string(code));
  SPI_finish();
}

// ---- there ---------------------------------------------------------------------------------------------

[[noreturn]] void bad_format(const char *what) {
  throw Error("22P04", std::string("the source sent ") + what);
}

// A field's bytes; absent where it is NULL.
using Field = MaybeText;

Field take_field(CopyMessage &message) {
  const auto length = take<std::int32_t, bad_format>(message);
  if (length == -1) return {};
  if (length < 0 || length > message.left()) bad_format("a row that is cut off");
  const Field field(message.at, static_cast<size_t>(length));
  message.at += length;
  return field;
}

// A number, or a moment, of 8 bytes.
std::optional<std::int64_t> number_in(Field field) {
  if (!is_there(field)) return std::nullopt;
  CopyMessage bytes{const_cast<char *>(field.data()), const_cast<char *>(field.data()) + field.size()};
  if (bytes.left() != 8) bad_format("a number of another size");
  return take<std::int64_t, bad_format>(bytes);
}

std::optional<double> decimal_in(Field field) {
  const std::optional<std::int64_t> bits = number_in(field);
  return bits ? std::optional(std::bit_cast<double>(*bits)) : std::nullopt;
}

std::optional<bool> boolean_in(Field field) {
  if (!is_there(field)) return std::nullopt;
  if (field.size() != 1) bad_format("a boolean of another size");
  return field[0] != 0;
}

bool is_ascii(Field text) {
  unsigned char bits = 0;
  for (const char c : text) bits |= static_cast<unsigned char>(c);
  return bits < 0x80 && text.find('\0') == Field::npos;
}

// What another server sent can be anything.
Field checked(Field text) {
  if (!is_ascii(text)) call([&] { pg_verifymbstr(text.data(), static_cast<int>(text.size()), false); });
  return text;
}

Reading reading_of(const ReadingPlan &plan, const std::array<Field, reading_columns> &fields) {
  const auto field = [&](ReadingColumn which) {
    const int n = plan.place(which);
    return n < 0 ? Field() : fields[static_cast<size_t>(n)];
  };
  return {plan.ship.empty() ? checked(field(ReadingColumn::ship_id)) : plan.ship,
          checked(field(ReadingColumn::data_channel_id)),
          number_in(field(ReadingColumn::created_time)),
          {checked(field(ReadingColumn::value_format)), boolean_in(field(ReadingColumn::bool_v)),
           checked(field(ReadingColumn::str_v)), number_in(field(ReadingColumn::long_v)),
           decimal_in(field(ReadingColumn::double_v))}};
}

}  // namespace

namespace {

// Runs `read`, which gives rows to the receiver; returns how many there were.
template <typename F>
std::int64_t with_receiver(const ReadingPlan &plan, ReadingSink &sink, const Rate &rate, Progress &progress,
                           F read) {
  Receiver receiver{};
  // Of some kind that is not DestNone: SPI would take the statement for one without rows.
  receiver.base = {receive, start_up, shut_down, destroy, DestTransientRel};
  receiver.plan = &plan;
  std::copy(plan.places.begin(), plan.places.end(), receiver.places);
  receiver.sink = &sink;
  receiver.rate = &rate;
  receiver.progress = &progress;
  receiver.began_ms = steady_ms();
  receiver.rows_before = progress.rows;
  receiver.detoasted = call([] {
    return AllocSetContextCreate(CurrentMemoryContext, "readings, detoasted", ALLOCSET_DEFAULT_SIZES);
  });
  read(receiver);
  call([&] { MemoryContextDelete(receiver.detoasted); });
  progress.rows = receiver.rows_before + static_cast<std::uint64_t>(receiver.rows);
  progress.memory_bytes = private_memory();
  return receiver.rows;
}

unsigned int oid_of(const Table &table) {
  return static_cast<unsigned int>(std::strtoul(table.oid.c_str(), nullptr, 10));
}

}  // namespace

std::int64_t read_here(const ReadingPlan &plan, const std::string &select, ReadingSink &sink,
                       const Rate &rate, Progress &progress) {
  return with_receiver(plan, sink, rate, progress, [&](Receiver &receiver) {
    call([&] { execute_into(select.c_str(), &receiver.base); });
  });
}

bool can_scan_here(const ReadingPlan &plan, const Table &table) {
  if (table.kind != 'r' || table.has_children || plan.expressions != plan.columns) return false;
  const unsigned int oid = oid_of(table);
  return call([&] { return check_enable_rls(oid, InvalidOid, true) != RLS_ENABLED; });
}

std::int64_t scan_here(const ReadingPlan &plan, const Table &table, const std::vector<std::string> &ships,
                       ReadingSink &sink, const Rate &rate, Progress &progress) {
  std::vector<std::string> sorted = ships;
  std::sort(sorted.begin(), sorted.end());
  const Wanted wanted{sorted.data(), sorted.data() + sorted.size()};
  const unsigned int oid = oid_of(table);
  return with_receiver(plan, sink, rate, progress, [&](Receiver &receiver) {
    // Columns that were dropped count.
    for (size_t n = 0; n < plan.columns.size(); ++n)
      for (const Column &column : table.columns)
        if (plan.columns[n] == quote_identifier(column.name)) {
          const char *const name = column.name.c_str();
          receiver.places[n] = call([&] { return get_attnum(oid, name); }) - 1;
        }
    call([&] { scan_table(oid, wanted, &receiver); });
  });
}

std::int64_t read_there(const ReadingPlan &plan, remote::CopyOut &stream, ReadingSink &sink, const Rate &rate,
                        Progress &progress) {
  StreamWatch watch(stream, rate, progress);
  std::array<Field, reading_columns> fields;
  bool header_taken = false, trailer_taken = false;
  size_t size = 0;
  while (char *const bytes = stream.next_row(size)) {
    CopyMessage message{bytes, bytes + size};
    if (!header_taken) take_header<bad_format>(message);
    header_taken = true;
    if (message.left() == 0) continue;
    if (trailer_taken) bad_format("data after the end of the COPY");
    trailer_taken = !take_row<bad_format>(message, plan.width);
    if (trailer_taken) continue;
    for (int n = 0; n < plan.width; ++n) fields[static_cast<size_t>(n)] = take_field(message);
    if (message.left() != 0) bad_format("a row that is too long");
    sink.take(reading_of(plan, fields));
    fault_point(FaultPoint::row_received);
    const bool at_clock = stream.rows() % rows_per_look == 0;
    if (at_clock) check_for_interrupts();
    watch.look(at_clock);
  }
  if (!trailer_taken) bad_format("a COPY without an end");
  watch.finish();
  fault_point(FaultPoint::copy_finished);
  return stream.rows();
}

}  // namespace tablesync::pg
