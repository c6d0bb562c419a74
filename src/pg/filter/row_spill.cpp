#include "pg/filter/row_spill.h"

extern "C" {
#include "miscadmin.h"
}

#include "pg/server/temp_file.h"

namespace tablesync::pg {
namespace {

struct Head {
  RowHashes hash;
  uint64 size;  // of the row of the stream that follows; or how many rows are like this one
};

}  // namespace

RowSpill make_row_spill(int parts) {
  RowSpill spill{};
  const auto count = static_cast<Size>(parts);
  spill.parts = parts;
  spill.held = static_cast<BufFile **>(palloc0(count * sizeof(BufFile *)));
  spill.held_rows = static_cast<int64 *>(palloc0(count * sizeof(int64)));
  spill.arrived = static_cast<BufFile **>(palloc0(count * sizeof(BufFile *)));
  spill.pass = static_cast<int *>(palloc0(count * sizeof(int)));
  spill.room = BLCKSZ;
  spill.row = static_cast<char *>(palloc(spill.room));
  return spill;
}

void spill_held(RowSpill &spill, const RowHashes &hash) {
  const int part = part_of(spill, hash);
  RowHashes own = hash;
  write_temp(spill.held[part], &own, sizeof own);
  ++spill.held_rows[part];
}

int64 choose_passes(RowSpill &spill, int64 most) {
  int64 largest = 0, rows = 0;
  spill.passes = 1;
  for (int part = 0; part < spill.parts; ++part) {
    if (spill.held_rows[part] > most) return -1;
    if (rows + spill.held_rows[part] > most) {
      ++spill.passes;
      rows = 0;
    }
    rows += spill.held_rows[part];
    spill.pass[part] = spill.passes - 1;
    if (rows > largest) largest = rows;
  }
  return largest;
}

void spill_arrived(RowSpill &spill, const RowHashes &hash, const char *row, Size size) {
  BufFile *&file = spill.arrived[part_of(spill, hash)];
  Head head{hash, size};
  write_temp(file, &head, sizeof head);
  write_temp(file, row, size);
}

char *next_arrived(RowSpill &spill, int part, RowHashes *hash, size_t *size) {
  Head head;
  if (spill.arrived[part] == nullptr || !read_temp(spill.arrived[part], &head, sizeof head)) return nullptr;
  CHECK_FOR_INTERRUPTS();
  *hash = head.hash;
  *size = head.size;
  if (head.size + 1 > spill.room) {
    spill.room = 2 * (head.size + 1);
    pfree(spill.row);
    spill.row = static_cast<char *>(MemoryContextAllocHuge(CurrentMemoryContext, spill.room));
  }
  if (!read_temp(spill.arrived[part], spill.row, head.size)) return nullptr;
  return spill.row;
}

void rewind_part(RowSpill &spill, int part) {
  rewind_temp(spill.held[part]);
  rewind_temp(spill.arrived[part]);
}

bool read_held(RowSpill &spill, int part, RowHashes *hash) {
  return spill.held[part] != nullptr && read_temp(spill.held[part], hash, sizeof *hash);
}

void close_part(RowSpill &spill, int part) {
  close_temp(spill.held[part]);
  close_temp(spill.arrived[part]);
}

void close_spill(RowSpill &spill) {
  for (int part = 0; part < spill.parts; ++part) close_part(spill, part);
  close_temp(spill.left);
}

void spill_left(RowSpill &spill, const RowHashes &hash, uint64 times) {
  Head head{hash, times};
  write_temp(spill.left, &head, sizeof head);
}

void rewind_left(RowSpill &spill) { rewind_temp(spill.left); }

bool read_left(RowSpill &spill, RowHashes *hash, uint64 *times) {
  Head head;
  if (spill.left == nullptr || !read_temp(spill.left, &head, sizeof head)) return false;
  *hash = head.hash;
  *times = head.size;
  return true;
}

}  // namespace tablesync::pg
