// The bytes in which a specification travels from a caller to its worker: read by the same build that wrote
// them, in native byte order, without versions. Both are visitors of its fields.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace tablesync {

class SpecWriter {
 public:
  void operator()(const std::string &value) {
    (*this)(static_cast<std::int64_t>(value.size()));
    bytes_.append(value);
  }
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(const T &value) { bytes_.append(reinterpret_cast<const char *>(&value), sizeof value); }
  template <typename A, typename B>
  void operator()(const std::pair<A, B> &value) {
    (*this)(value.first);
    (*this)(value.second);
  }
  template <typename T>
  void operator()(const std::vector<T> &values) {
    (*this)(static_cast<std::int64_t>(values.size()));
    for (const T &value : values) (*this)(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class SpecReader {
 public:
  explicit SpecReader(std::string_view bytes) : bytes_(bytes) {}
  void operator()(std::string &value) { value = next(size()); }
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void operator()(T &value) { std::memcpy(&value, next(sizeof value).data(), sizeof value); }
  template <typename A, typename B>
  void operator()(std::pair<A, B> &value) {
    (*this)(value.first);
    (*this)(value.second);
  }
  template <typename T>
  void operator()(std::vector<T> &values) {
    for (size_t n = size(); n > 0; --n) (*this)(values.emplace_back());
  }

 private:
  size_t size() {
    std::int64_t size = 0;
    (*this)(size);
    return static_cast<size_t>(size);
  }
  std::string_view next(size_t size) {
    if (size > bytes_.size()) throw Error(sqlstate::internal, "truncated specification");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view bytes_;
};

}  // namespace tablesync
