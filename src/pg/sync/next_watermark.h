// The watermark that the next run of a sync relies on.
#pragma once

#include <optional>

#include "core/range/watermark.h"
#include "pg/pair/table_pair.h"

namespace tablesync::pg {

// After the pair's target has the rows of `window`. `since`: the watermark that chunks began with, if there
// were chunks. The value of an incremental field is the one of before, and advance_watermark() raises it.
Watermark next_watermark(TablePair &pair, const ReadWindow &window, const std::optional<Watermark> &since);

}  // namespace tablesync::pg
