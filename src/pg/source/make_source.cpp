#include "pg/source/make_source.h"

#include "pg/source/foreign_server.h"
#include "remote/server_source.h"

namespace tablesync::pg {

std::unique_ptr<Source> make_source(remote::Host &host, const std::string &server, int memory_limit_mb) {
  return std::make_unique<remote::ServerSource>(host, connection_settings(server, memory_limit_mb));
}

}  // namespace tablesync::pg
