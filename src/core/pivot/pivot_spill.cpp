#include "core/pivot/pivot_spill.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <optional>
#include <string>

namespace tablesync {
namespace {

// A reading in a file: this, then the bytes of a text. The file is of this process, so a pointer is valid.
struct Head {
  PivotColumn *column;
  std::int64_t time;
  std::uint64_t value;  // the size of a text
  ValueType type;       // at that time; the column can have become one of decimals
};
constexpr std::size_t head_size = 3 * 8 + 1;

Value value_of(ValueType type, std::uint64_t bits) {
  switch (type) {
    case ValueType::boolean:
      return Value::of(bits != 0);
    case ValueType::integer:
      return Value::of(static_cast<std::int64_t>(bits));
    default:
      return Value::of(std::bit_cast<double>(bits));
  }
}

bool is_exact(const Value &value) {
  std::string room;
  return value.type == ValueType::integer && !convert(value, ValueType::decimal, room);
}

}  // namespace

// ---- a full buffer ----------------------------------------------------------------------------------------

std::uint64_t PivotSpill::make_room() {
  // Readings that come channel after channel widen every row again and again.
  if (buffer_.bytes() > limits_.bytes) buffer_.compact();
  if (!is_full()) return 0;
  const bool reads = file_ != no_file;
  const std::uint64_t complete = reads ? part_began_ : buffer_.is_in_doubt() ? 0 : buffer_.complete_before();
  const std::size_t rows = buffer_.rows_before(complete);
  if (reads ? rows > 0 : 2 * rows >= buffer_.rows()) {
    rows_to_look_ = limits_.rows;
    return complete;
  }
  if (buffer_.bytes() <= limits_.bytes) {
    rows_to_look_ = 2 * buffer_.rows();
    return 0;
  }
  rows_to_look_ = limits_.rows;
  // A row that does not fit is written several times.
  if (buffer_.rows() == 1 || parts_read_.size() == most_levels) return PivotBuffer::every_row;
  spill();
  return 0;
}

void PivotSpill::spill() {
  level_ = parts_read_.size();
  write_rows();
  if (file_ == no_file) {
    waits_ = true;
    return;
  }
  while (read()) write(*reading_.column, reading_.time, reading_.value);
  write_blocks();
  parts_read_.push_back(0);
  file_ = no_file;
}

// The readings of the rows came before all that are not in the buffer.
void PivotSpill::write_rows() {
  std::vector<PivotColumn *> columns;
  for (const WideRows &table : buffer_.tables()) {
    columns.assign(static_cast<std::size_t>(table.width), nullptr);
    for (PivotColumn *const column : table.columns) columns[static_cast<std::size_t>(column->at)] = column;
    for (const WideRow &row : table.rows)
      for (std::int32_t at = 0; at < row.width; ++at)
        if (PivotColumn *const column = columns[static_cast<std::size_t>(at)];
            column != nullptr && !row.nulls[at])
          write(*column, row.time, buffer_.value_at(*column, row));
  }
  buffer_.take_back();
}

// ---- readings that wait -----------------------------------------------------------------------------------

PivotBuffer::Outcome PivotSpill::wait(PivotColumn &column, std::int64_t time, const Value &value) {
  std::string room;
  std::optional<Value> converted;
  const Value *const stored = PivotBuffer::fit(column, value, converted, room);
  if (stored == nullptr) return PivotBuffer::Outcome::not_convertible;
  write(column, time, *stored);
  return PivotBuffer::Outcome::stored;
}

void PivotSpill::write(PivotColumn &column, std::int64_t time, const Value &value) {
  if (is_exact(value)) column.waits_exact = true;
  const Head head{&column, time, bits_of(value), value.type};
  const std::uint64_t row[] = {reinterpret_cast<std::uintptr_t>(column.table),
                               static_cast<std::uint64_t>(time)};
  const std::size_t part = XXH3_64bits(row, sizeof row) >> (level_ * part_bits) & (parts - 1);
  Block &block = to_write_[part];
  const bool is_text = value.type == ValueType::string;
  const std::size_t size = head_size + (is_text ? value.text.size() : 0);
  if (block.used + size > block_size) write_block(part);
  if (size > block_size) {
    std::string large(reinterpret_cast<const char *>(&head), head_size);
    files_.append(level_ * parts + part, large.append(value.text));
    return;
  }
  if (!block.bytes) block.bytes.reset(new char[block_size]);
  char *const at = block.bytes.get() + block.used;
  std::memcpy(at, &head, head_size);
  if (is_text && !value.text.empty()) std::memcpy(at + head_size, value.text.data(), value.text.size());
  block.used += size;
}

void PivotSpill::write_block(std::size_t part) {
  Block &block = to_write_[part];
  if (block.used == 0) return;
  files_.append(level_ * parts + part, {block.bytes.get(), block.used});
  block.used = 0;
}

void PivotSpill::write_blocks() {
  for (std::size_t part = 0; part < parts; ++part) write_block(part);
}

const PivotSpill::Reading *PivotSpill::next() {
  if (waits_) {
    write_blocks();
    waits_ = false;
    parts_read_.assign(1, 0);
  }
  while (file_ != no_file || next_part()) {
    if (read()) return &reading_;
    file_ = no_file;
  }
  return nullptr;
}

bool PivotSpill::next_part() {
  while (!parts_read_.empty() && parts_read_.back() == parts) parts_read_.pop_back();
  if (parts_read_.empty()) return false;
  file_ = (parts_read_.size() - 1) * parts + parts_read_.back()++;
  part_began_ = buffer_.now() + 1;
  return true;
}

// Reads the next reading of the file; false after the last.
bool PivotSpill::read() {
  if (block_.empty()) block_ = files_.next(file_);
  if (block_.empty()) return false;
  Head head{};
  std::memcpy(&head, block_.data(), head_size);
  block_.remove_prefix(head_size);
  reading_.column = head.column;
  reading_.time = head.time;
  if (head.type == ValueType::string) {
    reading_.value = Value::of(block_.substr(0, head.value));
    block_.remove_prefix(head.value);
  } else {
    reading_.value = value_of(head.type, head.value);
  }
  return true;
}

void PivotSpill::forget() {
  waits_ = false;
  for (Block &block : to_write_) block.used = 0;
  parts_read_.clear();
  file_ = no_file;
  block_ = {};
  rows_to_look_ = limits_.rows;
}

}  // namespace tablesync
