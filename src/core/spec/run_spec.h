// RunSpec: the settings that every kind of run has: source, target and limits. The caller fills it and passes
// it as JSON through shared memory to the worker, which carries it out.
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
  bool failed_chunks_only = false;  // for retry_chunks()
  int max_retries = 3;              // attempts after the first, if the failure is transient
  // From `options`:
  IfRunning if_running = IfRunning::raise;
  std::int64_t timeout_ms = 0;  // 0: none
  std::int64_t retry_delay_ms = 2000;
  Rate max_rate;               // of reading the source
  SourceLimits source_limits;  // above which the run waits
  std::string time_zone;       // of a field without one; empty: the source's, and UTC
  bool restart = false;        // abandons an incomplete run
  bool trust_owner = false;    // the target's triggers may run with the rights of the run
  // Settings of the caller's session that the worker applies: name and value.
  std::vector<std::pair<std::string, std::string>> settings;

  // Whether the target is written at all.
  bool writes() const { return command != Command::verify && command != Command::verify_pivot; }

  bool operator==(const RunSpec &) const = default;
};

// "shop: public.orders -> raw.orders", for messages and records.
std::string describe_spec(const RunSpec &spec);

// The first difference between an earlier and the current definition of a run, which are lines "name: value":
// "This call has custom_where: ...; the earlier call did not."
std::string first_change(const std::string &then, const std::string &now);

}  // namespace tablesync
