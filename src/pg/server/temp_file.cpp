#include "pg/server/temp_file.h"

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

#include "pg/server/airlock.h"

namespace tablesync::pg {

void write_temp(BufFile *&file, const void *bytes, Size size) {
  if (file == nullptr) file = BufFileCreateTemp(false);
  BufFileWrite(file, const_cast<void *>(bytes), size);  // not changed: the older declaration lacks const
}

bool read_temp(BufFile *file, void *bytes, Size size) {
  const Size got = BufFileRead(file, bytes, size);
  if (got == size) return true;
  if (got == 0) return false;
  ereport(ERROR,
          (errcode(ERRCODE_IO_ERROR), errmsg("could not read a temporary file: it ends within a row")));
  pg_unreachable();
}

void rewind_temp(BufFile *file) {
  if (file != nullptr && BufFileSeek(file, 0, 0, SEEK_SET) != 0)
    ereport(ERROR, (errcode_for_file_access(), errmsg("could not rewind a temporary file: %m")));
}

void close_temp(BufFile *&file) {
  if (file != nullptr) BufFileClose(file);
  file = nullptr;
}

namespace {

// A reading can come while a query runs, whose memory and files end before the transaction.
void append_block(BufFile *&file, const char *bytes, Size size) {
  CHECK_FOR_INTERRUPTS();
  MemoryContext const memory = MemoryContextSwitchTo(CurTransactionContext);
  ResourceOwner const owner = CurrentResourceOwner;
  CurrentResourceOwner = CurTransactionResourceOwner;
  write_temp(file, &size, sizeof size);
  write_temp(file, bytes, size);
  CurrentResourceOwner = owner;
  MemoryContextSwitchTo(memory);
}

// 0 at the end of the file.
Size next_size(BufFile *file) {
  CHECK_FOR_INTERRUPTS();
  Size size = 0;
  return read_temp(file, &size, sizeof size) ? size : 0;
}

}  // namespace

void TempBlockFiles::append(std::size_t file, std::string_view block) {
  if (file >= files_.size()) files_.resize(file + 1);
  BufFile *&buffered = files_[file].buffered;
  call([&] { append_block(buffered, block.data(), block.size()); });
}

std::string_view TempBlockFiles::next(std::size_t file) {
  if (file >= files_.size() || files_[file].buffered == nullptr) return {};
  auto &[buffered, is_read] = files_[file];
  BufFile *&source = buffered;
  if (!is_read) call([&] { rewind_temp(source); });
  is_read = true;
  const Size size = call([&] { return next_size(source); });
  if (size == 0) {
    call([&] { close_temp(source); });
    is_read = false;
    return {};
  }
  block_.resize(size);
  char *const bytes = block_.data();
  if (!call([&] { return read_temp(source, bytes, size); })) return {};
  return {bytes, size};
}

void TempBlockFiles::forget() { files_.clear(); }

}  // namespace tablesync::pg
