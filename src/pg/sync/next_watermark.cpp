#include "pg/sync/next_watermark.h"

#include "core/base/quote.h"

namespace tablesync::pg {

Watermark next_watermark(TablePair &pair, const ReadWindow &window, const std::optional<Watermark> &since) {
  const SyncSpec &spec = pair.spec;
  const Table &source = pair.source_table;
  const std::optional<Watermark> &known = pair.known;
  Watermark next;
  if (since)
    next = *since;
  else if (window.kind != ReadWindow::Kind::everything)
    next = *known;
  // Values of another field, or from before another mode, prove nothing about this field.
  if (known && (known->mode != SyncMode::incremental || known->field != spec.incremental_field)) {
    next.value.clear();
    next.pending.clear();
  }
  next.server = spec.server;
  next.source = display_name(source.name);
  next.mode = spec.mode;
  next.field = spec.incremental_field;
  next.custom_select = spec.custom_select;
  next.custom_where = spec.custom_where;
  next.soft_delete_column = spec.deleting_column();
  next.take_table(source);
  next.target_files = pair.files_of_target();
  next.last_read = pair.source->position();
  // A read by field does not see every change, so it proves nothing about transactions.
  const bool saw_all_changes =
      window.kind == ReadWindow::Kind::everything || window.kind == ReadWindow::Kind::written_since_position;
  if (saw_all_changes) next.position = pair.source->position();
  if (spec.mode != SyncMode::incremental) {
    next.value.clear();
    next.pending.clear();
  }
  return next;
}

}  // namespace tablesync::pg
