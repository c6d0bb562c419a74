// decode_jsonb(): whatever bytes come, it reads no byte beyond them and writes none beyond what it allocates;
// and what it makes is a jsonb whose text is the document that came.
#include <string>

#include "fuzz/fuzzer.h"
#include "fuzz/server/check.h"
#include "fuzz/server/server.h"
#include "fuzz/values.h"
#include "pg/rows/decode_jsonb.h"

namespace tablesync::fuzz {
namespace {

bool decode(const std::string &bytes) {
  const Block value(bytes);
  const struct varlena *const document = pg::decode_jsonb(value.begin(), static_cast<int>(value.size()));
  if (document == nullptr) return false;
  must(text_of_jsonb(PointerGetDatum(document)) == without_spaces(bytes.substr(1)), "the document that came");
  return true;
}

}  // namespace
}  // namespace tablesync::fuzz

int main(int argc, char **argv) {
  using namespace tablesync::fuzz;
  const Arguments arguments = arguments_of(argc, argv);
  long decoded = 0, left = 0, refused = 0;
  for (long n = arguments.first; n < arguments.first + arguments.inputs; ++n) {
    Random random = begin_input(arguments, n);
    begin_server();
    std::string bytes = make_value(random, Kind::jsonb);
    if (!random.one_in(8))
      bytes = mutate(random, bytes, make_value(random, Kind::jsonb), favorites_of(Kind::jsonb));
    try {
      ++(decode(bytes) ? decoded : left);
    } catch (const Refused &) {
      ++refused;
    }
  }
  must(arguments.inputs < 1000 || decoded > arguments.inputs / 10, "a tenth of the values to be decoded");
  report(arguments, "values of jsonb",
         {{"decoded", decoded}, {"left to the receive function", left}, {"refused", refused}});
  return 0;
}
