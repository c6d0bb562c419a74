#include "core/sync_spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "core/error.h"
#include "core/text.h"

namespace tablesync {
namespace {

// The bytes are read by the same build that wrote them: native byte order, no versioning.
class Writer {
 public:
  void operator()(const std::string &value) {
    (*this)(static_cast<std::int64_t>(value.size()));
    bytes_.append(value);
  }
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const T &value) { bytes_.append(reinterpret_cast<const char *>(&value), sizeof value); }
  template <typename A, typename B>
  void operator()(const std::pair<A, B> &value) {
    (*this)(value.first);
    (*this)(value.second);
  }
  template <typename T>
  void operator()(const std::vector<T> &values) {
    (*this)(static_cast<std::int64_t>(values.size()));
    for (const T &value : values) (*this)(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  void operator()(std::string &value) { value = next(size()); }
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(T &value) { std::memcpy(&value, next(sizeof value).data(), sizeof value); }
  template <typename A, typename B>
  void operator()(std::pair<A, B> &value) {
    (*this)(value.first);
    (*this)(value.second);
  }
  template <typename T>
  void operator()(std::vector<T> &values) {
    for (size_t n = size(); n > 0; --n) (*this)(values.emplace_back());
  }

 private:
  size_t size() {
    std::int64_t size = 0;
    (*this)(size);
    return static_cast<size_t>(size);
  }
  std::string_view next(size_t size) {
    if (size > bytes_.size()) throw Error(sqlstate::internal, "truncated sync specification");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view bytes_;
};

// Visits every field, in the order of the bytes. The binding names them all: a new one does not compile until
// it is here.
template <typename Spec, typename Visitor>
void each_field(Spec &spec, Visitor &visit) {
  auto &[command, server, source, target, mode, primary_key, field, field_type, custom_select, custom_where,
         custom_count, delete_missing, verify, parallel_workers, memory_limit_mb, chunk_mode, batch_size,
         enable_checkpoint, failed_chunks_only, max_delete_fraction, allow_empty, adopt, if_running,
         timeout_ms, max_retries, retry_delay_ms, max_rate, source_limits, lookback, time_zone,
         soft_delete_column, soft_delete_action, empty_string_as_null, on_schema_change, on_bad_row, chunk_by,
         restart, max_differences, settings] = spec;
  visit(command), visit(server), visit(source), visit(target.schema), visit(target.name), visit(mode),
      visit(primary_key);
  visit(field), visit(field_type), visit(custom_select), visit(custom_where), visit(custom_count);
  visit(delete_missing), visit(verify), visit(parallel_workers), visit(memory_limit_mb), visit(chunk_mode),
      visit(batch_size);
  visit(enable_checkpoint), visit(failed_chunks_only), visit(chunk_by), visit(restart),
      visit(max_delete_fraction);
  visit(allow_empty), visit(adopt), visit(if_running), visit(timeout_ms), visit(max_retries),
      visit(retry_delay_ms), visit(max_rate.rows), visit(max_rate.bytes), visit(source_limits.lag_ms),
      visit(source_limits.sessions), visit(lookback), visit(time_zone);
  visit(soft_delete_column), visit(soft_delete_action), visit(empty_string_as_null);
  visit(on_schema_change), visit(on_bad_row), visit(max_differences), visit(settings);
}

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

int to_count(const std::string &key, const std::optional<std::string> &value) {
  int number = -1;
  if (value) {
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size()) number = -1;
  }
  if (number < 0) bad_value(key, value, "Give a number of 0 or more.");
  return number;
}

// Keys that the documentation of other versions names, so that they are not called misspelt.
const std::vector<std::string> later_keys = {"every"};
const std::vector<std::string> known_keys = {"adopt",
                                             "allow_empty",
                                             "chunk_by",
                                             "empty_string_as_null",
                                             "if_running",
                                             "lookback",
                                             "max_delete_fraction",
                                             "max_differences",
                                             "max_rate",
                                             "max_source_lag",
                                             "max_source_sessions",
                                             "on_bad_row",
                                             "on_schema_change",
                                             "restart",
                                             "retry_delay",
                                             "soft_delete_action",
                                             "soft_delete_column",
                                             "time_zone",
                                             "timeout"};

// One of the words that an option takes.
template <typename Word>
Word to_word(const std::string &key, const std::optional<std::string> &value,
             std::initializer_list<std::pair<const char *, Word>> words) {
  std::vector<std::string> valid;
  for (const auto &[name, word] : words) {
    if (value == name) return word;
    valid.emplace_back(name);
  }
  bad_value(key, value, "Valid: " + join(valid, ", ") + ".");
}

const std::string &to_text(const std::string &key, const std::optional<std::string> &value,
                           const char *hint) {
  if (!value || value->empty()) bad_value(key, value, hint);
  return *value;
}

}  // namespace

std::string serialize(const SyncSpec &spec) {
  Writer writer;
  each_field(spec, writer);
  return writer.take();
}

SyncSpec deserialize_sync_spec(std::string_view bytes) {
  SyncSpec spec;
  Reader reader(bytes);
  each_field(spec, reader);
  return spec;
}

namespace {

// The bytes of a specification have no names: another set of fields makes others.
std::string version_of_kept() { return "sync " + std::to_string(serialize(SyncSpec()).size()) + "\n"; }

}  // namespace

std::string to_kept(const SyncSpec &spec) { return version_of_kept() + serialize(spec); }

std::optional<SyncSpec> from_kept(std::string_view bytes) {
  const std::string version = version_of_kept();
  if (!bytes.starts_with(version)) return std::nullopt;
  return deserialize_sync_spec(bytes.substr(version.size()));
}

std::string definition_of(const SyncSpec &spec, const QualifiedName &source) {
  std::string text;
  const auto add = [&](const char *name, const std::string &value) {
    if (!value.empty()) text += std::string(name) + ": " + quote_literal(value) + "\n";
  };
  add("server", spec.server);
  add("source", display_name(source));
  add("sync_mode", name_of(spec.mode));
  std::vector<std::string> key;
  for (const std::string &column : spec.primary_key) key.push_back(quote_identifier(column));
  add("primary_key", join(key, ", "));
  add("incremental_field", spec.incremental_field);
  add("incremental_field_type", spec.incremental_field_type);
  add("custom_select", spec.custom_select);
  add("custom_where", spec.custom_where);
  add("soft_delete_column", spec.soft_delete_column);
  add("soft_delete_action", spec.soft_delete_action == SoftDelete::mark ? "mark" : "");
  add("empty_string_as_null", spec.empty_string_as_null ? "true" : "");
  return text;
}

std::string first_change(const std::string &then, const std::string &now) {
  // A value may hold new lines; then what follows the first is told as it is.
  const auto lines = [](const std::string &text) {
    std::vector<std::string> found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      found.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return found;
  };
  const auto lacking = [](const std::vector<std::string> &some, const std::vector<std::string> &others) {
    for (const std::string &line : some)
      if (std::find(others.begin(), others.end(), line) == others.end()) return line;
    return std::string();
  };
  const std::string is = lacking(lines(now), lines(then)), was = lacking(lines(then), lines(now));
  return "Now " + (is.empty() ? "not given" : is) + "; then " + (was.empty() ? "not given" : was) + ".";
}

std::string describe_spec(const SyncSpec &spec) {
  return (spec.server.empty() ? "" : display_name(spec.server) + ": ") + spec.source + " -> " +
         display_name(spec.target);
}

SyncMode parse_sync_mode(std::string_view text) {
  if (text == "full" || text == "full_sync") return SyncMode::full;
  if (text == "incremental" || text == "incremental_sync") return SyncMode::incremental;
  if (text == "xmin" || text == "xmin_incremental") return SyncMode::xmin;
  throw Error(sqlstate::invalid_parameter, "unrecognized sync_mode \"" + std::string(text) + "\"", {},
              "Valid: full, incremental, xmin (full_sync, incremental_sync and xmin_incremental too).");
}

const char *name_of(SyncMode mode) {
  switch (mode) {
    case SyncMode::full:
      return "full";
    case SyncMode::incremental:
      return "incremental";
    case SyncMode::xmin:
      return "xmin";
  }
  return "?";
}

const char *name_of(Command command) { return command == Command::sync ? "sync_table" : "verify_table"; }

VerifyMode parse_verify(std::string_view text) {
  if (text == "none") return VerifyMode::none;
  if (text == "count") return VerifyMode::count;
  if (text == "full") return VerifyMode::full;
  throw Error(sqlstate::invalid_parameter, "unrecognized value for verify: \"" + std::string(text) + "\"", {},
              "Valid: none, count, full.");
}

std::int64_t parse_duration_ms(const std::string &text) {
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  static constexpr Unit units[] = {{"", 1000},        {"s", 1000},         {"sec", 1000},
                                   {"second", 1000},  {"seconds", 1000},   {"ms", 1},
                                   {"min", 60'000},   {"minute", 60'000},  {"minutes", 60'000},
                                   {"h", 3'600'000},  {"hour", 3'600'000}, {"hours", 3'600'000},
                                   {"d", 86'400'000}, {"day", 86'400'000}, {"days", 86'400'000}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view name(end, static_cast<size_t>(text.data() + text.size() - end));
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto *const unit =
      std::find_if(std::begin(units), std::end(units), [&](const Unit &u) { return u.name == name; });
  constexpr double longest = 100.0 * 366 * 86'400'000;
  if (error != std::errc() || unit == std::end(units) || !(number >= 0) ||
      number * unit->milliseconds > longest)
    throw Error(sqlstate::invalid_parameter, "invalid duration: \"" + text + "\"", {},
                "Give seconds, or a number with a unit: ms, s, min, h, d.");
  // 0 means no limit: less than a millisecond must not become that.
  return static_cast<std::int64_t>(std::ceil(number * unit->milliseconds));
}

namespace {

std::int64_t to_timeout(const std::string &key, const std::optional<std::string> &value) {
  const std::int64_t timeout =
      parse_duration_ms(to_text(key, value, "Give seconds, or a number with a unit: ms, s, min, h, d."));
  // A timer of the server takes an int of milliseconds.
  if (timeout > 2147483647) bad_value(key, value, "It can be 24 days at most.");
  return timeout;
}

// 0 would be exceeded by every commit there.
std::int64_t to_lag(const std::string &key, const std::optional<std::string> &value) {
  const std::int64_t lag = to_timeout(key, value);
  if (lag == 0) bad_value(key, value, "Give a time above 0.");
  return lag;
}

[[noreturn]] void unknown_option(const std::string &key) {
  for (const std::string &later : later_keys)
    if (key == later)
      throw Error(sqlstate::not_supported, "option \"" + key + "\" is not in this version", {},
                  "This version knows the options " + join(known_keys, ", ") + ".");
  const std::string near = nearest(key, known_keys);
  throw Error(sqlstate::invalid_parameter, "unrecognized option \"" + key + "\"", {},
              near.empty() ? "Valid options: " + join(known_keys, ", ") + "."
                           : "Perhaps you meant the option \"" + near + "\".");
}

}  // namespace

void set_option(SyncSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  if (key == "adopt") {
    spec.adopt = to_bool(key, value);
  } else if (key == "allow_empty") {
    spec.allow_empty = to_bool(key, value);
  } else if (key == "empty_string_as_null") {
    spec.empty_string_as_null = to_bool(key, value);
  } else if (key == "max_delete_fraction") {
    spec.max_delete_fraction = to_fraction(key, value);
  } else if (key == "max_differences") {
    spec.max_differences = to_count(key, value);
  } else if (key == "max_rate") {
    spec.max_rate = parse_rate(to_text(key, value, rate_hint));
  } else if (key == "chunk_by") {
    spec.chunk_by = to_word(key, value, {std::pair{"ctid", "ctid"}, {"key", "key"}});
  } else if (key == "restart") {
    spec.restart = to_bool(key, value);
  } else if (key == "max_source_lag") {
    spec.source_limits.lag_ms = to_lag(key, value);
  } else if (key == "max_source_sessions") {
    spec.source_limits.sessions = to_count(key, value);
  } else if (key == "retry_delay") {
    spec.retry_delay_ms = to_timeout(key, value);
  } else if (key == "timeout") {
    spec.timeout_ms = to_timeout(key, value);
  } else if (key == "lookback") {
    spec.lookback =
        to_text(key, value, "Give a duration like \"10 min\", or a number of values for an integer field.");
    parse_duration_ms(spec.lookback);
  } else if (key == "time_zone") {
    spec.time_zone = to_text(key, value, "Give the name of a time zone, like \"Europe/Berlin\".");
  } else if (key == "soft_delete_column") {
    spec.soft_delete_column = to_text(key, value, "Give the name of a column of the source.");
  } else if (key == "soft_delete_action") {
    spec.soft_delete_action =
        to_word(key, value, {std::pair{"delete", SoftDelete::remove}, {"mark", SoftDelete::mark}});
  } else if (key == "if_running") {
    spec.if_running =
        to_word(key, value,
                {std::pair{"error", IfRunning::raise}, {"skip", IfRunning::skip}, {"wait", IfRunning::wait}});
  } else if (key == "on_schema_change") {
    spec.on_schema_change = to_word(key, value,
                                    {std::pair{"error", OnSchemaChange::raise},
                                     {"add", OnSchemaChange::add},
                                     {"ignore", OnSchemaChange::ignore}});
  } else if (key == "on_bad_row") {
    spec.on_bad_row =
        to_word(key, value, {std::pair{"error", OnBadRow::raise}, {"reject", OnBadRow::reject}});
  } else {
    unknown_option(key);
  }
}

}  // namespace tablesync
