// What a call that must fail throws.
#pragma once

#include <gtest/gtest.h>

#include "core/base/error.h"

namespace tablesync {

// The fields of the Error that `f` throws; a failure of the test where it throws none.
template <typename F>
Diagnostics error_of(F f) {
  try {
    f();
  } catch (const Error &error) {
    return error.diagnostics();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace tablesync
