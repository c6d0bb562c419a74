#include "core/base/row_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tablesync {
namespace {

// Messages of which some are there and the others must be waited for.
class Messages final : public RowSource {
 public:
  Messages(std::vector<std::string> messages, std::size_t there)
      : messages_(std::move(messages)), there_(there) {}

  char *next_row(std::size_t &size) override {
    if (next_ >= there_) ++waits;
    if (next_ == messages_.size()) return nullptr;
    size = messages_[next_].size();
    return messages_[next_++].data();
  }
  bool ready() override { return next_ < there_; }
  std::int64_t rows() const override { return static_cast<std::int64_t>(next_); }
  std::int64_t bytes() const override { return 0; }

  int waits = 0;

 private:
  std::vector<std::string> messages_;
  std::size_t there_, next_ = 0;
};

TEST(RowBytes, AreThoseOfAllMessages) {
  for (const std::size_t capacity : {1, 2, 3, 7, 100}) {
    Messages messages({"one", "", "second", "3"}, 4);
    RowBytes bytes(messages);
    std::string buffer(capacity, '\0'), read;
    while (const std::size_t got = bytes.read(buffer.data(), 1, capacity)) read.append(buffer, 0, got);
    EXPECT_EQ(read, "onesecond3") << capacity;
  }
}

TEST(RowBytes, TakesWhatIsThereAndWaitsForNoMore) {
  Messages messages({"12345", "67890", "more"}, 2);
  RowBytes bytes(messages);
  std::string buffer(100, '\0');
  EXPECT_EQ(bytes.read(buffer.data(), 1, buffer.size()), 10U);
  EXPECT_EQ(messages.waits, 0);
}

TEST(RowBytes, WaitsForWhatIsWanted) {
  Messages messages({"12345", "67890", "more"}, 1);
  RowBytes bytes(messages);
  std::string buffer(100, '\0');
  EXPECT_EQ(bytes.read(buffer.data(), 6, buffer.size()), 10U);
  EXPECT_EQ(messages.waits, 1);
}

TEST(RowBytes, StayAtTheirEnd) {
  Messages messages({"x"}, 1);
  RowBytes bytes(messages);
  char byte = 0;
  EXPECT_EQ(bytes.read(&byte, 1, 1), 1U);
  EXPECT_EQ(bytes.read(&byte, 1, 1), 0U);
  EXPECT_EQ(bytes.read(&byte, 1, 1), 0U);
  EXPECT_EQ(messages.waits, 1);
}

// The first message is a header without a row, as some servers send it.
class WithHeader final : public RowSource {
 public:
  explicit WithHeader(Messages &messages) : messages_(messages) {}
  char *next_row(std::size_t &size) override { return messages_.next_row(size); }
  bool ready() override { return messages_.ready(); }
  std::int64_t rows() const override { return std::max<std::int64_t>(messages_.rows() - 1, 0); }
  std::int64_t bytes() const override { return 0; }

 private:
  Messages &messages_;
};

std::string all_of(RowSource &source) {
  std::string text;
  std::size_t size = 0;
  while (const char *message = source.next_row(size)) text.append(message, size).push_back('|');
  return text;
}

TEST(PeekedRows, LoseNothing) {
  Messages messages({"one", "two"}, 2);
  PeekedRows rows(messages);
  EXPECT_FALSE(rows.is_empty());
  EXPECT_FALSE(rows.is_empty());
  EXPECT_EQ(all_of(rows), "one|two|");
}

TEST(PeekedRows, LookBehindAHeader) {
  Messages messages({"header", "one", "two"}, 3);
  WithHeader source(messages);
  PeekedRows rows(source);
  EXPECT_FALSE(rows.is_empty());
  EXPECT_EQ(all_of(rows), "header|one|two|");
}

TEST(PeekedRows, SayThatThereIsNone) {
  Messages messages({"header"}, 1);
  WithHeader source(messages);
  PeekedRows rows(source);
  EXPECT_TRUE(rows.is_empty());
  EXPECT_EQ(all_of(rows), "header|");
}

}  // namespace
}  // namespace tablesync
