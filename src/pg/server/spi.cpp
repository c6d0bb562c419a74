#include "pg/server/spi.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "pg/server/compat.h"
}

#include <utility>

#include "core/error.h"
#include "pg/server/transaction.h"

namespace tablesync::pg {
namespace {

// Where f fails, SPI is released by the abort that must follow, not here.
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

Rows run_query(const std::string &sql, const Row &parameters, bool read_only) {
  return with_safe_search_path([&] {
    return in_spi([&] {
      check(execute_with(sql, parameters, read_only), sql);
      return fetch();
    });
  });
}

std::string_view text_in(HeapTuple tuple, TupleDesc shape, int column) {
  const varlena *const value = call([&]() -> const varlena * {
    bool is_null = false;
    return DatumGetTextPP(SPI_getbinval(tuple, shape, column, &is_null));
  });
  return {VARDATA_ANY(value), static_cast<size_t>(VARSIZE_ANY_EXHDR(value))};
}

}  // namespace

Rows query(const std::string &sql, const Row &parameters) { return run_query(sql, parameters, false); }

void query_texts(const std::string &sql, const Row &parameters,
                 const std::function<void(const std::vector<std::string_view> &)> &take) {
  with_safe_search_path([&] {
    in_spi([&] {
      check(execute_with(sql, parameters, true), sql);
      TupleDesc const shape = SPI_tuptable->tupdesc;
      std::vector<std::string_view> cells(static_cast<size_t>(shape->natts));
      for (uint64 r = 0; r < SPI_processed; ++r) {
        for (int c = 1; c <= shape->natts; ++c)
          cells[static_cast<size_t>(c) - 1] = text_in(SPI_tuptable->vals[r], shape, c);
        take(cells);
      }
      return 0;
    });
    return 0;
  });
}

Rows query_latest(const std::string &sql, const Row &parameters) {
  call([] { PushActiveSnapshot(GetLatestSnapshot()); });
  Rows rows = run_query(sql, parameters, true);
  call([] { PopActiveSnapshot(); });
  return rows;
}

std::uint64_t execute(const std::string &sql) {
  return in_spi([&] {
    check(call([&] { return SPI_execute(sql.c_str(), false, 0); }), sql);
    return static_cast<std::uint64_t>(SPI_processed);
  });
}

}  // namespace tablesync::pg
