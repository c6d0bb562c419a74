#include "core/spec/sync_spec.h"

#include "core/base/error.h"
#include "core/spec/parameter.h"

namespace tablesync {
std::string serialize(const SyncSpec &spec) {
  return write_json(fields_of(spec, SyncSpec(), functions::syncs));
}

SyncSpec deserialize_sync_spec(std::string_view json) {
  SyncSpec spec;
  set_fields(spec, read_json(json), functions::syncs);
  return spec;
}

std::string to_kept(SyncSpec spec) {
  spec.restart = spec.failed_chunks_only = false;
  return serialize(spec);
}

std::optional<SyncSpec> from_kept(std::string_view json) {
  try {
    return deserialize_sync_spec(json);
  } catch (const Error &) {
    return std::nullopt;
  }
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
              "Valid values are full, incremental and xmin, and also full_sync, incremental_sync and "
              "xmin_incremental.");
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
              "Valid values are none, count and full.");
}

void set_option(SyncSpec &spec, const std::string &key, const Json &value) {
  set_option(spec, functions::syncs, key, value);
}

}  // namespace tablesync
