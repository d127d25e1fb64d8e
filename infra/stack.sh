#!/bin/sh
# The Makefile's commands on the stack, for both engines: infra/stack.sh <command>
set -eu
cd "$(dirname "$0")/.."

# npm run dev runs on this machine, whatever the engine
engine=$(infra/engine.sh)
if [ "$engine" = docker ] && [ "$1" != deps ]; then exec infra/containers.sh "$1"; fi

local=build/infra/local
postgres=build/infra/postgres

# With the settings of what runs here.
on_stack() { node $local/run.js node "$@"; }

case "$1" in
  logs)
    folder=$(infra/setting.sh DATA_DIR .data)/log
    [ -d "$folder" ] || { echo "no logs in $folder"; exit; }
    exec tail -n 50 ${FOLLOW:+-f} "$folder/"${SERVICE:-*}.log
    ;;
esac

make build
case "$1" in
  up | deps) node $local/up.js "$1" ;;
  down | clean | prune | ps) node "$local/$1.js" ;;
  sh) node $local/run.js "${SHELL:-sh}" ;;
  migrate) on_stack $postgres/migrate.js ${DOWN:+down} ;;
  seed | dead | psql) on_stack "$postgres/$1.js" ;;
  *) echo "unknown command $1" >&2; exit 1 ;;
esac
