// Runs a fuzz target without a fuzzing engine: so many inputs at random, the same ones for a seed. A build
// with -fsanitize=fuzzer leaves this file out.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

int main(int argc, char **argv) {
  const long inputs = argc > 1 ? std::atol(argv[1]) : 10'000;
  const unsigned seed = argc > 2 ? static_cast<unsigned>(std::atol(argv[2])) : 1;
  std::mt19937 random(seed);
  for (long n = 0; n < inputs; ++n) {
    std::vector<std::uint8_t> input(random() % 400);
    // Small bytes are met as lengths and choices, large ones as what cannot be.
    const unsigned range = random() % 3 == 0 ? 256 : 16;
    for (std::uint8_t &byte : input) byte = static_cast<std::uint8_t>(random() % range);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%ld inputs, seed %u\n", inputs, seed);
  return 0;
}
