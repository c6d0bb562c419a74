#include "pg/rows/row_former.h"

extern "C" {
#include "lib/stringinfo.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

#include "pg/rows/decode_value.h"
#include "pg/server/fault.h"  // says whether this is the build with fault points

namespace tablesync::pg {

static_assert(sizeof(Datum) == 8, "eight-byte values are passed by value");

void bad_format(const char *what) {
  ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("the source sent %s", what)));
  pg_unreachable();
}

namespace {

constexpr Size room_size = MAXALIGN(VARATT_SHORT_MAX);

template <typename T>
T take(CopyMessage &message) {
  return tablesync::take<T, bad_format>(message);
}

Datum receive_value(FormedColumn &column, char *bytes, int length) {
  // Receive functions may read a zero after the value (stringinfo.h); the original byte is restored.
  const char behind = bytes[length];
  bytes[length] = 0;
  StringInfoData buffer{bytes, length, length + 1, 0};
  Datum const value = ReceiveFunctionCall(&column.receive, &buffer, column.parameter, column.typmod);
  bytes[length] = behind;
  if (buffer.cursor != length)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("incorrect binary data format")));
  return value;
}

// The build with fault points compares every fast path with the receive function.
#ifdef TABLESYNC_FAULTS
void check_decoded(FormedColumn &column, char *bytes, int length, Datum value) {
  Datum const expected = receive_value(column, bytes, length);
  int16 size = 0;
  bool by_value = false;
  get_typlenbyval(column.type, &size, &by_value);
  // Its header may be a short one.
  const auto *const got = reinterpret_cast<struct varlena *>(DatumGetPointer(value));
  const bool short_header = size == -1 && VARATT_IS_SHORT(got);
  const auto *const full = reinterpret_cast<struct varlena *>(DatumGetPointer(expected));
  const bool same = short_header
                        ? VARSIZE_ANY_EXHDR(got) == VARSIZE_ANY_EXHDR(full) &&
                              memcmp(VARDATA_ANY(got), VARDATA_ANY(full), VARSIZE_ANY_EXHDR(got)) == 0
                        : datumIsEqual(value, expected, by_value, size);
  if (!same)
    elog(ERROR, "column \"%s\" was decoded to another value than its receive function returns", column.name);
}
#else
void check_decoded(FormedColumn &, char *, int, Datum) {}
#endif

void take_value(RowFormer &former, int at, CopyMessage &message) {
  FormedColumn &column = former.columns[at];
  former.reading = &column;
  const auto length = static_cast<int32>(take<uint32>(message));
  former.nulls[column.attribute] = length == -1;
  if (length == -1) {
    if (column.not_null)
      ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
                      errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
                             column.name, former.table)));
    // A domain may refuse nulls, for which strict functions are not called.
    if (!column.receive.fn_strict)
      ReceiveFunctionCall(&column.receive, nullptr, column.parameter, column.typmod);
    return;
  }
  if (length < 0 || length > message.end - message.at) bad_format("a truncated value");
  Datum &value = former.values[column.attribute];
  if (decode_value(column.type, column.typmod, message.at, length, former.rooms + at * room_size, &value))
    check_decoded(column, message.at, length, value);
  else
    value = receive_value(column, message.at, length);
  message.at += length;
}

}  // namespace

RowFormer make_row_former(const char *table, int column_count, int attributes) {
  RowFormer former{};
  former.table = table;
  former.column_count = column_count;
  former.columns =
      static_cast<FormedColumn *>(palloc0(sizeof(FormedColumn) * static_cast<Size>(column_count)));
  former.values = static_cast<Datum *>(palloc0(sizeof(Datum) * static_cast<Size>(attributes)));
  former.nulls = static_cast<bool *>(palloc0(static_cast<Size>(attributes)));
  former.rooms = static_cast<char *>(palloc(room_size * static_cast<Size>(column_count)));
  former.row = AllocSetContextCreate(CurrentMemoryContext, "row being loaded", ALLOCSET_DEFAULT_SIZES);
  return former;
}

void describe_column(RowFormer &former, int n, const char *name, int attribute,
                     Form_pg_attribute description) {
  FormedColumn &column = former.columns[n];
  column.name = name;
  column.attribute = attribute;
  column.type = description->atttypid;
  column.typmod = description->atttypmod;
  column.not_null = description->attnotnull;
  Oid function = InvalidOid;
  getTypeBinaryInputInfo(column.type, &function, &column.parameter);
  fmgr_info(function, &column.receive);
}

void form_values(RowFormer &former, CopyMessage &message) {
  MemoryContextReset(former.row);
  MemoryContext const outer = MemoryContextSwitchTo(former.row);
  for (int i = 0; i < former.column_count; ++i) take_value(former, i, message);
  former.reading = nullptr;
  if (message.at != message.end) bad_format("a row that is too long");
  MemoryContextSwitchTo(outer);
}

void add_row_context(const RowFormer &former, uint64 line) {
  if (former.reading != nullptr)
    errcontext("COPY %s, line %llu, column %s", former.table, static_cast<unsigned long long>(line),
               former.reading->name);
  else
    errcontext("COPY %s, line %llu", former.table, static_cast<unsigned long long>(line));
}

void free_row_former(RowFormer &former) { MemoryContextDelete(former.row); }

}  // namespace tablesync::pg
