// HeapScan: the rows of a heap that a snapshot sees, in the order of its pages, without a slot and a server
// call for each row (the general method of the server is heap_getnextslot(), heapam.c).
#pragma once

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
}

namespace tablesync::pg {

// Whether the table is a heap that stores all its columns, and the current transaction need not record its
// reads for SERIALIZABLE.
bool can_scan_heap(unsigned int oid);

// Plain data in the memory context of begin(). begin(), next_page(), fill_missing() and end() are server
// code: they raise with ereport, and the end of the transaction then releases the resources.
class HeapScan {
 public:
  // Scans the first `columns` attributes of the table under the active snapshot. `types`: the required oid of
  // each type, 0 for any. Raises 40001 if a type differs.
  static HeapScan begin(unsigned int oid, int columns, const unsigned int *types);
  // Moves to the next page with rows, which invalidates those of the previous one. False after the last page.
  bool next_page();
  int rows() const { return rows_; }  // on the page
  void end();

  // Selects the nth row of the page.
  void look_at(int n);
  HeapTupleHeader row() const { return row_; }
  Size size(int n) const { return ItemIdGetLength(PageGetItemId(page_, offsets_[n])); }
  ItemPointerData place(int n) const {
    ItemPointerData place;
    ItemPointerSet(&place, block_ - 1, offsets_[n]);
    return place;
  }
  // The transaction that wrote the row, frozen or not.
  TransactionId writer() const { return HeapTupleHeaderGetRawXmin(row_); }
  // Deforms the first `count` attributes of the row. False if it has fewer, because columns were added later:
  // then call fill_missing().
  bool deform(int count);
  void fill_missing(int count);
  // By attribute number, from 0. Values that are not passed by value point into the page.
  const Datum *values() const { return values_; }
  const bool *nulls() const { return nulls_; }

 private:
  struct Attribute {
    int length;  // -1: varlena
    unsigned int padding;
    bool by_value;
  };

  Relation relation_;
  Snapshot snapshot_;
  BufferAccessStrategy strategy_;
  BlockNumber block_, blocks_;
  Buffer buffer_;
  Page page_;
  OffsetNumber offsets_[MaxHeapTuplesPerPage];
  int rows_;
  Attribute *attributes_;
  Datum *values_;
  bool *nulls_;
  // The selected row.
  HeapTupleHeader row_;
  const char *at_;  // after the deformed attributes
  int done_, present_;
};

// Inline, because these are the inner loop of a scan.
inline void HeapScan::look_at(int n) {
  row_ = reinterpret_cast<HeapTupleHeader>(PageGetItem(page_, PageGetItemId(page_, offsets_[n])));
  at_ = reinterpret_cast<const char *>(row_) + row_->t_hoff;
  done_ = 0;
  present_ = HeapTupleHeaderGetNatts(row_);
}

inline bool HeapScan::deform(int count) {
  const char *const first = reinterpret_cast<const char *>(row_) + row_->t_hoff;
  const bool has_nulls = (row_->t_infomask & HEAP_HASNULL) != 0;
  const char *at = at_;
  const int last = count < present_ ? count : present_;
  for (int n = done_; n < last; ++n) {
    nulls_[n] = has_nulls && att_isnull(n, row_->t_bits);
    if (nulls_[n]) continue;
    const Attribute &attribute = attributes_[n];
    // A varlena with a one-byte header is not aligned; that byte is not zero, unlike padding.
    if (attribute.length != -1 || *at == 0)
      at = first +
           ((static_cast<Size>(at - first) + attribute.padding) & ~static_cast<Size>(attribute.padding));
    if (attribute.length == -1) {
      values_[n] = PointerGetDatum(at);
      at += VARSIZE_ANY(at);
    } else {
      values_[n] = attribute.by_value ? fetch_att(at, true, attribute.length) : PointerGetDatum(at);
      at += attribute.length >= 0 ? attribute.length : static_cast<int>(strlen(at)) + 1;
    }
  }
  if (last > done_) done_ = last;
  at_ = at;
  return count <= present_;
}

}  // namespace tablesync::pg
