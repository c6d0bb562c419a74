"""pivot_old_method.py SOURCE TARGET TABLE SHIP WIDE: pivots a ship's readings as programs outside of the database do.

All readings pass through Python, which keeps them as text by time; COPY then brings them into a table with text columns.
SOURCE and TARGET are connection strings.
"""
import io
import sys

import psycopg2
from psycopg2.sql import SQL, Identifier


def fetch(source, table, ship):
    """The rows of the wide table: {time: {channel: text}}."""
    rows = {}
    query = SQL("""SELECT data_channel_id, created_time, value_format, bool_v, str_v, long_v, double_v
                   FROM {} WHERE ship_id = %s""").format(Identifier(table))
    with psycopg2.connect(source) as connection, connection.cursor("readings") as cursor:
        cursor.itersize = 50000
        cursor.execute(query, (ship,))
        for channel, time, value_format, *values in cursor:
            rows.setdefault(time, {})[channel] = as_text(value_format.lower(), *values)
    return rows


def as_text(value_format, bool_v, str_v, long_v, double_v):
    """The value in the column that the format names."""
    if value_format == "boolean":
        return str(bool_v).lower()
    return str({"string": str_v, "integer": long_v, "decimal": double_v}[value_format])


def escaped(text):
    """A field of COPY's text format."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def load(target, wide, rows):
    """Makes the wide table, with its key after the rows are in it."""
    channels = sorted({channel for row in rows.values() for channel in row})
    lines = io.StringIO()
    for time, row in rows.items():
        fields = (escaped(row[channel]) if channel in row else "\\N" for channel in channels)
        lines.write("\t".join((str(time), *fields)) + "\n")
    lines.seek(0)
    name = Identifier(*wide.split("."))
    columns = SQL("").join(SQL(", {} text").format(Identifier(channel)) for channel in channels)
    with psycopg2.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(SQL("CREATE TABLE {} (created_time timestamptz{})").format(name, columns))
        cursor.copy_expert(SQL("COPY {} FROM STDIN").format(name), lines)
        cursor.execute(SQL("ALTER TABLE {} ADD PRIMARY KEY (created_time)").format(name))


if __name__ == "__main__":
    load(sys.argv[2], sys.argv[5], fetch(sys.argv[1], sys.argv[3], sys.argv[4]))
