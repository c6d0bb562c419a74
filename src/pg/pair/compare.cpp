#include "pg/pair/compare.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/sql/deparse.h"
#include "core/sql/deparse_verify.h"
#include "pg/target/stage.h"
#include "pg/target/trust.h"

namespace tablesync::pg {
namespace {

struct Bucket {
  std::int64_t rows = 0;
  std::string sum;  // of more than 64 bits
  bool operator==(const Bucket &) const = default;
};
using Buckets = std::map<int, Bucket>;

Buckets decode_buckets(const Rows &rows, std::int64_t &total) {
  Buckets buckets;
  for (const Row &row : rows) {
    const auto [bucket, count, sum] = values_of<int, std::int64_t, std::string>(row);
    buckets[bucket] = {count, sum};
    total += count;
  }
  return buckets;
}

// Few rows to a bucket, so that one difference makes few rows travel; and no more buckets than are worth it.
// Their sums have to fit into half of the limit, as any answer of the source has.
int choose_buckets(std::int64_t rows, int memory_limit_mb) {
  constexpr std::int64_t rows_per_bucket = 128;
  constexpr int buckets_per_mb = 1024;
  const int most = std::min(65536, memory_limit_mb * buckets_per_mb);
  int buckets = 16;
  while (buckets < most && buckets * rows_per_bucket < rows) buckets *= 2;
  return buckets;
}

bool writes_floats_otherwise(const TablePair &pair) {
  return pair.source && pair.source->server_version() < 120000;
}

class Comparer {
 public:
  Comparer(TablePair &pair, const std::string &pending) : pair_(pair), pending_(pending) {}

  Comparison run(int limit) {
    // A sync that compared digests may be verified in the same transaction.
    Stage(*pair_.target, differences_name).drop_if_exists();
    if (pair_.plan.converts())
      compare_staged();
    else
      compare_digests();
    if (!pair_.plan.key_equality.empty()) pair_.target->query(match_equal_keys(pair_.plan));
    std::tie(found_.missing, found_.extra, found_.different) =
        values_of<std::int64_t, std::int64_t, std::int64_t>(
            only_row(pair_.target->query(count_differences())));
    list(limit);
    return found_;
  }

 private:
  void compare_digests() {
    const int count =
        choose_buckets(std::max(pair_.source_table.row_estimate, pair_.target_table.row_estimate),
                       pair_.spec.memory_limit_mb);
    const RowHash hash = choose_hash();
    const DigestedRows source = digested_source(pair_.all_rows, pair_.plan, pending_, count, hash);
    const DigestedRows target = digested_target(pair_.target_table.name, pair_.plan, count, hash);
    // Both sides compute at the same time.
    if (pair_.source) pair_.source->start_query(sum_buckets(source));
    const Buckets here = decode_buckets(pair_.target->query(sum_buckets(target)), found_.target_rows);
    const Buckets there =
        decode_buckets(pair_.source ? pair_.source->finish_query() : pair_.target->query(sum_buckets(source)),
                       found_.source_rows);
    std::vector<int> differing;
    for (int bucket = 0; bucket < count; ++bucket)
      if (at(here, bucket) != at(there, bucket)) differing.push_back(bucket);
    Stage(*pair_.target, verified_name).make(verified_plan());
    if (!differing.empty()) take_source_rows(list_rows(source, differing));
    pair_.target->query(create_differences(target, differing));
  }

  // A seed of this run's own: rows that collide in one run do not in the next.
  RowHash choose_hash() {
    RowHash hash;
    hash.hex_floats = writes_floats_otherwise(pair_);
    hash.seed = pair_.run_id * 1000003;
    const std::string probe = hash_probe(hash.seed);
    hash.extended = !pair_.source || pair_.source->query(probe) == pair_.target->query(probe);
    constexpr int with_record_hash = 140000;
    if (!hash.extended || (pair_.source && pair_.source->server_version() < with_record_hash)) return hash;
    const std::string record_probe = record_hash_probe(hash.seed);
    hash.record = !pair_.source || pair_.source->query(record_probe) == pair_.target->query(record_probe);
    return hash;
  }

  static Bucket at(const Buckets &buckets, int bucket) {
    const auto found = buckets.find(bucket);
    return found == buckets.end() ? Bucket{} : found->second;
  }

  void take_source_rows(const std::string &select) {
    if (!pair_.source) {
      pair_.target->query("INSERT INTO " + quote_qualified(verified_name) + " " + select);
      return;
    }
    SourceRows rows;
    rows.table = &pair_.source_table;
    rows.query = select;
    pair_.stage(verified_name, verified_plan(), rows);
  }

  // Values that only this server can bring into the target's form.
  void compare_staged() {
    // The stage has the target's types: the checks of domains run where values come in.
    check_trust(as_oid(pair_.target_table.oid), pair_.spec);
    Stage(*pair_.target, stage_name).make(pair_.plan);
    SourceRows rows = pair_.all_rows;
    if (!pending_.empty()) rows.conditions.push_back("(" + pending_ + ") IS NOT TRUE");
    found_.source_rows = pair_.stage(stage_name, pair_.plan, rows);
    found_.target_rows = single<std::int64_t>(pair_.target->query(count_rows(pair_.target_table.name)));
    const bool but_pending = !pending_.empty() && pair_.plan.keyed();
    if (but_pending) stage_pending_keys();
    pair_.target->query(create_staged_differences(pair_.target_table.name, pair_.plan, but_pending));
  }

  // What the target has by these keys may be older than what the source has.
  void stage_pending_keys() {
    const SyncPlan keys = pair_.plan.key_alone();
    Stage stage(*pair_.target, keys_name);
    stage.make(keys);
    SourceRows rows = pair_.all_rows;
    rows.conditions.push_back(pending_);
    pair_.stage(stage.name(), keys, rows);
    stage.analyze();
  }

  void list(int limit) {
    std::vector<std::string> names;
    for (const ColumnPlan &column : pair_.plan.columns)
      if (!column.key && pair_.plan.keyed()) names.push_back(column.name);
    for (const Row &row : pair_.target->query(list_differences(limit))) {
      const auto [kind, key, there, here] =
          values_of<std::string, std::string, std::string, std::string>(row);
      Difference difference{kind, key, {}};
      constexpr size_t digits = 8;  // of each column's hash
      if (difference.kind == "different")
        for (size_t n = 0; n < names.size(); ++n)
          if (there.compare(n * digits, digits, here, n * digits, digits) != 0)
            difference.columns.push_back(names[n]);
      found_.listed.push_back(std::move(difference));
    }
  }

  TablePair &pair_;
  const std::string &pending_;
  Comparison found_;
};

}  // namespace

Comparison compare(TablePair &pair, const std::string &pending, int limit) {
  // The same texts on both sides, inside arrays and composites too. Before 12 the shortest text of a float
  // was not known: there, those inside of other types are compared in 15 digits.
  const bool old_floats = writes_floats_otherwise(pair);
  const std::pair<const char *, const char *> options[] = {
      {"timezone", pair.source ? pair.source->time_zone().c_str() : "UTC"},
      {"lc_monetary", "C"},
      {"extra_float_digits", old_floats ? "0" : "1"}};
  std::vector<std::string> before;
  for (const auto &[name, value] : options) {
    before.push_back(pair.target->setting(name));
    pair.target->set(name, value);
  }
  if (old_floats) pair.source->execute("SET LOCAL extra_float_digits = 0");
  Comparison found = Comparer(pair, pending).run(limit);
  if (old_floats) pair.source->execute("SET LOCAL extra_float_digits = 3");
  for (size_t n = 0; n < before.size(); ++n) pair.target->set(options[n].first, before[n]);
  return found;
}

std::string describe_counts(const Comparison &comparison) {
  return with_commas(comparison.missing) + " missing, " + with_commas(comparison.different) + " different, " +
         with_commas(comparison.extra) + " extra";
}

std::string describe_first(const Comparison &comparison, const SyncPlan &plan) {
  constexpr size_t most = 3;
  const std::string key = plan.keyed() ? join(plan.key, ", ") : "all columns";
  std::vector<std::string> texts;
  for (size_t n = 0; n < std::min(most, comparison.listed.size()); ++n) {
    const Difference &difference = comparison.listed[n];
    texts.push_back("(" + key + ")=(" + difference.key + ") is " + difference.kind +
                    (difference.columns.empty() ? "" : " in " + join(difference.columns, ", ")));
  }
  return join(texts, "; ") + ".";
}

}  // namespace tablesync::pg
