// ReadingStream: the readings of a COPY of a narrow table in binary format. The bytes are another server's
// and can be anything: whatever is not the format, or no value of its type, is an error.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "core/base/moment.h"
#include "core/pivot/reading.h"
#include "core/sql/deparse_readings.h"

namespace tablesync {

// One row of a narrow table; absent where it is NULL. The texts view memory of whoever made it.
struct Reading {
  MaybeText ship, channel;
  std::optional<Moment> time;  // or, of a time without zone, as its clock was
  RawValue value;
};

class ReadingStream {
 public:
  // Throws unless the text is valid in the encoding of this database. Texts in ASCII are valid in all of
  // them, and are not checked so.
  using CheckText = void (*)(std::string_view text);

  // The plan must outlive this.
  ReadingStream(const ReadingPlan &plan, CheckText check_text) : plan_(plan), check_text_(check_text) {}

  // Reads the next message, which must outlive the use of reading(). False where it holds no row: the header
  // of the format, or its trailer. Throws 22P04 for what is not the format.
  bool take(char *bytes, std::size_t size);
  // The row of the last message. Throws 22P04 for a value of another size than its type's, 22008 for a time
  // beyond those that the server knows, and what check_text throws.
  Reading reading() const;
  // Throws 22P04 unless the trailer has come.
  void finish() const;

 private:
  // A field's bytes; absent where it is NULL.
  using Field = MaybeText;

  Field field(ReadingColumn which) const {
    const int n = plan_.place(which);
    return n < 0 ? Field() : fields_[static_cast<std::size_t>(n)];
  }
  Field text(ReadingColumn which) const;

  const ReadingPlan &plan_;
  CheckText check_text_;
  std::array<Field, reading_columns> fields_;
  bool header_taken_ = false, trailer_taken_ = false;
};

}  // namespace tablesync
