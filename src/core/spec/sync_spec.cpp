#include "core/spec/sync_spec.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/option_value.h"
#include "core/spec/spec_bytes.h"

namespace tablesync {
namespace {

// See each_run_field().
template <typename Spec, typename Visitor>
void each_field(Spec &spec, Visitor &visit) {
  auto &[mode, primary_key, field, field_type, custom_select, custom_where, custom_count, delete_missing,
         verify, chunk_mode, batch_size, max_delete_fraction, allow_empty, adopt, lookback,
         soft_delete_column, soft_delete_action, empty_string_as_null, on_schema_change, on_bad_row, chunk_by,
         max_differences] = spec;
  visit(mode), visit(primary_key), visit(field), visit(field_type), visit(custom_select);
  visit(custom_where), visit(custom_count), visit(delete_missing), visit(verify), visit(chunk_mode);
  visit(batch_size), visit(max_delete_fraction), visit(allow_empty), visit(adopt), visit(lookback);
  visit(soft_delete_column), visit(soft_delete_action), visit(empty_string_as_null);
  visit(on_schema_change), visit(on_bad_row), visit(chunk_by), visit(max_differences);
}

const std::vector<std::string> own_keys = {"adopt",
                                           "allow_empty",
                                           "chunk_by",
                                           "empty_string_as_null",
                                           "lookback",
                                           "max_delete_fraction",
                                           "max_differences",
                                           "on_bad_row",
                                           "on_schema_change",
                                           "soft_delete_action",
                                           "soft_delete_column"};
// That the documentation of other versions names, so that they are not called misspelt.
const std::vector<std::string> later_keys = {"every"};

std::vector<std::string> known_keys() {
  std::vector<std::string> keys = own_keys;
  keys.insert(keys.end(), run_option_keys.begin(), run_option_keys.end());
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

std::string serialize(const SyncSpec &spec) {
  SpecWriter writer;
  each_run_field(static_cast<const RunSpec &>(spec), writer);
  each_field(static_cast<const SyncOptions &>(spec), writer);
  return writer.take();
}

SyncSpec deserialize_sync_spec(std::string_view bytes) {
  SyncSpec spec;
  SpecReader reader(bytes);
  each_run_field(static_cast<RunSpec &>(spec), reader);
  each_field(static_cast<SyncOptions &>(spec), reader);
  return spec;
}

namespace {

// The bytes of a specification have no names: another set of fields makes others.
std::string version_of_kept() { return "sync " + std::to_string(serialize(SyncSpec()).size()) + "\n"; }

}  // namespace

std::string to_kept(SyncSpec spec) {
  spec.restart = spec.failed_chunks_only = false;
  return version_of_kept() + serialize(spec);
}

std::optional<SyncSpec> from_kept(std::string_view bytes) {
  const std::string version = version_of_kept();
  if (!bytes.starts_with(version)) return std::nullopt;
  return deserialize_sync_spec(bytes.substr(version.size()));
}

std::string definition_of(const SyncSpec &spec, const QualifiedName &source) {
  std::string text;
  const auto add = [&](const char *name, const std::string &value) {
    if (!value.empty()) text += std::string(name) + ": " + quote_literal(value) + "\n";
  };
  add("server", spec.server);
  add("source", display_name(source));
  add("sync_mode", name_of(spec.mode));
  std::vector<std::string> key;
  for (const std::string &column : spec.primary_key) key.push_back(quote_identifier(column));
  add("primary_key", join(key, ", "));
  add("incremental_field", spec.incremental_field);
  add("incremental_field_type", spec.incremental_field_type);
  add("custom_select", spec.custom_select);
  add("custom_where", spec.custom_where);
  add("soft_delete_column", spec.soft_delete_column);
  add("soft_delete_action", spec.soft_delete_action == SoftDelete::mark ? "mark" : "");
  add("empty_string_as_null", spec.empty_string_as_null ? "true" : "");
  return text;
}

SyncMode parse_sync_mode(std::string_view text) {
  if (text == "full" || text == "full_sync") return SyncMode::full;
  if (text == "incremental" || text == "incremental_sync") return SyncMode::incremental;
  if (text == "xmin" || text == "xmin_incremental") return SyncMode::xmin;
  throw Error(sqlstate::invalid_parameter, "unrecognized sync_mode \"" + std::string(text) + "\"", {},
              "Valid: full, incremental, xmin (full_sync, incremental_sync and xmin_incremental too).");
}

const char *name_of(SyncMode mode) {
  switch (mode) {
    case SyncMode::full:
      return "full";
    case SyncMode::incremental:
      return "incremental";
    case SyncMode::xmin:
      return "xmin";
  }
  return "?";
}

VerifyMode parse_verify(std::string_view text) {
  if (text == "none") return VerifyMode::none;
  if (text == "count") return VerifyMode::count;
  if (text == "full") return VerifyMode::full;
  throw Error(sqlstate::invalid_parameter, "unrecognized value for verify: \"" + std::string(text) + "\"", {},
              "Valid: none, count, full.");
}

void set_option(SyncSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  if (set_run_option(spec, key, value)) return;
  if (key == "adopt") {
    spec.adopt = to_bool(key, value);
  } else if (key == "allow_empty") {
    spec.allow_empty = to_bool(key, value);
  } else if (key == "empty_string_as_null") {
    spec.empty_string_as_null = to_bool(key, value);
  } else if (key == "max_delete_fraction") {
    spec.max_delete_fraction = to_fraction(key, value);
  } else if (key == "max_differences") {
    spec.max_differences = to_count(key, value);
  } else if (key == "chunk_by") {
    spec.chunk_by = to_word(key, value, {std::pair{"ctid", "ctid"}, {"key", "key"}});
  } else if (key == "lookback") {
    spec.lookback =
        to_text(key, value, "Give a duration like \"10 min\", or a number of values for an integer field.");
    parse_duration_ms(spec.lookback);
  } else if (key == "soft_delete_column") {
    spec.soft_delete_column = to_text(key, value, "Give the name of a column of the source.");
  } else if (key == "soft_delete_action") {
    spec.soft_delete_action =
        to_word(key, value, {std::pair{"delete", SoftDelete::remove}, {"mark", SoftDelete::mark}});
  } else if (key == "on_schema_change") {
    spec.on_schema_change = to_word(key, value,
                                    {std::pair{"error", OnSchemaChange::raise},
                                     {"add", OnSchemaChange::add},
                                     {"ignore", OnSchemaChange::ignore}});
  } else if (key == "on_bad_row") {
    spec.on_bad_row =
        to_word(key, value, {std::pair{"error", OnBadRow::raise}, {"reject", OnBadRow::reject}});
  } else {
    unknown_option(key, known_keys(), later_keys);
  }
}

}  // namespace tablesync
