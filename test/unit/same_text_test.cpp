#include "core/base/same_text.h"

#include <gtest/gtest.h>

#include <string>

namespace tablesync {
namespace {

// One byte makes the difference, wherever it is.
TEST(IsSame, LooksAtEveryByte) {
  for (std::size_t size = 0; size < 100; ++size) {
    const std::string text(size, 'a');
    EXPECT_TRUE(is_same(text, std::string(text)));
    EXPECT_FALSE(is_same(text, text + 'a'));
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = 'b';
      EXPECT_FALSE(is_same(text, other)) << at << " of " << size;
    }
  }
}

}  // namespace
}  // namespace tablesync
