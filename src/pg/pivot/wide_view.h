// The view that joins the wide tables of a ship, where it has several: <prefix><ship>_all.
#pragma once

#include <string>
#include <vector>

#include "core/sql/deparse_wide_table.h"
#include "pg/pivot/pivot_source.h"

namespace tablesync::pg {

// Creates the view, or adds the columns that it lacks, for as many of these tables as a view has room for.
// Throws 42710 where another relation has its name.
void make_wide_view(const PivotSource &source, const std::string &ship, const std::vector<WidePart> &tables);
// Drops the view if it exists.
void drop_wide_view(const PivotSource &source, const std::string &ship);

}  // namespace tablesync::pg
