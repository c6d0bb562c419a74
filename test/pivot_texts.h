// Texts in the rows of a PivotBuffer without a server: their length, then their bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/pivot/pivot_buffer.h"

namespace tablesync {

inline constexpr TextForm plain_texts{[](char *text, std::size_t bytes) {
                                        const auto size = static_cast<std::uint32_t>(bytes);
                                        std::memcpy(text, &size, sizeof size);
                                      },
                                      [](std::uint64_t pointer) -> std::string_view {
                                        const char *const text = reinterpret_cast<const char *>(pointer);
                                        std::uint32_t size = 0;
                                        std::memcpy(&size, text, sizeof size);
                                        return {text + sizeof size, size};
                                      }};

}  // namespace tablesync
