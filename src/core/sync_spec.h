// SyncSpec: what one sync_table() call asks for. The caller fills it, the worker carries it out;
// in between it travels as bytes through shared memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/quote.h"

namespace tablesync {

enum class IfRunning { raise, skip, wait };
enum class VerifyMode { none, count };

struct SyncSpec {
  std::string server;
  std::string source;                    // as the user wrote it; resolved on the source
  QualifiedName target;                  // resolved by the caller, with the caller's search_path
  std::vector<std::string> primary_key;  // empty: the source's
  bool delete_missing = true;
  VerifyMode verify = VerifyMode::count;
  int memory_limit_mb = 64;
  // From `options`:
  double max_delete_fraction = 0.5;
  bool allow_empty = false;
  bool adopt = false;
  IfRunning if_running = IfRunning::raise;
  std::int64_t timeout_ms = 0;  // 0: none
  // Settings of the caller's session that the worker takes over: name and value.
  std::vector<std::pair<std::string, std::string>> settings;

  bool operator==(const SyncSpec &) const = default;
};

std::string serialize(const SyncSpec &spec);
SyncSpec deserialize_sync_spec(std::string_view bytes);

// "shop: public.orders -> raw.orders", for messages and records.
std::string describe_spec(const SyncSpec &spec);

// Parses sync_mode with its old names. Returns full, incremental or xmin; throws 22023 for anything else.
std::string parse_sync_mode(std::string_view text);

// Parses `verify`. Throws 22023 for an unknown word, 0A000 for what this version cannot do.
VerifyMode parse_verify(std::string_view text);

// Takes one key of `options jsonb`, its value as text, into the spec. Throws 22023 for an unknown key (hint:
// the nearest) or a bad value, 0A000 for a key whose feature is not in this version.
void set_option(SyncSpec &spec, const std::string &key, const std::optional<std::string> &value);

// Parses an interval like '90', '90s', '5min', '2h' into milliseconds: what `timeout` takes. Throws 22023.
std::int64_t parse_duration_ms(const std::string &text);

}  // namespace tablesync
