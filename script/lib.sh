# Shared by the scripts in this directory: a private PostgreSQL with the extension in it, and clusters that
# are gone when the script ends. Source it after `set -euo pipefail`.
# shellcheck shell=bash

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pg_home=usr/lib/postgresql/15

work=
pg_bin=/$pg_home/bin
started=()
declare -A port=()

# The caller's connection settings must not lead psql to another server, nor his umask hide files from postgres.
unset "${!PG@}"
umask 022

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Runs a command as somebody whom the server accepts: it refuses root.
as_postgres() {
  if ((EUID == 0)); then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

# Makes the directory $work for everything that the script leaves; it goes, and the clusters with it, when the script ends.
make_work_dir() {
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local parent=${TMPDIR:-/tmp}
  # The path of a Unix socket may have 107 characters.
  ((${#parent} <= 60)) || parent=/tmp
  work=$(mktemp -d "$parent/pg_tablesync.XXXXXX")
  ((EUID != 0)) || chown postgres: "$work"
  as_postgres test -w "$work" || die "user postgres cannot reach $work: set TMPDIR to a directory that it can"
}

clean_up() {
  local status=$?
  # A second Ctrl-C must not leave a server behind.
  trap '' HUP INT TERM
  if ((status > 0 && status < 128)); then show_logs; fi
  stop_all
  [[ -z $work ]] || rm -rf -- "$work"
  return "$status"
}

show_logs() {
  local data
  for data in "${started[@]}"; do
    printf '\n%s: the end of its log\n' "${data##*/}" >&2
    tail -n 20 "$data.log" >&2 || true
  done
}

# private_postgres DIR: a copy of the installed PostgreSQL that the extension can be installed into without touching
# /usr. Its programs find the rest of the copy by their own path. Sets pg_bin.
private_postgres() {
  local dir=$1 libraries
  libraries=$("/$pg_home/bin/pg_config" --libdir)
  mkdir -p "$dir/usr/lib/postgresql" "$dir/usr/share/postgresql"
  cp -a "/$pg_home" "$dir/usr/lib/postgresql/"
  cp -a "/usr/share/postgresql/15" "$dir/usr/share/postgresql/"
  ln -s /usr/include "$dir/usr/include"
  ln -s "$libraries" "$dir/$libraries"
  pg_bin=$dir/$pg_home/bin
}

# build_extension DIR [MAKE ARGUMENT...]: builds a copy of the tree in DIR/build and installs it into a private
# PostgreSQL in DIR, so that neither the checkout nor the system changes. Builds with other arguments can stand beside it.
build_extension() {
  local dir=$1
  shift
  mkdir -p "$dir/build"
  tar -C "$repo" --exclude-vcs --exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.gcno' --exclude='*.gcda' \
    --exclude=./build --exclude=./demo/data -cf - . | tar -C "$dir/build" --no-same-owner -xf -
  private_postgres "$dir"
  make_quietly "$dir" -j"$(nproc)" all "$@"
  make_quietly "$dir" install "$@"
  # Coverage counters and test results are written there by the server's user.
  ((EUID != 0)) || chown -R postgres: "$dir/build"
}

make_quietly() {
  local dir=$1
  shift
  if ! make -C "$dir/build" PG_CONFIG="$pg_bin/pg_config" "$@" >"$dir/make.log" 2>&1; then
    tail -n 40 "$dir/make.log" >&2
    die 'the extension does not build'
  fi
}

# start_cluster NAME [SETTING=VALUE...]: a new cluster from pg_bin with the superuser postgres. Its socket is in $work
# and asks for no password; 127.0.0.1 does. Sets port[NAME].
start_cluster() {
  local name=$1 data=$work/$1
  shift
  as_postgres "$pg_bin/initdb" -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust \
    --auth-host=scram-sha-256 --no-sync --no-instructions >"$work/initdb.log" 2>&1 || {
    cat "$work/initdb.log" >&2
    die "initdb failed for the cluster $name"
  }
  printf '%s\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = '$work'" 'fsync = off' "$@" |
    as_postgres tee -a "$data/postgresql.conf" >/dev/null
  started+=("$data")
  start_on_free_port "$name" "$data"
}

# Only the server's own bind can tell whether a port is free.
start_on_free_port() {
  local name=$1 data=$2 attempt
  for attempt in {1..20}; do
    port[$name]=$((20000 + RANDOM % 12000))
    as_postgres rm -f "$data.log"
    if as_postgres "$pg_bin/pg_ctl" -D "$data" -l "$data.log" -o "-p ${port[$name]}" -s -w start 2>/dev/null; then
      return
    fi
    grep -q 'Address already in use' "$data.log" || break
  done
  die "the cluster $name did not start after $attempt attempt(s)"
}

# on NAME COMMAND...: runs a client program as the superuser of that cluster.
on() {
  local name=$1
  shift
  PATH=$pg_bin:$PATH PGHOST=$work PGPORT=${port[$name]} PGUSER=postgres "$@"
}

stop_all() {
  local data
  for data in "${started[@]}"; do
    [[ -s $data/postmaster.pid ]] || continue
    as_postgres "$pg_bin/pg_ctl" -D "$data" -m fast -t 20 -s -w stop ||
      as_postgres "$pg_bin/pg_ctl" -D "$data" -m immediate -s -w stop || true
  done
  started=()
}
