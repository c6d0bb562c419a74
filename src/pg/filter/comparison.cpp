#include "pg/filter/comparison.h"

extern "C" {
#include "miscadmin.h"
#include "utils/snapmgr.h"
}

namespace tablesync::pg {
namespace {

// ---- the scan of the target ------------------------------------------------------------------------------

void dump_known(Comparison &comparison, int parts) {
  comparison.spill = make_row_spill(parts);
  comparison.known->each_left([&](const RowHashes &hash, uint64 times) {
    for (uint64 n = 0; n < times; ++n) spill_held(comparison.spill, hash);
    return true;
  });
}

// With many parts each part is small beside the room, even if the estimate was far too low.
int parts_for(double rows, int64 most) {
  int parts = 16;
  while (parts < 1024 && parts * static_cast<double>(most) < 8 * rows) parts *= 2;
  return parts;
}

}  // namespace

void load_pass(Comparison &comparison, int pass) {
  comparison.known->clear();
  for (int part = 0; part < comparison.spill.parts; ++part) {
    if (comparison.spill.pass[part] != pass) continue;
    rewind_part(comparison.spill, part);
    CHECK_FOR_INTERRUPTS();
    RowHashes hash;
    while (read_held(comparison.spill, part, &hash)) comparison.known->add(hash);
  }
}

void scan_target(Comparison &comparison, double estimate, std::atomic<std::uint64_t> *progress) {
  if (estimate > static_cast<double>(comparison.most))
    comparison.spill = make_row_spill(parts_for(estimate, comparison.most));
  PushActiveSnapshot(GetTransactionSnapshot());
  each_held_row(
      comparison.held,
      [&](const RowHashes &hash, Oid, const ItemPointerData &) {
        ++comparison.held_rows;
        if (comparison.spill.parts == 0) {
          if (comparison.known->add(hash)) return;
          dump_known(comparison, parts_for(16 * static_cast<double>(comparison.held_rows), comparison.most));
        }
        spill_held(comparison.spill, hash);
      },
      [&](int rows) { *progress += static_cast<uint64>(rows); });
  PopActiveSnapshot();
}

namespace {

// ---- the stream ------------------------------------------------------------------------------------------

// Whether a row is dropped; else it passes.
bool take_row(Comparison &comparison, const RowHashes &hash) {
  switch (comparison.known->take(hash)) {
    case KnownRows::Found::same:
      ++comparison.dropped;
      return true;
    case KnownRows::Found::again:
      comparison.repeats = true;
      break;
    default:
      break;
  }
  ++comparison.passed;
  return false;
}

// Whether the row goes on at once. Else it was dropped, or waits for its pass.
bool passes_now(Comparison &comparison, CopyMessage message, const char *row, Size size) {
  form_values(comparison.former, message);
  const Datum *const values = comparison.former.values;
  RowHashes hash;
  // A row without a key, or one that is to be deleted, is like no row of the target.
  const bool is_keyed = hash_values(comparison.held.hasher, values, comparison.former.nulls, &hash);
  if (!is_keyed) {
    ++comparison.passed;
    return true;
  }
  const bool is_marked = comparison.mark >= 0 && !comparison.former.nulls[comparison.mark] &&
                         DatumGetBool(values[comparison.mark]);
  if (is_marked) hash.image = ~hash.image;
  if (comparison.spill.parts == 0 || comparison.spill.pass[part_of(comparison.spill, hash)] == 0)
    return !take_row(comparison, hash);
  spill_arrived(comparison.spill, hash, row, size);
  return false;
}

}  // namespace

char *next_of_stream(Comparison &comparison, NextMessage next, void *context, size_t *size) {
  while (char *bytes = next(context, size)) {
    CopyMessage message{bytes, bytes + *size};
    if (!comparison.header_taken) take_header<bad_format>(message);
    comparison.header_taken = true;
    if (message.at == message.end) continue;
    if (comparison.trailer_taken) bad_format("data after the end of the COPY");
    char *const row = message.at;
    comparison.trailer_taken = !tablesync::take_row<bad_format>(message, comparison.former.column_count);
    if (comparison.trailer_taken) continue;
    ++comparison.arrived;
    *size = static_cast<size_t>(message.end - row);
    if (passes_now(comparison, message, row, *size)) return row;
  }
  if (!comparison.trailer_taken) bad_format("a COPY without a trailer");
  return nullptr;
}

namespace {

void end_pass(Comparison &comparison) {
  comparison.left += comparison.known->left();
  if (comparison.spill.parts == 0) return;
  comparison.known->each_left([&](const RowHashes &hash, uint64 times) {
    spill_left(comparison.spill, hash, times);
    return true;
  });
}

}  // namespace

char *next_of_spill(Comparison &comparison, size_t *size) {
  if (comparison.spill.parts == 0) {
    end_pass(comparison);
    return nullptr;
  }
  for (;;) {
    if (comparison.part >= 0) {
      RowHashes hash;
      while (char *const row = next_arrived(comparison.spill, comparison.part, &hash, size))
        if (!take_row(comparison, hash)) return row;
      close_part(comparison.spill, comparison.part);
    }
    if (++comparison.part < comparison.spill.parts &&
        comparison.spill.pass[comparison.part] == comparison.pass)
      continue;
    end_pass(comparison);
    if (comparison.part >= comparison.spill.parts) return nullptr;
    load_pass(comparison, ++comparison.pass);
    --comparison.part;
  }
}

}  // namespace tablesync::pg
