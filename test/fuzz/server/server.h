// The functions of the server that the decoders call, as far as a program without a server can have them:
// memory, errors, encodings, numbers. An ERROR is thrown, where the server would jump.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace tablesync::fuzz {

// What ereport(ERROR) becomes.
struct Refused {
  int sqlstate;
};

// Frees all that is in memory contexts, so that a sanitizer sees who still looks at it, and what an ERROR
// left behind.
void begin_server();

}  // namespace tablesync::fuzz
