#include "pg/filter/row_spill.h"

extern "C" {
#include "miscadmin.h"
}

namespace tablesync::pg {
namespace {

struct Head {
  RowHashes hash;
  uint64 size;  // of the row of the stream that follows; or how many rows are like this one
};

void write(BufFile *&file, void *bytes, Size size) {
  if (file == nullptr) file = BufFileCreateTemp(false);
  BufFileWrite(file, bytes, size);
}

// False at the end of the file.
bool read(BufFile *file, void *bytes, Size size) {
  const Size got = BufFileRead(file, bytes, size);
  if (got == size) return true;
  if (got == 0) return false;
  ereport(ERROR,
          (errcode(ERRCODE_IO_ERROR), errmsg("could not read a temporary file: it ends within a row")));
  pg_unreachable();
}

void rewind(BufFile *file) {
  if (file != nullptr && BufFileSeek(file, 0, 0, SEEK_SET) != 0)
    ereport(ERROR, (errcode_for_file_access(), errmsg("could not rewind a temporary file: %m")));
}

void close(BufFile *&file) {
  if (file != nullptr) BufFileClose(file);
  file = nullptr;
}

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
  write(spill.held[part], &own, sizeof own);
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
  write(file, &head, sizeof head);
  BufFileWrite(file, const_cast<char *>(row), size);  // not changed: the older declaration lacks const
}

char *next_arrived(RowSpill &spill, int part, RowHashes *hash, size_t *size) {
  Head head;
  if (spill.arrived[part] == nullptr || !read(spill.arrived[part], &head, sizeof head)) return nullptr;
  CHECK_FOR_INTERRUPTS();
  *hash = head.hash;
  *size = head.size;
  if (head.size + 1 > spill.room) {
    spill.room = 2 * (head.size + 1);
    pfree(spill.row);
    spill.row = static_cast<char *>(MemoryContextAllocHuge(CurrentMemoryContext, spill.room));
  }
  if (!read(spill.arrived[part], spill.row, head.size)) return nullptr;
  return spill.row;
}

void rewind_part(RowSpill &spill, int part) {
  rewind(spill.held[part]);
  rewind(spill.arrived[part]);
}

bool read_held(RowSpill &spill, int part, RowHashes *hash) {
  return spill.held[part] != nullptr && read(spill.held[part], hash, sizeof *hash);
}

void close_part(RowSpill &spill, int part) {
  close(spill.held[part]);
  close(spill.arrived[part]);
}

void close_spill(RowSpill &spill) {
  for (int part = 0; part < spill.parts; ++part) close_part(spill, part);
  close(spill.left);
}

void spill_left(RowSpill &spill, const RowHashes &hash, uint64 times) {
  Head head{hash, times};
  write(spill.left, &head, sizeof head);
}

void rewind_left(RowSpill &spill) { rewind(spill.left); }

bool read_left(RowSpill &spill, RowHashes *hash, uint64 *times) {
  Head head;
  if (spill.left == nullptr || !read(spill.left, &head, sizeof head)) return false;
  *hash = head.hash;
  *times = head.size;
  return true;
}

}  // namespace tablesync::pg
