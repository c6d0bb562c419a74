#include "core/range/mode_rules.h"

#include "core/base/error.h"
#include "core/base/quote.h"

namespace tablesync {
namespace {

void refuse_without_history(const Table &source) {
  const std::string name = "\"" + display_name(source.name) + "\"";
  if (!source.outside_heap.empty())
    throw Error(sqlstate::not_supported, "xmin mode needs a source table whose rows are all in heaps",
                source.outside_heap +
                    " has no usable xmin: it is a view, a foreign table, a distributed table, or a table of "
                    "another access method.",
                source.kind == 'v' ? "Use sync_mode => 'incremental', or sync the table behind it."
                                   : "Use sync_mode => 'incremental' or 'full'.");
  if (!source.joined.empty())
    throw Error(sqlstate::not_supported,
                "xmin mode cannot be combined with a custom_where that reads other relations",
                "It reads " + join(source.joined, ", ") + ", whose changes write no row of " + name + ".",
                "Use sync_mode => 'full', or a custom_where over columns of " + name + " alone.");
}

// The horizon covers the transactions of the source's own database. Rows from elsewhere can arrive later.
void refuse_unseen_writers(const Table &source, const SyncSpec &spec) {
  if (source.fed_from_elsewhere.empty() || !spec.lookback.empty()) return;
  throw Error(
      sqlstate::not_supported,
      "incremental mode needs the option \"lookback\" for \"" + display_name(source.name) + "\"",
      "It reads " + join(source.fed_from_elsewhere, ", ") +
          ": a foreign table or materialized view, whose rows can appear long after the time that they "
          "carry. Transactions that write them cannot be seen on the source.",
      "Pass how late a row may appear, such as options => '{\"lookback\": \"1 hour\"}'. Rows that appear "
      "later than that are not read.");
}

}  // namespace

void check_mode(const SyncSpec &spec, const Table &source, bool keyed) {
  if (spec.mode == SyncMode::xmin) refuse_without_history(source);
  if (spec.mode == SyncMode::incremental) refuse_unseen_writers(source, spec);
  if (spec.mode != SyncMode::full && !keyed)
    throw Error(sqlstate::invalid_key,
                "there is no key to match the rows of \"" + display_name(source.name) + "\" by", {},
                "Give the source a primary key, or pass primary_key => ARRAY[...].");
}

}  // namespace tablesync
