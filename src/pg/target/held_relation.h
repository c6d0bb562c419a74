// HeldRelation: a relation of this database that stays what it was found to be. Its name is resolved once,
// rights are checked before a lock is waited for, and what was found is looked at again under the lock. Until
// the end of the transaction no other session can alter, move, rename or drop it, nor rename its schema: its
// name means it in every statement.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/quote.h"

namespace tablesync::pg {

struct HeldRelation {
  unsigned int oid = 0;
  QualifiedName name;      // from the catalog, under the lock
  unsigned int owner = 0;  // oid
};

enum class HeldFor {
  looking,  // ACCESS SHARE on the relation alone, for a caller's own session: leaves no transaction id behind
  reading,  // ACCESS SHARE
  writing,  // ROW EXCLUSIVE
};

// Throws where the current user may not do with the relation what it is held for. Called before the lock is
// waited for, and again under it.
using CheckRights = std::function<void(unsigned int oid)>;

// Nothing where there is no relation of that name. Throws 42501 without USAGE on the schema, and what `check`
// does.
std::optional<HeldRelation> hold_relation(const QualifiedName &name, HeldFor purpose,
                                          const CheckRights &check);
// Holds the relation with this oid again, in a later transaction. False where it has another name or owner by
// now, or is gone.
bool hold_same(const HeldRelation &relation, HeldFor purpose);
// The same; throws 40001 instead.
void hold_again(const HeldRelation &relation, HeldFor purpose);
// What the relation with this oid is called, and whose it is, at the moment: not held. Nothing where it is
// gone.
std::optional<HeldRelation> look_up_relation(unsigned int oid);

// The table and all that hold rows of it: its partitions and children, at all levels.
std::vector<unsigned int> with_descendants(unsigned int table);
// Tries for SHARE ROW EXCLUSIVE on the table and each of them, which keeps other writers out until the end of
// the transaction. Takes no lock where somebody (an autovacuum, say) holds one that conflicts.
bool try_lock_exclusively(unsigned int table);

// Keeps a schema from being renamed or dropped until the end of the transaction. Returns its oid; 0 where
// there is none of that name.
unsigned int hold_schema(const std::string &name);

}  // namespace tablesync::pg
