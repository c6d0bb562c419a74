// Settings of this session, by name.
#pragma once

#include <string>

namespace tablesync::pg {

// Sets a setting. Throws the server's error for an unknown name or a bad value.
void set_session_option(const char *name, const std::string &value);
std::string session_option(const char *name);
int lock_timeout_ms();  // 0: none

}  // namespace tablesync::pg
