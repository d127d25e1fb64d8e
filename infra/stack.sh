#!/bin/sh
# The Makefile's commands on the stack, for both engines: infra/stack.sh <command>
set -eu
cd "$(dirname "$0")/.."

engine=$(infra/engine.sh)
data=$(infra/setting.sh DATA_DIR .data)
case "$engine $1" in
  # npm run dev runs on this machine, whatever the engine
  *' deps' | local*) ;;
  docker*)
    infra/containers.sh "$1"
    # what ran here before, without containers, goes too
    if [ "$1" != clean ] || [ ! -d "$data" ] || [ -n "$(infra/setting.sh ENGINE '')" ]; then exit; fi
    ;;
esac

local=build/infra/local
postgres=build/infra/postgres

# With the settings of what runs here.
on_stack() { node $local/run.js node "$@"; }

case "$1" in
  logs)
    [ -d "$data/log" ] || { echo "no logs in $data/log"; exit; }
    exec tail -n 50 ${FOLLOW:+-f} "$data/log/"${SERVICE:-*}.log
    ;;
esac

make build
case "$1" in
  up | deps) node $local/up.js "$1" ;;
  down | clean | prune | ps | tls) node "$local/$1.js" ;;
  sh) node $local/run.js "${SHELL:-sh}" ;;
  migrate) on_stack $postgres/migrate.js ${DOWN:+down} ;;
  seed | dead | user | psql) on_stack "$postgres/$1.js" ;;
  *) echo "unknown command $1" >&2; exit 1 ;;
esac
