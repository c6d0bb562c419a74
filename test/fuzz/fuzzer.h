// What the fuzzers of the decoders share: numbers at random, mutations, and blocks of memory without a spare
// byte. Each input depends on the seed and its own number alone, so that one that failed can be repeated:
// NAME_fuzz INPUTS SEED FIRST.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tablesync::fuzz {

// splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  unsigned below(unsigned limit) { return static_cast<unsigned>((bits() >> 32) % limit); }
  bool one_in(unsigned n) { return below(n) == 0; }
  // Small ones, and the borders of the types.
  std::int64_t odd_number();

 private:
  std::uint64_t state_;
};

struct Arguments {
  long inputs;
  unsigned seed;
  long first;
};
Arguments arguments_of(int argc, char **argv);
// Prints the line that script/test --long shows: how many of `what` there were, what came of them, the seed.
void report(const Arguments &arguments, const std::string &what,
            std::initializer_list<std::pair<const char *, long>> outcomes);
// For programs that see the server's headers, which have a printf() of their own: reads all that is printed.
int format_text(const char *format, std::va_list arguments);

// The numbers at random of input `n`. It is named where a sanitizer or must() ends the program.
Random begin_input(const Arguments &arguments, long n);
void must(bool condition, const char *what);

// One to four changes: of bits, bytes, lengths in network byte order; what is cut off, inserted, repeated,
// or comes from `other`. `favorites`: bytes that mean something.
std::string mutate(Random &random, std::string value, std::string_view other, std::string_view favorites);

// Bytes with nothing behind them but what a sanitizer guards; `spare` bytes of zero between.
class Block {
 public:
  explicit Block(std::string_view bytes, std::size_t spare = 0);
  char *begin() const { return bytes_.get(); }
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

}  // namespace tablesync::fuzz
