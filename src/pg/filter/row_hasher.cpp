#include "pg/filter/row_hasher.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "pg/server/fault.h"

namespace tablesync::pg {
namespace {

// What follows the fixed part of a header: the bitmap of nulls, and padding.
constexpr Size fixed_header = SizeofHeapTupleHeader;

uint64 hash_bytes(const RowHasher &hasher, const void *bytes, Size size) {
  return XXH3_64bits_withSecret(bytes, size, hasher.secret, sizeof hasher.secret);
}

// A header of one or of four bytes makes no difference.
uint64 hash_value(const RowHasher &hasher, Form_pg_attribute attribute, Datum value) {
  if (attribute->attbyval) {
    Datum bytes = 0;
    store_att_byval(&bytes, value, attribute->attlen);
    return hash_bytes(hasher, &bytes, sizeof bytes);
  }
  const char *const bytes = DatumGetPointer(value);
  if (attribute->attlen == -1) return hash_bytes(hasher, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
  return hash_bytes(hasher, bytes,
                    attribute->attlen > 0 ? static_cast<Size>(attribute->attlen) : strlen(bytes));
}

uint64 hash_key(const RowHasher &hasher, const Datum *values) {
  uint64 hashes[INDEX_MAX_KEYS];
  for (int n = 0; n < hasher.key_count; ++n)
    hashes[n] = hash_value(hasher, TupleDescAttr(hasher.shape, hasher.key[n]), values[hasher.key[n]]);
  return hasher.key_count == 1
             ? hashes[0]
             : hash_bytes(hasher, hashes, sizeof *hashes * static_cast<Size>(hasher.key_count));
}

// `has_nulls`: the image begins with a bitmap.
void hash_image(const RowHasher &hasher, const char *image, Size size, bool has_nulls, RowHashes *hash) {
  const XXH128_hash_t found = XXH3_128bits_withSecret(image, size, hasher.secret, sizeof hasher.secret);
  hash->image = found.high64 ^ (has_nulls ? 1ULL << 32 : 0);
  if (is_ablated(Ablation::hash)) hash->image &= 0xffULL << 32;
  if (hasher.key_count == 0) hash->key = found.low64;
}

}  // namespace

RowHasher make_row_hasher(TupleDesc shape, const int *key, int key_count) {
  RowHasher hasher{};
  hasher.shape = shape;
  hasher.key = key;
  hasher.key_count = key_count;
  static_assert(sizeof hasher.secret >= XXH3_SECRET_SIZE_MIN);
  if (!pg_strong_random(hasher.secret, sizeof hasher.secret))
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random numbers")));
  hasher.room = BLCKSZ;
  hasher.image = static_cast<char *>(palloc(hasher.room));
  return hasher;
}

bool hash_values(RowHasher &hasher, const Datum *values, const bool *nulls, RowHashes *hash) {
  const int count = hasher.shape->natts;
  bool has_nulls = false;
  for (int n = 0; n < count; ++n) has_nulls |= nulls[n];
  for (int n = 0; has_nulls && n < hasher.key_count; ++n)
    if (nulls[hasher.key[n]]) return false;
  auto *const own = const_cast<Datum *>(values);  // not changed: the server's older declarations lack const
  auto *const own_nulls = const_cast<bool *>(nulls);
  const Size data = heap_compute_data_size(hasher.shape, own, own_nulls);
  const Size bitmap =
      has_nulls ? MAXALIGN(fixed_header + static_cast<Size>(BITMAPLEN(count))) - fixed_header : 0;
  // The data is aligned as in a tuple.
  const Size before = MAXALIGN(bitmap) - bitmap;
  if (before + bitmap + data > hasher.room) {
    hasher.room = 2 * (before + bitmap + data);
    hasher.image = static_cast<char *>(repalloc_huge(hasher.image, hasher.room));
  }
  char *const image = hasher.image + before;
  memset(image, 0, bitmap + data);
  uint16 mask = 0;
  heap_fill_tuple(hasher.shape, own, own_nulls, image + bitmap, data, &mask,
                  has_nulls ? reinterpret_cast<bits8 *>(image) : nullptr);
  hash_image(hasher, image, bitmap + data, has_nulls, hash);
  if (hasher.key_count > 0) hash->key = hash_key(hasher, values);
  return true;
}

void hash_stored(const RowHasher &hasher, HeapTupleHeader row, Size size, const Datum *values,
                 RowHashes *hash) {
  const bool has_nulls = (row->t_infomask & HEAP_HASNULL) != 0;
  const Size from = has_nulls ? fixed_header : row->t_hoff;
  hash_image(hasher, reinterpret_cast<const char *>(row) + from, size - from, has_nulls, hash);
  if (hasher.key_count > 0) hash->key = hash_key(hasher, values);
}

}  // namespace tablesync::pg
