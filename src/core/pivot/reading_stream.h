// ReadingStream: the readings of a COPY of a narrow table in binary format. The bytes come from another
// server: data that is not in the format, or not a value of its type, is an error.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "core/base/moment.h"
#include "core/pivot/reading.h"
#include "core/sql/deparse_readings.h"

namespace tablesync {

// One row of a narrow table; absent fields are NULL. The texts view the message.
struct Reading {
  MaybeText ship, channel;
  std::optional<Moment> time;  // of a time without zone, as its clock showed it
  RawValue value;
};

class ReadingStream {
 public:
  // Throws unless the text is valid in the encoding of this database. ASCII texts are valid in every encoding
  // and are not checked.
  using CheckText = void (*)(std::string_view text);

  // The plan must outlive this.
  ReadingStream(const ReadingPlan &plan, CheckText check_text) : plan_(plan), check_text_(check_text) {}

  // Reads the next message, which must outlive the use of reading(). Returns false if it holds no row: the
  // header of the format, or its trailer. Throws 22P04 for data in another format.
  bool take(char *bytes, std::size_t size);
  // The row of the last message. Throws 22P04 for a value whose size is not that of its type, 22008 for a
  // time outside of the server's range, and what check_text throws.
  Reading reading() const;
  // Throws 22P04 unless the trailer has come.
  void finish() const;

 private:
  // The bytes of a field; absent if NULL.
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
