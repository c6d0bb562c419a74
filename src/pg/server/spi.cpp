#include "pg/server/spi.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "pg/server/compat.h"
}

#include <utility>

#include "core/base/error.h"
#include "pg/server/statement_check.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

// If f fails, the abort that must follow releases SPI.
template <typename F>
auto in_spi(F f) {
  call([] {
    if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "SPI_connect failed");
  });
  auto result = f();
  call([] { SPI_finish(); });
  return result;
}

void check(int code, const std::string &sql) {
  if (code < 0)
    throw Error(sqlstate::internal,
                std::string("SPI failed: ") + call([&] { return SPI_result_code_string(code); }), sql);
}

Rows fetch() {
  Rows rows;
  if (SPI_tuptable == nullptr) return rows;
  for (uint64 r = 0; r < SPI_processed; ++r) {
    Row row;
    for (int c = 1; c <= SPI_tuptable->tupdesc->natts; ++c) {
      char *value = call([&] { return SPI_getvalue(SPI_tuptable->vals[r], SPI_tuptable->tupdesc, c); });
      if (value == nullptr)
        row.emplace_back(std::nullopt);
      else
        row.emplace_back(std::string(value));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

int execute_with(const std::string &sql, const Row &parameters, bool read_only) {
  const auto count = static_cast<int>(parameters.size());
  return call([&] {
    auto *types = static_cast<Oid *>(palloc0(sizeof(Oid) * (count + 1)));
    auto *values = static_cast<Datum *>(palloc0(sizeof(Datum) * (count + 1)));
    auto *nulls = static_cast<char *>(palloc0(count + 1));
    for (int i = 0; i < count; ++i) {
      types[i] = TEXTOID;
      nulls[i] = parameters[i] ? ' ' : 'n';
      if (parameters[i]) values[i] = CStringGetTextDatum(parameters[i]->c_str());
    }
    return SPI_execute_with_args(sql.c_str(), count, types, values, nulls, read_only, 0);
  });
}

Rows run_query(const std::string &sql, const Row &parameters, bool read_only,
               const std::source_location &where) {
  check_statement(sql, SearchPath::safe, where);
  return with_safe_search_path([&] {
    return in_spi([&] {
      check(execute_with(sql, parameters, read_only), sql);
      return fetch();
    });
  });
}

// The receiver of the executor's rows. `base` comes first, so that a pointer to it is one to this struct.
struct Receiver {
  DestReceiver base;
  const std::vector<unsigned int> *types;
  const std::function<bool(const std::uintptr_t *, const bool *)> *take;
};

// Server code around `enter`: an error of `take` becomes an error of the server.
bool receive(TupleTableSlot *slot, DestReceiver *self) {
  slot_getallattrs(slot);
  return enter(
      [&] { return (*reinterpret_cast<Receiver *>(self)->take)(slot->tts_values, slot->tts_isnull); });
}

// Before the first row, because a Datum of another type than expected would be misread.
void start_up(DestReceiver *self, int, TupleDesc row) {
  const std::vector<unsigned int> &types = *reinterpret_cast<Receiver *>(self)->types;
  bool expected = row->natts == static_cast<int>(types.size());
  for (int n = 0; expected && n < row->natts; ++n)
    expected = TupleDescAttr(row, n)->atttypid == types[static_cast<size_t>(n)];
  if (!expected)
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("a query returned columns of unexpected types"),
                    errdetail("A relation that it reads was replaced or altered during the run."),
                    errhint("Run it again.")));
}
void shut_down(DestReceiver *) {}
void destroy(DestReceiver *) {}

// As texts.
ParamListInfo list_of(const Row &parameters) {
  if (parameters.empty()) return nullptr;
  const auto count = static_cast<int>(parameters.size());
  ParamListInfo const list = makeParamList(count);
  for (int i = 0; i < count; ++i)
    list->params[i] = {parameters[i] ? CStringGetTextDatum(parameters[i]->c_str()) : Datum(0),
                       !parameters[i].has_value(), PARAM_FLAG_CONST, TEXTOID};
  return list;
}

}  // namespace

Rows query(const std::string &sql, const Row &parameters, const std::source_location &where) {
  return run_query(sql, parameters, false, where);
}

void each_row(const std::string &sql, const Row &parameters, const std::vector<unsigned int> &types,
              const std::function<bool(const std::uintptr_t *, const bool *)> &take,
              const std::source_location &where) {
  check_statement(sql, SearchPath::session, where);
  // Not DestNone, because SPI would then expect no rows.
  Receiver receiver{{receive, start_up, shut_down, destroy, DestTransientRel}, &types, &take};
  in_spi([&] {
    const int code = call([&] {
      SPIExecuteOptions options{};
      options.params = list_of(parameters);
      options.read_only = true;
      options.dest = &receiver.base;
      return SPI_execute_extended(sql.c_str(), &options);
    });
    check(code, sql);
    return 0;
  });
}

Rows query_latest(const std::string &sql, const Row &parameters, const std::source_location &where) {
  call([] { PushActiveSnapshot(GetLatestSnapshot()); });
  Rows rows = run_query(sql, parameters, true, where);
  call([] { PopActiveSnapshot(); });
  return rows;
}

std::uint64_t execute(const std::string &sql, const std::source_location &where) {
  check_statement(sql, SearchPath::session, where);
  return in_spi([&] {
    check(call([&] { return SPI_execute(sql.c_str(), false, 0); }), sql);
    return static_cast<std::uint64_t>(SPI_processed);
  });
}

}  // namespace tablesync::pg
