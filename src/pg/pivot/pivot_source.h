// PivotSource: the source of a pivot, for the code that creates and records its tables.
#pragma once

#include <set>
#include <string>

#include "core/spec/pivot_spec.h"
#include "pg/record/pivot_record.h"

namespace tablesync::pg {

struct PivotSource : PivotIdentity {
  mutable std::set<std::string> noticed;  // texts of the notices about it, each raised once
};

// Raises a NOTICE for the caller, once in each worker of a run.
void notice_once(const PivotSource &source, const std::string &text, const std::string &detail = {},
                 const std::string &hint = {});

}  // namespace tablesync::pg
