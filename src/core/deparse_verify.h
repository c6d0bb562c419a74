// The SQL of a verification. Both sides make the same texts of the same rows, and md5 of them: the one hash
// that every PostgreSQL computes alike. The rows fall into buckets by the hash of their key; one scan of each
// side sums the hashes of each bucket, and only buckets whose sums differ are read row by row.
#pragma once

#include <string>
#include <vector>

#include "core/deparse_source.h"
#include "core/quote.h"
#include "core/sync_plan.h"

namespace tablesync {

// The columns whose texts stand for the rows of one side.
struct DigestedRows {
  std::string from;                 // FROM item, with its conditions (WHERE ...)
  std::vector<std::string> key;     // expressions, as text; all columns where there is no key
  std::vector<std::string> values;  // expressions of the others, as text
  std::string pending;              // condition of rows that the target need not have yet; or empty
  int buckets = 1;                  // a power of two
  bool keyed = true;                // rows without a key are counted, not compared
};

// `hex_floats`: floats as their bytes, since servers before 12 write them with other digits.
DigestedRows digested_source(const SourceRows &rows, const SyncPlan &plan, const std::string &pending,
                             int buckets, bool hex_floats);
DigestedRows digested_target(const QualifiedName &target, const SyncPlan &plan, int buckets, bool hex_floats);

// One row per bucket that has rows: its number, how many, two sums of their hashes; pending rows left out.
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
std::string create_staged_differences(const QualifiedName &target, const SyncPlan &plan);
// Counts per kind; the first differences; the keys of the rows that the source has, each its texts.
std::string count_differences();
std::string list_differences(int limit);
std::string list_keys_to_fetch(size_t key_columns);
// Rows of the target that the source has not.
std::string delete_extra(const QualifiedName &target, const SyncPlan &plan);

}  // namespace tablesync
