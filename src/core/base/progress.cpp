#include "core/base/progress.h"

#include <algorithm>

#include "core/base/text.h"

namespace tablesync {

const char *name_of(Phase phase) {
  switch (phase) {
    case Phase::starting:
      return "starting";
    case Phase::waiting:
      return "waiting";
    case Phase::describe:
      return "describe";
    case Phase::source_busy:
      return "waiting for the source";
    case Phase::scan:
      return "scan";
    case Phase::copy:
      return "copy";
    case Phase::key:
      return "primary key";
    case Phase::remove:
      return "delete";
    case Phase::merge:
      return "merge";
    case Phase::verify:
      return "verify";
    case Phase::commit:
      return "commit";
    case Phase::retrying:
      return "waiting to retry";
  }
  return "";
}

bool counts_rows(Phase phase) {
  return phase == Phase::scan || phase == Phase::copy || phase == Phase::merge || phase == Phase::remove;
}

double ProgressReading::rate() const {
  return seconds > 0 ? static_cast<double>(rows - rows_before) / seconds : -1;
}

double ProgressReading::percent() const {
  if (rows_expected <= 0) return -1;
  // The estimate can be too low; never show 100 % before the end.
  return std::min(99.0, 100.0 * static_cast<double>(rows) / static_cast<double>(rows_expected));
}

double ProgressReading::seconds_left() const {
  if (rows_expected <= rows || rate() <= 0) return -1;
  return static_cast<double>(rows_expected - rows) / rate();
}

ProgressReading read(const Progress &progress, std::int64_t now_us) {
  ProgressReading reading{};
  reading.phase = static_cast<Phase>(progress.phase.load());
  reading.rows = static_cast<std::int64_t>(progress.rows.load());
  if (reading.phase == Phase::copy) {
    reading.rows_before = static_cast<std::int64_t>(progress.rows_before.load());
    reading.rows += reading.rows_before;
  }
  reading.bytes = static_cast<std::int64_t>(progress.bytes.load());
  reading.rows_expected = progress.rows_expected.load();
  reading.memory_bytes = progress.memory_bytes.load();
  reading.seconds = std::max(0.0, static_cast<double>(now_us - progress.phase_started_us.load()) / 1e6);
  return reading;
}

std::string describe(const ProgressReading &reading) {
  std::string text = name_of(reading.phase);
  if (!counts_rows(reading.phase)) return text + ": " + human_seconds(reading.seconds);
  text += ": " + with_commas(reading.rows);
  if (reading.percent() >= 0)
    text += " of about " + with_commas(reading.rows_expected) +
            (reading.rows_expected == 1 ? " row (" : " rows (") +
            std::to_string(static_cast<int>(reading.percent())) + " %)";
  else
    text += reading.rows == 1 ? " row" : " rows";
  if (reading.phase == Phase::copy) text += ", " + human_bytes(reading.bytes);
  if (reading.rate() >= 0) text += ", " + with_commas(static_cast<std::int64_t>(reading.rate())) + " rows/s";
  if (reading.seconds_left() >= 0) text += ", about " + human_seconds(reading.seconds_left()) + " left";
  return text;
}

}  // namespace tablesync
