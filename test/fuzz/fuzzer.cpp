#include "fuzz/fuzzer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "copy_bytes.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace tablesync::fuzz {
namespace {

Arguments current{};
long current_input = 0;

void name_input() {
  std::fprintf(stderr, "\nto repeat it: 1 %u %ld\n", current.seed, current_input);
  std::fflush(stderr);
}

void change_length(Random &random, std::string &value) {
  if (value.size() < 2) return;
  const std::int64_t number =
      random.one_in(2) ? static_cast<std::int64_t>(value.size()) + random.below(9) - 4 : random.odd_number();
  const std::string bytes = random.one_in(2) ? big_endian<2>(number) : big_endian<4>(number);
  const std::size_t at = random.below(static_cast<unsigned>(value.size()));
  value.replace(at, std::min(bytes.size(), value.size() - at), bytes);
}

std::string bytes_at_random(Random &random, std::string_view favorites) {
  std::string bytes(1 + random.below(random.one_in(8) ? 300 : 6), '\0');
  for (char &byte : bytes)
    byte = favorites.empty() || random.one_in(8)
               ? static_cast<char>(random.below(256))
               : favorites[random.below(static_cast<unsigned>(favorites.size()))];
  return bytes;
}

std::string_view part_of(Random &random, std::string_view whole) {
  if (whole.empty()) return whole;
  const std::size_t at = random.below(static_cast<unsigned>(whole.size()));
  return whole.substr(at, 1 + random.below(static_cast<unsigned>(whole.size() - at)));
}

void change(Random &random, std::string &value, std::string_view other, std::string_view favorites) {
  const std::size_t at = random.below(static_cast<unsigned>(value.size()) + 1);
  const bool inside = at < value.size();
  switch (random.below(9)) {
    case 0:
      if (inside) value[at] = static_cast<char>(value[at] ^ (1 << random.below(8)));
      break;
    case 1:
      if (inside) value[at] = bytes_at_random(random, favorites)[0];
      break;
    case 2:
      value.resize(at);
      break;
    case 3:
      value += bytes_at_random(random, favorites);
      break;
    case 4:
      value.insert(at, bytes_at_random(random, favorites));
      break;
    case 5:
      value.erase(at, 1 + random.below(random.one_in(3) ? 100 : 4));
      break;
    case 6:
      value.insert(at, std::string(part_of(random, value)));
      break;
    case 7:
      value.insert(at, part_of(random, other));
      break;
    default:
      change_length(random, value);
  }
}

}  // namespace

std::uint64_t Random::bits() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::int64_t Random::odd_number() {
  constexpr std::int64_t odd[] = {
      0,     1,          -1,         2,     -2,        127,       128,       -32768,
      32767, 2147483647, 2147483648, 65535, INT32_MIN, INT64_MIN, INT64_MAX, INT64_MIN + 1};
  if (one_in(2)) return odd[below(std::size(odd))];
  return static_cast<std::int64_t>(bits() >> below(64));
}

Arguments arguments_of(int argc, char **argv) {
  const auto number = [&](int n, long otherwise) { return argc > n ? std::atol(argv[n]) : otherwise; };
  current = {number(1, 10'000), static_cast<unsigned>(number(2, 1)), number(3, 0)};
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback(name_input);
#endif
  return current;
}

void report(const Arguments &arguments, const std::string &what,
            std::initializer_list<std::pair<const char *, long>> outcomes) {
  std::string line = std::to_string(arguments.inputs) + " " + what + ":";
  for (const auto &[outcome, count] : outcomes) line += " " + std::to_string(count) + " " + outcome + ",";
  std::printf("%s seed %u\n", line.c_str(), arguments.seed);
}

int format_text(const char *format, std::va_list arguments) {
  char text[1000];
  return std::vsnprintf(text, sizeof text, format, arguments);
}

Random begin_input(const Arguments &arguments, long n) {
  current_input = n;
  Random seeds((std::uint64_t{arguments.seed} << 40) + static_cast<std::uint64_t>(n));
  return Random(seeds.bits());
}

void must(bool condition, const char *what) {
  if (condition) return;
  std::fprintf(stderr, "wrong: %s", what);
  name_input();
  std::abort();
}

std::string mutate(Random &random, std::string value, std::string_view other, std::string_view favorites) {
  for (unsigned changes = 1 + random.below(1 + random.below(4)); changes > 0; --changes)
    change(random, value, other, favorites);
  return value;
}

Block::Block(std::string_view bytes, std::size_t spare)
    : bytes_(new char[bytes.size() + spare]), size_(bytes.size()) {
  std::copy(bytes.begin(), bytes.end(), bytes_.get());
  std::fill_n(bytes_.get() + size_, spare, '\0');
}

}  // namespace tablesync::fuzz
