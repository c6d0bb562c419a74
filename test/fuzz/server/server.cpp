#include "fuzz/server/server.h"

extern "C" {
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
}

#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzzer.h"

namespace tablesync::fuzz {
namespace {

// Each piece of memory is one of malloc(), so that a sanitizer knows its size.
struct Context {
  MemoryContextData head{};
  std::vector<void *> pieces;

  Context() = default;
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;
  ~Context() { reset(); }
  void reset() {
    for (void *piece : pieces) std::free(piece);
    pieces.clear();
  }
};

std::vector<std::unique_ptr<Context>> contexts;
int sqlstate_of_error = 0;

Context *context_of(MemoryContext context) { return reinterpret_cast<Context *>(context); }

MemoryContext make_context() {
  contexts.push_back(std::make_unique<Context>());
  return &contexts.back()->head;
}

// The short form of numeric.c: a header of 16 bits, then digits to the base of 10000.
Numeric make_number(std::string text) {
  const bool negative = text[0] == '-';
  if (negative) text.erase(0, 1);
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::size_t scale = point < text.size() ? text.size() - point - 1 : 0;
  if (point < text.size()) text.erase(point, 1);
  text.insert(0, (4 - point % 4) % 4, '0');
  int weight = static_cast<int>((point + 3) / 4) - 1;
  text.append((4 - text.size() % 4) % 4, '0');
  std::vector<uint16> digits;
  for (std::size_t at = 0; at < text.size(); at += 4)
    digits.push_back(static_cast<uint16>(std::stoi(text.substr(at, 4))));
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
  std::size_t zeros = 0;
  while (zeros < digits.size() && digits[zeros] == 0) ++zeros;
  digits.erase(digits.begin(), digits.begin() + static_cast<std::ptrdiff_t>(zeros));
  weight = digits.empty() ? 0 : weight - static_cast<int>(zeros);
  must(scale <= 63 && weight >= -64 && weight <= 63, "a number of the short form");

  const auto header = static_cast<uint16>(0x8000 | (negative && !digits.empty() ? 0x2000 : 0) | (scale << 7) |
                                          (weight < 0 ? 0x40 : 0) | (weight & 0x3f));
  const Size size = VARHDRSZ + sizeof header + digits.size() * sizeof(uint16);
  auto *const number = static_cast<char *>(palloc(size));
  SET_VARSIZE(number, size);
  std::memcpy(number + VARHDRSZ, &header, sizeof header);
  if (!digits.empty())
    std::memcpy(number + VARHDRSZ + sizeof header, digits.data(), digits.size() * sizeof(uint16));
  return reinterpret_cast<Numeric>(number);
}

}  // namespace

void begin_server() {
  contexts.clear();
  CurrentMemoryContext = make_context();
  error_context_stack = nullptr;
}

}  // namespace tablesync::fuzz

using namespace tablesync::fuzz;

extern "C" {

MemoryContext CurrentMemoryContext = nullptr;
ErrorContextCallback *error_context_stack = nullptr;

// ---- memory -----------------------------------------------------------------------------------------------

void *palloc(Size size) {
  void *const piece = std::malloc(size);
  context_of(CurrentMemoryContext)->pieces.push_back(piece);
  return piece;
}

void *palloc0(Size size) { return std::memset(palloc(size), 0, size); }

MemoryContext AllocSetContextCreateInternal(MemoryContext, const char *, Size, Size, Size) {
  return make_context();
}

void MemoryContextReset(MemoryContext context) { context_of(context)->reset(); }
void MemoryContextDelete(MemoryContext context) { context_of(context)->reset(); }

// ---- errors -----------------------------------------------------------------------------------------------

bool errstart_cold(int, const char *) { return true; }

int errcode(int sqlstate) { return sqlstate_of_error = sqlstate; }

int errmsg(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = format_text(format, arguments);
  va_end(arguments);
  return length;
}

int set_errcontext_domain(const char *) { return 0; }

int errcontext_msg(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = format_text(format, arguments);
  va_end(arguments);
  return length;
}

void errfinish(const char *, int, const char *) {
  for (ErrorContextCallback *level = error_context_stack; level != nullptr; level = level->previous)
    level->callback(level->arg);
  throw Refused{sqlstate_of_error};
}

// ---- texts and numbers ------------------------------------------------------------------------------------

bool pg_verifymbstr(const char *text, int length, bool) {
  if (pg_encoding_verifymbstr(PG_UTF8, text, length) != length)
    throw Refused{ERRCODE_CHARACTER_NOT_IN_REPERTOIRE};
  return true;
}

struct varlena *pg_detoast_datum(struct varlena *value) {
  return value;
}

Numeric int64_to_numeric(int64 number) { return make_number(std::to_string(number)); }

Datum numeric_in(PG_FUNCTION_ARGS) { return NumericGetDatum(make_number(PG_GETARG_CSTRING(0))); }

Datum DirectFunctionCall3Coll(PGFunction function, Oid, Datum first, Datum second, Datum third) {
  LOCAL_FCINFO(call, 3);
  InitFunctionCallInfoData(*call, nullptr, 3, InvalidOid, nullptr, nullptr);
  const Datum arguments[] = {first, second, third};
  for (int n = 0; n < 3; ++n) call->args[n] = {arguments[n], false};
  return function(call);
}

}  // extern "C"
