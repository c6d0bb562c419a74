#include "pg/record/watermark_record.h"

#include "core/base/record.h"
#include "pg/record/state.h"

namespace tablesync {

static const char *sql_type_of(SyncMode) { return "text"; }
static Cell encode_cell(SyncMode mode) { return name_of(mode); }
static void decode_cell(const Cell &cell, SyncMode &mode) { mode = parse_sync_mode(text_of(cell)); }

static const char *sql_type_of(const std::vector<PendingValue> &) { return "text"; }
static Cell encode_cell(const std::vector<PendingValue> &pending) { return optional_text(to_text(pending)); }
static void decode_cell(const Cell &cell, std::vector<PendingValue> &pending) {
  pending = parse_pending(text_of(cell));
}

namespace pg {
namespace {

struct WatermarkRow {
  Watermark known;

  template <typename Record, typename Visitor>
  static void each_column(Record &row, Visitor &&column) {
    auto &known = row.known;
    column("run_id", known.run_id);
    column("server", or_null(known.server), "name");
    column("source", known.source);
    column("sync_mode", known.mode);
    column("field", or_null(known.field));
    column("custom_select", or_null(known.custom_select));
    column("custom_where", or_null(known.custom_where));
    column("soft_delete_column", or_null(known.soft_delete_column));
    column("shape", or_null(known.shape));
    column("value", or_null(known.value));
    column("pending", known.pending);
    column("system_identifier", or_null(known.system_identifier));
    column("database_oid", or_null(known.database_oid), "oid");
    column("relation_oid", or_null(known.relation_oid), "oid");
    column("snapshot_xmin", or_null(known.position.xmin));
    column("lsn", or_null(known.position.lsn), "pg_lsn");
    column("timeline", or_null(known.position.timeline));
    column("read_lsn", or_null(known.last_read.lsn), "pg_lsn");
    column("read_timeline", or_null(known.last_read.timeline));
    column("restored", or_null(known.restored));
    column("target_files", or_null(known.target_files));
  }
};

struct ReadableWatermark {
  WatermarkRow row;

  template <typename Record, typename Visitor>
  static void each_column(Record &readable, Visitor &&column) {
    WatermarkRow::each_column(readable.row, column);
    column("own", readable.row.known.own);
  }
};

}  // namespace

std::optional<Watermark> read_watermark(const std::string &target_oid) {
  const auto found = decode_first<ReadableWatermark>(
      own_state("SELECT " + select_list<ReadableWatermark>("w", {{"own", "w.owner = $owner"}}) + R"(
FROM tablesync.watermark w
WHERE w.target_oid = $1::oid
  AND has_table_privilege($owner, w.target_oid, 'SELECT'))",
                {target_oid}));
  if (!found) return std::nullopt;
  Watermark watermark = found->row.known;
  if (!watermark.own) watermark.hide_definition();
  return watermark;
}

void write_watermark(std::int64_t run_id, const RunSpec &spec, const std::string &target_oid,
                     const Watermark &watermark) {
  WatermarkRow row{watermark};
  row.known.run_id = run_id;
  if (row.known.position.xmin == 0) row.known.position = {};
  const std::string names = names_of<WatermarkRow>();
  own_state(R"(
INSERT INTO tablesync.watermark AS w (target_oid, owner, target, updated_at, )" +
                names + R"()
VALUES ($1::oid, $owner, $2, clock_timestamp(), )" +
                parameters_of<WatermarkRow>(3) + R"()
ON CONFLICT (target_oid) DO UPDATE
SET (owner, target, updated_at, )" +
                names + R"()
  = ROW(excluded.owner, excluded.target, excluded.updated_at, )" +
                names_of<WatermarkRow>("excluded") + R"()
WHERE has_table_privilege($owner, w.target_oid, 'INSERT'))",
            Row{target_oid, display_name(spec.target)} + encode(row));
}

void settle_restored(const std::string &target_oid, bool holds) {
  const Row target{target_oid};
  if (holds) {
    own_state(R"(
UPDATE tablesync.watermark
SET restored = NULL
WHERE target_oid = $1::oid
  AND restored IS NOT NULL
  AND has_table_privilege($owner, target_oid, 'INSERT'))",
              target);
    own_state(R"(
UPDATE tablesync.checkpoint
SET restored = NULL
WHERE subject = $1
  AND restored IS NOT NULL
  AND has_table_privilege($owner, $1::oid, 'INSERT'))",
              target);
  } else {
    own_state(R"(
DELETE FROM tablesync.watermark
WHERE target_oid = $1::oid
  AND restored IS NOT NULL
  AND has_table_privilege($owner, target_oid, 'INSERT'))",
              target);
    own_state(R"(
DELETE FROM tablesync.checkpoint
WHERE subject = $1
  AND restored IS NOT NULL
  AND owner = $owner)",
              target);
  }
}

}  // namespace pg
}  // namespace tablesync
