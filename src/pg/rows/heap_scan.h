// HeapScan: the rows of a heap that a snapshot sees, in the order of its pages, without a slot and a call of
// the server for each row (the server's own way is heap_getnextslot(), heapam.c, which does the same in more
// general steps).
#pragma once

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
}

namespace tablesync::pg {

// Whether the table is stored as a heap is, with all of its columns, and the current transaction need not
// tell others what it has read.
bool can_scan_heap(unsigned int oid);

// Plain data in the memory context in which it was begun. begin(), next_page(), fill_missing() and end() are
// server code: they raise with ereport, and what is held is let go at the end of the transaction then.
class HeapScan {
 public:
  // The first `columns` attributes of the rows of the table, under the active snapshot. `types`: the oid of
  // the type that each must have, 0 where it does not matter. 40001 where one has another.
  static HeapScan begin(unsigned int oid, int columns, const unsigned int *types);
  // Goes on to the next page that has rows; those of the page before are gone. False after the last one.
  bool next_page();
  int rows() const { return rows_; }  // on the page
  void end();

  // Looks at the nth row of the page.
  void look_at(int n);
  // The transaction that wrote the row, frozen or not.
  TransactionId writer() const { return HeapTupleHeaderGetRawXmin(row_); }
  // Takes apart the first `count` attributes of the row. False where it has fewer, since columns were added
  // later: fill_missing() then gives the rest.
  bool deform(int count);
  void fill_missing(int count);
  // By attribute number, from 0. What is not passed by value is where it is on the page.
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
  // The row that is looked at.
  HeapTupleHeader row_;
  const char *at_;  // behind what is taken apart
  int done_, present_;
};

// Here, since it is the inner loop of those who scan.
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
    // A varlena whose length is in one byte stands where it stands; that byte is not zero, as padding is.
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
