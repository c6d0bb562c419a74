#include "pg/run/run_kind.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/base/error.h"

namespace tablesync::pg {
namespace {

// Has a fixed size, so that loading the module runs no constructor and allocates nothing.
constinit std::array<const RunKind *, 32> kinds{};
constinit std::size_t kinds_count = 0;

std::span<const RunKind *const> registered() { return std::span(kinds).first(kinds_count); }

}  // namespace

void register_kind(const RunKind &kind) noexcept {
  if (kinds_count < kinds.size()) kinds[kinds_count++] = &kind;
}

const RunKind *find_kind(std::string_view command) noexcept {
  const auto all = registered();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const RunKind *kind) { return kind->command == command; });
  return found == all.end() ? nullptr : *found;
}

const RunKind &kind_of(const RunSpec &spec) {
  const char *const command = name_of(spec.command);
  const RunKind *const kind = find_kind(command);
  if (kind == nullptr)
    throw Error(sqlstate::internal, "no kind of run is registered as \"" + std::string(command) + "\"");
  return *kind;
}

std::vector<std::string> resumable_commands() {
  std::vector<std::string> commands;
  for (const RunKind *kind : registered())
    if (kind->resume != nullptr) commands.emplace_back(kind->command);
  return commands;
}

WorkerTask worker_of(const RunSpec &spec, std::string request) {
  const RunKind &kind = kind_of(spec);
  return {kind.entry, "pg_tablesync " + std::string(kind.title) + " " + describe_spec(spec),
          display_name(spec.target.name), std::move(request)};
}

}  // namespace tablesync::pg
