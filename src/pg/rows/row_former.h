// RowFormer: the values of a row of a table, from a message of the binary COPY format.
//
// Plain data in memory contexts, and server code: an ereport may leave it from anywhere.
#pragma once

extern "C" {
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "fmgr.h"
}

#include "core/base/copy_binary.h"

namespace tablesync::pg {

struct FormedColumn {
  const char *name;
  int attribute;  // in the table, from 0
  Oid type;
  Oid parameter;
  int32 typmod;
  bool not_null;
  FmgrInfo receive;
};

struct RowFormer {
  const char *table;
  FormedColumn *columns;  // in the order of the stream
  int column_count;
  Datum *values;  // by attribute
  bool *nulls;
  char *rooms;                  // for one short value per column
  MemoryContext row;            // values of the current row
  const FormedColumn *reading;  // for the error context; or null
};

[[noreturn]] void bad_format(const char *what);

// A former of rows of `column_count` columns, for a table of `attributes` attributes. Then describe each
// column. `table`: its name, for messages. It is in the current memory context.
RowFormer make_row_former(const char *table, int column_count, int attributes);
// The nth column of the stream is this attribute of the table, from 0.
void describe_column(RowFormer &former, int n, const char *name, int attribute,
                     Form_pg_attribute description);
// Takes the fields of one row, to the end of the message. The values are in the context `row`, or point into
// the message or to the former, until the next call. Raises 22P04 for another format, and what the receive
// functions raise.
void form_values(RowFormer &former, CopyMessage &message);
// Adds the line and, where one is read, the column to an error.
void add_row_context(const RowFormer &former, uint64 line);
void free_row_former(RowFormer &former);

}  // namespace tablesync::pg
