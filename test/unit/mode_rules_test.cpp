#include "core/range/mode_rules.h"

#include <gtest/gtest.h>

#include "support/error_of.h"

namespace tablesync {
namespace {

struct Case {
  SyncSpec spec;
  Table source;
  bool keyed = true;

  explicit Case(SyncMode mode) {
    spec.mode = mode;
    source.name = {"app", "orders"};
    source.kind = 'r';
  }
  std::string sqlstate() const {
    return error_of([&] { check_mode(spec, source, keyed); }).sqlstate;
  }
};

TEST(CheckMode, XminNeedsRowsThatHaveAnXminOfTheirOwn) {
  Case sync(SyncMode::xmin);
  EXPECT_NO_THROW(check_mode(sync.spec, sync.source, true));
  sync.source.outside_heap = "app.far";
  EXPECT_EQ(sync.sqlstate(), sqlstate::not_supported);
  sync.source.outside_heap.clear();
  sync.source.joined = {"app.customers"};
  EXPECT_EQ(sync.sqlstate(), sqlstate::not_supported);
}

TEST(CheckMode, IncrementalNeedsALookbackForRowsFromElsewhere) {
  Case sync(SyncMode::incremental);
  sync.source.outside_heap = "app.far";
  sync.source.joined = {"app.customers"};
  EXPECT_NO_THROW(check_mode(sync.spec, sync.source, true));
  sync.source.fed_from_elsewhere = {"app.far"};
  EXPECT_EQ(sync.sqlstate(), sqlstate::not_supported);
  sync.spec.lookback = "1 hour";
  EXPECT_NO_THROW(check_mode(sync.spec, sync.source, true));
}

TEST(CheckMode, AFullSyncAloneNeedsNoKey) {
  for (const SyncMode mode : {SyncMode::incremental, SyncMode::xmin}) {
    Case sync(mode);
    sync.keyed = false;
    EXPECT_EQ(sync.sqlstate(), sqlstate::invalid_key);
  }
  Case sync(SyncMode::full);
  sync.source.outside_heap = "app.far";
  sync.source.fed_from_elsewhere = {"app.far"};
  EXPECT_NO_THROW(check_mode(sync.spec, sync.source, false));
}

}  // namespace
}  // namespace tablesync
