// Texts in buffers of a fixed size: cut at the border of a character, so that they stay valid in the
// database's encoding.
#pragma once

#include <cstddef>
#include <string>

namespace tablesync::pg {

// Copies as much of `text` into a buffer of `size` bytes as fits, with a zero behind it.
void copy_clipped(char *buffer, std::size_t size, const std::string &text);

template <std::size_t size>
void copy_clipped(char (&buffer)[size], const std::string &text) {
  copy_clipped(buffer, size, text);
}

// The first characters of `text`, no more than `bytes`.
std::string clipped(const std::string &text, std::size_t bytes);

}  // namespace tablesync::pg
