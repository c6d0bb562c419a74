# The part "pivot" of script/bench, which sources it: narrow readings into wide tables, beside what one would use instead.
# shellcheck shell=bash disable=SC2154

ways_pivot_local=(pivot_ship one_of_two crosstab plain_scan)
# *_made: into tables that are there, and empty. tables: making all of them, by hand.
ways_pivot_ships=(one_ship all_ships tables one_ship_made all_ships_made)
ways_pivot_remote=(pivot_ship copy_out old_method)
pivot_channels=300
# So many ships have as many readings as one.
pivot_fleet=100
pivot_days=(1 10 60)

pivot() {
  local ticks=$(((rows / 400 + pivot_fleet - 1) / pivot_fleet * pivot_fleet))
  local -A checksums
  fact pivot_readings $((ticks * pivot_channels))
  make_all_readings
  say 'pivot, once by max() FILTER'
  pivot_once pivot_local max_filter
  pivot_rounds pivot_local "${ways_pivot_local[@]}"
  pivot_rounds pivot_remote "${ways_pivot_remote[@]}"
  pivot_rounds pivot_ships "${ways_pivot_ships[@]}"
  pivot_memory
  pivot_engine
}

# The rows of one ship stand among those of another, as they come in; of "alone" and "fleet" every row is to be pivoted.
make_all_readings() {
  say "making $((ticks * pivot_channels)) readings of a ship"
  make_readings source reader readings 2 "$pivot_channels" "$ticks" 10 true
  make_readings target loader readings 2 "$pivot_channels" "$ticks" 10 false
  make_readings target loader alone 1 "$pivot_channels" "$ticks" 10 false
  make_readings target loader fleet "$pivot_fleet" "$pivot_channels" $((ticks / pivot_fleet)) 10 false
  admin target -f "$repo/bench/pivot_target.sql"
  checksums[readings]=$(checksum_readings target readings "ship_id = 'ship_001'")
  checksums[alone]=$(checksum_readings target alone true)
  checksums[fleet]=$(checksum_readings target fleet true)
}

# make_readings CLUSTER ROLE TABLE SHIPS CHANNELS TICKS SECONDS INDEXED
make_readings() {
  admin "$1" -v role="$2" -v table="$3" -v ships="$4" -v channels="$5" -v ticks="$6" -v seconds="$7" \
    -v indexed="$8" -f "$repo/bench/pivot_source.sql"
}

checksum_readings() {
  admin "$1" -v table="$2" -v where="$3" -f "$repo/bench/pivot_checksum.sql"
}

check_wide() {
  local found
  found=$(admin target -f "$repo/bench/pivot_checksum_wide.sql")
  [[ $found == "$1" ]] || die "the cells are not what the readings are: $found instead of $1"
}

# pivot_rounds PART NAME...
pivot_rounds() {
  local part=$1 round
  shift
  for ((round = 0; round < runs; ++round)); do
    say "${part/_/, }, round $((round + 1)) of $runs"
    in_turn pivot_in_round "$round" "$@"
  done
}

pivot_in_round() {
  pivot_once "$part" "$1"
}

# pivot_once PART NAME
pivot_once() {
  local source=alone
  case $2 in
    one_of_two) source=readings ;;
    all_ships*) source=fleet ;;
  esac
  [[ $1 != pivot_remote ]] || source=readings
  drop_wide
  [[ $2 != *_made ]] || call_pivot NULL "$source" NULL tables_only
  checkpoint
  timed "$1" "$2" "$1_by_$2"
  [[ $2 == plain_scan || $2 == copy_out || $2 == tables ]] || check_wide "${checksums[$source]}"
}

drop_wide() {
  loader -c 'DROP SCHEMA IF EXISTS wide CASCADE' -c 'CREATE SCHEMA wide'
}

call_pivot() {
  loader -o /dev/null -c "$(pivot_of "$@")"
}

time_pivot() {
  in_session loader -c "$(pivot_of "$@")"
}

# pivot_of SERVER SOURCE SHIP [MODE]: server and ship as SQL
pivot_of() {
  echo "SELECT * FROM pivot_ship($1, 'public.$2', $3, mode => '${4:-full}', target_schema => 'wide', table_prefix => 'of_')"
}

pivot_local_by_pivot_ship() {
  time_pivot NULL alone NULL
}

pivot_local_by_one_of_two() {
  time_pivot NULL readings "'ship_001'"
}

pivot_local_by_crosstab() {
  in_session loader -f "$repo/bench/pivot_crosstab.sql"
}

pivot_local_by_max_filter() {
  in_session loader -f "$repo/bench/pivot_filter.sql"
}

# What nobody can do without: reading the rows.
pivot_local_by_plain_scan() {
  in_session loader -f "$repo/bench/pivot_scan.sql"
}

pivot_ships_by_one_ship() {
  time_pivot NULL alone NULL
}

pivot_ships_by_all_ships() {
  time_pivot NULL fleet NULL
}

pivot_ships_by_tables() {
  in_session loader -v ships="$pivot_fleet" -f "$repo/bench/pivot_tables.sql"
}

pivot_ships_by_one_ship_made() {
  time_pivot NULL alone NULL
}

pivot_ships_by_all_ships_made() {
  time_pivot NULL fleet NULL
}

pivot_remote_by_pivot_ship() {
  time_pivot "'by_tablesync'" readings "'ship_001'"
}

# What nobody can do without, from another server: the source's part of the work.
pivot_remote_by_copy_out() {
  in_session reader -c "\\copy (SELECT * FROM readings WHERE ship_id = 'ship_001') TO /dev/null (FORMAT binary)"
}

# Debian's Python has psycopg2; another one may come first in PATH.
pivot_remote_by_old_method() {
  /usr/bin/python3 "$repo/bench/pivot_old_method.py" "$(uri source reader reads-only)" "$(uri target loader loads-tables)" \
    readings ship_001 wide.of_ship_001
}

# Few channels for ever more days, each of them a chunk; then many channels.
pivot_memory() {
  local days
  say 'memory of the worker that pivots'
  for days in "${pivot_days[@]}"; do
    make_readings source reader days 1 10 $((days * 4320)) 20 true
    drop_wide
    fact "pivot_${days}_days_us" "$(peak_memory "pivot_${days}_days" "$(pivot_of "'by_tablesync'" days NULL)")"
    fact "pivot_${days}_days_readings" $((days * 43200))
    check_wide "$(checksum_readings source days true)"
  done
  drop_wide
  peak_memory pivot_readings "$(pivot_of "'by_tablesync'" readings "'ship_001'")" >/dev/null
}

# The engine alone, without a server.
pivot_engine() {
  local what nanoseconds
  say 'the engine of the pivot'
  # GCC 12 warns of a copy within std::string that cannot be.
  cmake -S "$repo" -B "$work/engine" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-Wno-restrict >"$work/engine.log"
  cmake --build "$work/engine" --target pivot_engine >>"$work/engine.log"
  while IFS=$'\t' read -r what nanoseconds; do
    fact "pivot_engine_$what" "$nanoseconds"
  done < <("$work/engine/pivot_engine")
}
