#!/bin/sh
# The Makefile's commands on the stack, for both engines: infra/stack.sh <command>
set -eu
cd "$(dirname "$0")/.."

engine=$(infra/engine.sh)
local=build/infra/local
postgres=build/infra/postgres

# In a container where it runs, else here with the settings of what runs here.
on_stack() {
  if [ "$engine" = docker ]; then
    docker compose run --rm --no-deps -T migrate node "$@"
  else
    make build
    node $local/run.js node "$@"
  fi
}

# docker compose wants to know when there is no terminal
no_terminal() { [ -t 0 ] || echo -T; }

case "$engine $1" in
  'local up') make build && node $local/up.js up ;;
  # npm run dev runs on this machine, whatever the engine
  *' deps') make build && node $local/up.js deps ;;
  'local down') make build && node $local/down.js ;;
  'local clean') make build && node $local/clean.js ;;
  'local prune') make build && node $local/prune.js ;;
  'local ps') make build && node $local/ps.js ;;
  'local sh') make build && node $local/run.js "${SHELL:-sh}" ;;
  'local logs')
    folder=$(infra/setting.sh DATA_DIR .data)/log
    [ -d "$folder" ] || { echo "no logs in $folder"; exit; }
    tail -n 50 ${FOLLOW:+-f} "$folder/"${SERVICE:-*}.log
    ;;

  'docker up')
    infra/secrets.sh
    docker compose up --build --detach --wait
    docker compose run --rm --no-deps -T migrate node $postgres/seed.js
    echo "  gateway  http://$(infra/setting.sh HOST 127.0.0.1):$(infra/setting.sh PORT 3000)"
    ;;
  'docker down') docker compose down --remove-orphans ;;
  'docker clean') docker compose down --remove-orphans --volumes ;;
  'docker ps') docker compose ps --all ;;
  'docker logs') docker compose logs --tail 50 ${FOLLOW:+--follow} ${SERVICE:-} ;;
  'docker sh') docker compose exec $(no_terminal) "${SERVICE:-gateway}" sh ;;
  'docker psql')
    docker compose exec $(no_terminal) postgres sh -c 'psql -U "$POSTGRES_USER" "$POSTGRES_DB" ${SQL:+-c "$SQL"}'
    ;;
  'docker prune')
    label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
    docker container prune --force --filter "$label"
    docker network prune --force --filter "$label"
    docker image prune --force --filter "$label"
    ;;

  *' migrate') on_stack $postgres/migrate.js ${DOWN:+down} ;;
  *' seed') on_stack $postgres/seed.js ;;
  *' dead') on_stack $postgres/dead.js ;;
  *' psql') on_stack $postgres/psql.js ;;
  *) echo "unknown command $1" >&2; exit 1 ;;
esac
