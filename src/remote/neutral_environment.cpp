#include "remote/neutral_environment.h"

#include <libpq-fe.h>

#include <cstdlib>

#include "core/base/error.h"

namespace tablesync::remote {

NeutralEnvironment::NeutralEnvironment() {
  // No option of libpq names these. The service is the first to go: PQconndefaults() would read its file.
  for (const char *variable : {"PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE", "PGREQUIRESSL",
                               "PGDATESTYLE", "PGTZ", "PGGEQO"})
    take(variable);
  PQconninfoOption *const options = PQconndefaults();
  if (options == nullptr) {
    put_back();
    throw Error(sqlstate::out_of_memory, "out of memory");
  }
  for (const PQconninfoOption *option = options; option->keyword != nullptr; ++option)
    if (option->envvar != nullptr) take(option->envvar);
  PQconninfoFree(options);
}

NeutralEnvironment::~NeutralEnvironment() { put_back(); }

void NeutralEnvironment::put_back() const {
  for (const auto &[variable, value] : taken_) setenv(variable.c_str(), value.c_str(), 1);
}

void NeutralEnvironment::take(const char *variable) {
  const char *const value = std::getenv(variable);
  if (value == nullptr) return;
  taken_.emplace_back(variable, value);
  unsetenv(variable);
}

}  // namespace tablesync::remote
