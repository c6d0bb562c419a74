// Texts in buffers of a fixed size, truncated between two characters, so that they stay valid in the
// database's encoding.
#pragma once

#include <cstddef>
#include <string>

namespace tablesync::pg {

// Copies as much of `text` as fits into a buffer of `size` bytes, with a terminating zero.
void copy_clipped(char *buffer, std::size_t size, const std::string &text);

template <std::size_t size>
void copy_clipped(char (&buffer)[size], const std::string &text) {
  copy_clipped(buffer, size, text);
}

// The first characters of `text`, at most `bytes`.
std::string clipped(const std::string &text, std::size_t bytes);

}  // namespace tablesync::pg
