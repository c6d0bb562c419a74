#include "core/sync_spec.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/text.h"

namespace tablesync {
namespace {

// The bytes are read by the same build that wrote them: native byte order, no versioning.
class Writer {
 public:
  void number(std::int64_t value) { bytes_.append(reinterpret_cast<const char *>(&value), sizeof value); }
  void real(double value) { bytes_.append(reinterpret_cast<const char *>(&value), sizeof value); }
  void text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_.append(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t number() { return value<std::int64_t>(); }
  double real() { return value<double>(); }
  std::string text() {
    const auto size = static_cast<size_t>(number());
    return std::string(next(size));
  }

 private:
  template <typename T>
  T value() {
    T result;
    std::memcpy(&result, next(sizeof result).data(), sizeof result);
    return result;
  }
  std::string_view next(size_t size) {
    if (size > bytes_.size()) throw Error(sqlstate::internal, "truncated sync specification");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view bytes_;
};

[[noreturn]] void bad_value(const std::string &key, const std::optional<std::string> &value,
                            const std::string &hint) {
  throw Error(sqlstate::invalid_parameter,
              "invalid value for option \"" + key + "\": " + (value ? "\"" + *value + "\"" : "null"), {},
              hint);
}

bool to_bool(const std::string &key, const std::optional<std::string> &value) {
  if (value == "true") return true;
  if (value == "false") return false;
  bad_value(key, value, "Give true or false.");
}

double to_fraction(const std::string &key, const std::optional<std::string> &value) {
  double number = -1;
  if (value) {
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size()) number = -1;
  }
  if (!(number >= 0 && number <= 1)) bad_value(key, value, "Give a number from 0 to 1.");
  return number;
}

// Keys that the documentation of other versions names, so that they are not called misspelt.
const std::vector<std::string> later_keys = {
    "lookback",
    "soft_delete_column",
    "soft_delete_action",
    "empty_string_as_null",
    "on_schema_change",
    "on_bad_row",
    "retry_delay",
    "max_rate",
    "every",
};
const std::vector<std::string> known_keys = {"adopt", "allow_empty", "if_running", "max_delete_fraction",
                                             "timeout"};

}  // namespace

std::string serialize(const SyncSpec &spec) {
  Writer out;
  out.text(spec.server);
  out.text(spec.source);
  out.text(spec.target.schema);
  out.text(spec.target.name);
  out.number(static_cast<std::int64_t>(spec.primary_key.size()));
  for (const std::string &column : spec.primary_key) out.text(column);
  out.number(spec.delete_missing);
  out.number(static_cast<int>(spec.verify));
  out.number(spec.memory_limit_mb);
  out.real(spec.max_delete_fraction);
  out.number(spec.allow_empty);
  out.number(spec.adopt);
  out.number(static_cast<int>(spec.if_running));
  out.number(spec.timeout_ms);
  out.number(static_cast<std::int64_t>(spec.settings.size()));
  for (const auto &[name, value] : spec.settings) {
    out.text(name);
    out.text(value);
  }
  return out.take();
}

SyncSpec deserialize_sync_spec(std::string_view bytes) {
  Reader in(bytes);
  SyncSpec spec;
  spec.server = in.text();
  spec.source = in.text();
  spec.target.schema = in.text();
  spec.target.name = in.text();
  for (auto n = in.number(); n > 0; --n) spec.primary_key.push_back(in.text());
  spec.delete_missing = in.number() != 0;
  spec.verify = static_cast<VerifyMode>(in.number());
  spec.memory_limit_mb = static_cast<int>(in.number());
  spec.max_delete_fraction = in.real();
  spec.allow_empty = in.number() != 0;
  spec.adopt = in.number() != 0;
  spec.if_running = static_cast<IfRunning>(in.number());
  spec.timeout_ms = in.number();
  for (auto n = in.number(); n > 0; --n) {
    std::string name = in.text();
    std::string value = in.text();
    spec.settings.emplace_back(std::move(name), std::move(value));
  }
  return spec;
}

std::string describe_spec(const SyncSpec &spec) {
  return display_name(spec.server) + ": " + spec.source + " -> " + display_name(spec.target);
}

std::string parse_sync_mode(std::string_view text) {
  if (text == "full" || text == "full_sync") return "full";
  if (text == "incremental" || text == "incremental_sync") return "incremental";
  if (text == "xmin" || text == "xmin_incremental") return "xmin";
  throw Error(sqlstate::invalid_parameter, "unrecognized sync_mode \"" + std::string(text) + "\"", {},
              "Valid: full, incremental, xmin (full_sync, incremental_sync and xmin_incremental too).");
}

VerifyMode parse_verify(std::string_view text) {
  if (text == "none") return VerifyMode::none;
  if (text == "count") return VerifyMode::count;
  if (text == "full")
    throw Error(sqlstate::not_supported, "verify => 'full' is not in this version", {},
                "Use verify => 'count' or 'none'.");
  throw Error(sqlstate::invalid_parameter, "unrecognized value for verify: \"" + std::string(text) + "\"", {},
              "Valid: none, count, full.");
}

std::int64_t parse_duration_ms(const std::string &text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double factor = 0;
  if (unit.empty() || unit == "s") factor = 1000;
  if (unit == "ms") factor = 1;
  if (unit == "min") factor = 60.0 * 1000;
  if (unit == "h") factor = 3600.0 * 1000;
  // A timer of the server takes an int of milliseconds.
  if (error != std::errc() || factor == 0 || !(number >= 0) || number * factor > 2147483647.0)
    throw Error(sqlstate::invalid_parameter, "invalid duration: \"" + text + "\"", {},
                "Give seconds, or a number with a unit: ms, s, min, h. At most 24 days.");
  // 0 means no limit: less than a millisecond must not become that.
  return static_cast<std::int64_t>(std::ceil(number * factor));
}

void set_option(SyncSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  if (key == "adopt") {
    spec.adopt = to_bool(key, value);
  } else if (key == "allow_empty") {
    spec.allow_empty = to_bool(key, value);
  } else if (key == "max_delete_fraction") {
    spec.max_delete_fraction = to_fraction(key, value);
  } else if (key == "timeout") {
    if (!value) bad_value(key, value, "Give seconds, or a number with a unit: ms, s, min, h.");
    spec.timeout_ms = parse_duration_ms(*value);
  } else if (key == "if_running") {
    if (value == "error")
      spec.if_running = IfRunning::raise;
    else if (value == "skip")
      spec.if_running = IfRunning::skip;
    else if (value == "wait")
      spec.if_running = IfRunning::wait;
    else
      bad_value(key, value, "Valid: error, skip, wait.");
  } else {
    for (const std::string &later : later_keys)
      if (key == later)
        throw Error(sqlstate::not_supported, "option \"" + key + "\" is not in this version", {},
                    "This version knows the options " + join(known_keys, ", ") + ".");
    const std::string near = nearest(key, known_keys);
    throw Error(sqlstate::invalid_parameter, "unrecognized option \"" + key + "\"", {},
                near.empty() ? "Valid options: " + join(known_keys, ", ") + "."
                             : "Perhaps you meant the option \"" + near + "\".");
  }
}

}  // namespace tablesync
