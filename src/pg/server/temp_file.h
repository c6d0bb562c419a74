// Temporary files, as the server's own hash joins and sorts use them: under temp_tablespaces and
// temp_file_limit, and counted in pg_stat_database. The end of the transaction removes them.
#pragma once

extern "C" {
#include "postgres.h"

#include "storage/buffile.h"
}

#include <string_view>
#include <vector>

#include "core/base/block_files.h"

namespace tablesync::pg {

// Server code: these raise with ereport. A null file is empty.
void write_temp(BufFile *&file, const void *bytes, Size size);
// False at the end of the file. Raises an error where it ends within the bytes.
bool read_temp(BufFile *file, void *bytes, Size size);
void rewind_temp(BufFile *file);
void close_temp(BufFile *&file);

// Blocks in temporary files of the current transaction. Throws ServerError.
class TempBlockFiles final : public BlockFiles {
 public:
  void append(std::size_t file, std::string_view block) override;
  std::string_view next(std::size_t file) override;
  // Call it when the transaction that wrote them has ended: they are gone.
  void forget();

 private:
  struct File {
    BufFile *buffered = nullptr;
    bool is_read = false;
  };
  std::vector<File> files_;
  std::vector<char> block_;  // that was read last
};

}  // namespace tablesync::pg
