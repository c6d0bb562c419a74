// The SQL of a verification. Both sides hash the same values for the same row: as they are where equal values
// of the type are identical, else in their binary form (COPY's), else as text. The hash of the key puts a row
// into a bucket; one scan of each side sums the hashes of each bucket, and only buckets whose sums differ are
// read row by row.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/quote.h"
#include "core/sql/deparse_source.h"
#include "core/table/sync_plan.h"

namespace tablesync {

// The hash that both sides use. The server's own hash is by far the fastest, but may differ between versions:
// it is used if hash_probe() returns the same text on both sides, otherwise md5.
struct RowHash {
  bool extended = false;  // hashtextextended(), with this seed
  bool record = false;    // hash_record_extended(), which exists from version 14 on
  std::int64_t seed = 0;
  bool hex_floats = false;  // floats as bytes, because servers before 12 write them with other digits
};

// One text: the encoding of the server, and hashes of texts of every length up to a few blocks of the hash.
std::string hash_probe(std::int64_t seed);
// The same for hash_record_extended(), with values of each type that is hashed as it is.
std::string record_hash_probe(std::int64_t seed);

// The rows of one side and the expressions to hash.
struct DigestedRows {
  std::string from;                                 // FROM item, with its conditions (WHERE ...)
  std::vector<std::string> key;                     // expressions; without a key: of all columns
  std::vector<std::string> values;                  // expressions of the other columns
  std::vector<std::string> key_forms, value_forms;  // the same, as they are hashed by hash_record_extended()
  std::string pending;  // condition for rows that the target need not have yet; or empty
  int buckets = 1;      // a power of two
  bool keyed = true;    // rows without a key are counted, not compared
  RowHash hash;
};

DigestedRows digested_source(const SourceRows &rows, const SyncPlan &plan, const std::string &pending,
                             int buckets, const RowHash &hash);
DigestedRows digested_target(const QualifiedName &target, const SyncPlan &plan, int buckets,
                             const RowHash &hash);

// One row per bucket with rows: its number, the number of rows, the sum of their hashes; without pending
// rows.
std::string sum_buckets(const DigestedRows &rows);

// The rows of these buckets: key (text of an array of texts), hash of the row, 8 digits of the hash of each
// other column, and whether it is pending.
std::string list_rows(const DigestedRows &rows, const std::vector<int> &buckets);

// The plan of the temporary table tablesync_verified, which receives list_rows() of the source.
extern const QualifiedName verified_name;
extern const QualifiedName differences_name;
SyncPlan verified_plan();
// Makes tablesync_differences: kind (missing, extra, different), key, both sides' hashes of the other
// columns.
std::string create_differences(const DigestedRows &target, const std::vector<int> &buckets);
// Makes tablesync_differences from the stage and the target, for values that only this server can compare.
// `but_keys`: ignores rows of the target whose key is in keys_name.
std::string create_staged_differences(const QualifiedName &target, const SyncPlan &plan, bool but_keys);
// Replaces a missing and an extra row by a different one if their keys are equal with different texts (1.0
// and 1.00).
std::string match_equal_keys(const SyncPlan &plan);
// Counts per kind; the first differences; the keys of the rows that the source has, each as its texts.
std::string count_differences();
std::string list_differences(int limit);
std::string list_keys_to_fetch(size_t key_columns);
// Inserts the keys of rows that the source lacks into a table of the key's columns.
std::string insert_extra_keys(const QualifiedName &table, const SyncPlan &plan);
// Deletes rows of the target that the source lacks.
std::string delete_extra(const QualifiedName &target, const SyncPlan &plan);

}  // namespace tablesync
