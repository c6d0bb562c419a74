// The target table on this server: resolved, checked, held, described.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/range/target.h"
#include "core/spec/run_spec.h"
#include "core/table/table.h"
#include "pg/target/held_relation.h"

namespace tablesync::pg {

std::string current_user_name();
// Throws 42501: the current user lacks `privilege` on the schema.
[[noreturn]] void fail_schema(const std::string &schema, const char *privilege);

// Resolves a target's name as the user wrote it, with the current search_path: where no such table exists,
// the schema in which CREATE TABLE would make it. Throws 42601/42602 for text that is not a name, 0A000 for a
// name of another database.
QualifiedName resolve_target(const std::string &text);

// A name as a user wrote it, in SQL form with every part quoted. Throws as above.
std::string sql_name(const std::string &text);

// Throws where the current user may not sync into this existing table, does not trust its owner (see
// trust.h), or it is not a table that can be synced into: 42809, 42501, 0A000. `deletes`: whether rows may
// have to be deleted.
void check_target(unsigned int oid, bool deletes, const RunSpec &spec);

// Throws 25001 where this session holds a lock on the table that its worker would wait for.
void check_not_locked_here(unsigned int oid);

// The oid of the table by that name, 0 where there is none. Takes no lock.
unsigned int find_target(const QualifiedName &name);
// The table by that name, held for writing (see held_relation.h) and checked by check_target().
std::optional<HeldRelation> hold_target(const QualifiedName &name, bool deletes, const RunSpec &spec);

// The description of a table here, by the same statements as on the source.
Table describe_target(const QualifiedName &name);

// A table or view that is to be read, by its name in SQL form: its name; and its description, which stays as
// it is until the end of the transaction (it is held). Throw 42P01, 42501, 42809.
QualifiedName find_readable(const std::string &sql_name);
std::optional<HeldRelation> hold_readable(const QualifiedName &name, HeldFor purpose = HeldFor::reading);
Table describe_readable(const std::string &sql_name, HeldFor purpose = HeldFor::reading);

// The type of a column of a table here without the checks of a domain, in SQL form.
std::string base_type(unsigned int table, const std::string &column);

// Whether the current user may ANALYZE the table: others get a warning each time.
bool may_analyze(Target &target, const Table &table);

}  // namespace tablesync::pg
