#include "pg/server/sql_call.h"

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"
}

#include "core/base/error.h"
#include "pg/server/airlock.h"

namespace tablesync::pg {

std::optional<std::string> text_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  return call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(n)); });
}

std::optional<std::string> name_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  return NameStr(*PG_GETARG_NAME(n));
}

std::optional<bool> bool_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  return PG_GETARG_BOOL(n);
}

std::optional<int> int_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  return PG_GETARG_INT32(n);
}

std::optional<std::string> jsonb_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  return call([&] {
    Jsonb *value = PG_GETARG_JSONB_P(n);
    return JsonbToCString(nullptr, &value->root, VARSIZE(value));
  });
}

std::vector<std::string> text_array_argument(FunctionCallInfo fcinfo, int n) {
  if (PG_ARGISNULL(n)) return {};
  struct Elements {
    Datum *values;
    bool *nulls;
    int count;
  } elements{};
  call([&] {
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &elements.values,
                      &elements.nulls, &elements.count);
  });
  std::vector<std::string> texts;
  for (int i = 0; i < elements.count; ++i) {
    if (elements.nulls[i]) throw Error(sqlstate::null_not_allowed, "array must not contain nulls");
    texts.emplace_back(call([&] { return TextDatumGetCString(elements.values[i]); }));
  }
  return texts;
}

namespace {

std::vector<char *> column_texts(const Row &row) {
  std::vector<char *> texts;
  for (const Cell &cell : row) texts.push_back(cell ? const_cast<char *>(cell->c_str()) : nullptr);
  return texts;
}

}  // namespace

Datum record_result(FunctionCallInfo fcinfo, const Row &row) {
  std::vector<char *> texts = column_texts(row);
  return call([&] {
    TupleDesc description = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &description) != TYPEFUNC_COMPOSITE)
      elog(ERROR, "return type must be a row type");
    AttInMetadata *input = TupleDescGetAttInMetadata(BlessTupleDesc(description));
    return HeapTupleGetDatum(BuildTupleFromCStrings(input, texts.data()));
  });
}

Datum set_result(FunctionCallInfo fcinfo, const Rows &rows) {
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  AttInMetadata *input = call([&] {
    InitMaterializedSRF(fcinfo, 0);
    return TupleDescGetAttInMetadata(result->setDesc);
  });
  for (const Row &row : rows) {
    std::vector<char *> texts = column_texts(row);
    call([&] { tuplestore_puttuple(result->setResult, BuildTupleFromCStrings(input, texts.data())); });
  }
  return Datum{0};
}

}  // namespace tablesync::pg
