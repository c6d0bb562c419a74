// RunSpec: what every run is told, whatever its work: where from and where to, and within which limits. The
// caller fills it, the worker carries it out; in between it travels as bytes through shared memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/spec/source_limits.h"

namespace tablesync {

enum class IfRunning { raise, skip, wait };

enum class Command { sync, verify, repair, pivot, verify_pivot };
const char *name_of(Command command);  // of the SQL function

struct RunSpec {
  Command command = Command::sync;
  std::string server;  // empty: this database
  std::string source;  // as the user wrote it; resolved on the source
  QualifiedName
      target;  // resolved by the caller, with the caller's search_path. Of a pivot: schema and prefix
  int parallel_workers = 1;  // that read the source
  int memory_limit_mb = 64;
  bool enable_checkpoint = true;
  bool failed_chunks_only = false;  // what retry_chunks() asks for
  int max_retries = 3;              // attempts after the first, where a failure may pass by itself
  // From `options`:
  IfRunning if_running = IfRunning::raise;
  std::int64_t timeout_ms = 0;  // 0: none
  std::int64_t retry_delay_ms = 2000;
  Rate max_rate;               // of reading the source
  SourceLimits source_limits;  // above which it is not read
  std::string time_zone;       // of a field without one; empty: the source's, and UTC
  bool restart = false;        // from the first chunk, whatever was begun
  bool trust_owner = false;  // whoever owns what is written: his triggers may run with the rights of the run
  // Settings of the caller's session that the worker takes over: name and value.
  std::vector<std::pair<std::string, std::string>> settings;

  // Whether the target is written at all.
  bool writes() const { return command != Command::verify && command != Command::verify_pivot; }

  bool operator==(const RunSpec &) const = default;
};

// Visits every field, in the order of the bytes. The binding names them all: a new one does not compile until
// it is here.
template <typename Spec, typename Visitor>
void each_run_field(Spec &spec, Visitor &visit) {
  auto &[command, server, source, target, parallel_workers, memory_limit_mb, enable_checkpoint,
         failed_chunks_only, max_retries, if_running, timeout_ms, retry_delay_ms, max_rate, source_limits,
         time_zone, restart, trust_owner, settings] = spec;
  visit(command), visit(server), visit(source), visit(target.schema), visit(target.name);
  visit(parallel_workers), visit(memory_limit_mb), visit(enable_checkpoint), visit(failed_chunks_only);
  visit(max_retries), visit(if_running), visit(timeout_ms), visit(retry_delay_ms), visit(max_rate.rows);
  visit(max_rate.bytes), visit(source_limits.lag_ms), visit(source_limits.sessions), visit(time_zone);
  visit(restart), visit(trust_owner), visit(settings);
}

// "shop: public.orders -> raw.orders", for messages and records.
std::string describe_spec(const RunSpec &spec);

// Takes one key of `options jsonb`, its value as text, where it is one that every run has; false where it is
// not. Throws 22023 for a bad value.
bool set_run_option(RunSpec &spec, const std::string &key, const std::optional<std::string> &value);
extern const std::vector<std::string> run_option_keys;

// What a definition of a run was, as lines "name: value", and is: the first difference, "Now custom_where:
// ...; then not given.".
std::string first_change(const std::string &then, const std::string &now);

}  // namespace tablesync
