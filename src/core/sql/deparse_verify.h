// The SQL of a verification. Both sides make the same texts of the same rows, and hash them. The rows fall
// into buckets by the hash of their key; one scan of each side sums the hashes of each bucket, and only
// buckets whose sums differ are read row by row.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/quote.h"
#include "core/sql/deparse_source.h"
#include "core/table/sync_plan.h"

namespace tablesync {

// How both sides hash. The server's own hash is by far the fastest, and no contract between versions: it is
// taken where hash_probe() gives the same on both sides, else md5.
struct RowHash {
  bool extended = false;  // hashtextextended(), with this seed
  std::int64_t seed = 0;
  bool hex_floats = false;  // floats as their bytes, since servers before 12 write them with other digits
};

// One text: the encoding of the server and the hashes of texts of every length up to some blocks of the hash.
std::string hash_probe(std::int64_t seed);

// The rows of one side, as they are hashed.
struct DigestedRows {
  std::string from;                 // FROM item, with its conditions (WHERE ...)
  std::vector<std::string> key;     // expressions; of all columns where there is no key
  std::vector<std::string> values;  // expressions of the others
  std::string pending;              // condition of rows that the target need not have yet; or empty
  int buckets = 1;                  // a power of two
  bool keyed = true;                // rows without a key are counted, not compared
  RowHash hash;
};

DigestedRows digested_source(const SourceRows &rows, const SyncPlan &plan, const std::string &pending,
                             int buckets, const RowHash &hash);
DigestedRows digested_target(const QualifiedName &target, const SyncPlan &plan, int buckets,
                             const RowHash &hash);

// One row per bucket that has rows: its number, how many, the sum of their hashes; pending rows left out.
std::string sum_buckets(const DigestedRows &rows);

// The rows of these buckets: key (text of an array of texts), hash of the row, 8 digits of the hash of each
// other column, whether pending.
std::string list_rows(const DigestedRows &rows, const std::vector<int> &buckets);

// The plan of the temporary table tablesync_verified, which takes what list_rows() says of the source.
extern const QualifiedName verified_name;
SyncPlan verified_plan();
// Makes tablesync_differences: kind (missing, extra, different), key, both sides' hashes of the other
// columns.
std::string create_differences(const DigestedRows &target, const std::vector<int> &buckets);
// The same of two whole tables here, for values that only this server can compare: the stage and the target.
// `but_keys`: rows of the target whose key is in keys_name are left out.
std::string create_staged_differences(const QualifiedName &target, const SyncPlan &plan, bool but_keys);
// One row of the source and one here whose keys are equal, though not of one text (1.0 and 1.00), are no
// missing one and an extra one, but one that is different.
std::string match_equal_keys(const SyncPlan &plan);
// Counts per kind; the first differences; the keys of the rows that the source has, each its texts.
std::string count_differences();
std::string list_differences(int limit);
std::string list_keys_to_fetch(size_t key_columns);
// Rows of the target that the source has not.
std::string delete_extra(const QualifiedName &target, const SyncPlan &plan);

}  // namespace tablesync
