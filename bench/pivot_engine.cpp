// How long the pivot's engine takes for a reading, without a server: its value, its column, its cell, and the
// rows taken out. Prints a line per case: what, nanoseconds per reading (the median of five runs).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "core/pivot/pivot_buffer.h"
#include "pivot_texts.h"

namespace {

using namespace tablesync;

constexpr int channels = 300, readings = 1'500'000, runs = 5;
constexpr std::size_t full = 20 << 20;

// In the order in which loggers write, or channel after channel.
double nanoseconds(int ships, bool by_time) {
  std::vector<std::string> ship_names, channel_names;
  for (int n = 0; n < ships; ++n) ship_names.push_back("ship_" + std::to_string(1000 + n));
  for (int n = 0; n < channels; ++n)
    channel_names.push_back("/engine_1/temperature_" + std::to_string(1000 + n));
  PivotBuffer buffer(plain_texts);
  for (const std::string &ship : ship_names) {
    WideRows *const table = buffer.add_table(1, 0);
    for (const std::string &channel : channel_names)
      buffer.add_column(ship, channel, table, table->width, ValueType::decimal);
  }
  const int ticks = readings / channels / ships;
  const auto began = std::chrono::steady_clock::now();
  std::string room, why;
  for (int ship = 0; ship < ships; ++ship)
    for (int outer = 0; outer < (by_time ? ticks : channels); ++outer)
      for (int inner = 0; inner < (by_time ? channels : ticks); ++inner) {
        const int channel = by_time ? inner : outer, tick = by_time ? outer : inner;
        const RawValue raw{"Decimal", {}, {}, {}, tick / 7.0};
        Value value;
        if (!value_of(raw, value, room, why)) return 0;
        PivotColumn *const column = buffer.find_column(ship_names[static_cast<std::size_t>(ship)],
                                                       channel_names[static_cast<std::size_t>(channel)]);
        buffer.add(*column, tick, value);
        if (buffer.bytes() > full) buffer.clear();
      }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
  return took.count() / (static_cast<double>(ticks) * channels * ships);
}

void report(const char *what, int ships, bool by_time) {
  std::vector<double> all;
  for (int n = 0; n < runs; ++n) all.push_back(nanoseconds(ships, by_time));
  std::sort(all.begin(), all.end());
  std::printf("%s\t%.1f\n", what, all[runs / 2]);
}

}  // namespace

int main() {
  report("one ship, by time", 1, true);
  report("one ship, channel after channel", 1, false);
  report("100 ships, by time", 100, true);
  return 0;
}
