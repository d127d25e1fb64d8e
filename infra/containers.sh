#!/bin/sh
# The Makefile's commands on the stack in containers: infra/containers.sh <command>
set -eu
cd "$(dirname "$0")/.."

# As Compose names a project: by its folder. Another DATA_DIR is another installation, as it is without containers.
data=$(infra/setting.sh DATA_DIR '')
name=$(infra/setting.sh COMPOSE_PROJECT_NAME "$(basename "$PWD")${data:+-$(basename "$data")}")
COMPOSE_PROJECT_NAME=$(printf %s "$name" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-' | sed 's/^[_-]*//')
export COMPOSE_PROJECT_NAME

on_stack() { docker compose run --rm --no-deps -T -e NAME="${NAME:-}" -e ROLE="${ROLE:-}" migrate node "$@"; }

# docker compose wants to know when there is no terminal
in_container() {
  if [ -t 0 ]; then docker compose exec "$@"; else docker compose exec -T "$@"; fi
}

up() {
  # the user of the Redis container is not the one who cloned this
  chmod a+r infra/redis/redis.conf
  if ! docker compose create --build; then
    docker compose down --remove-orphans > /dev/null 2>&1 || true
    if [ -n "$(infra/setting.sh ENGINE '')" ]; then
      echo 'the images could not be had; a mirror may help: REGISTRY=mirror.example.org/library make up' >&2
      exit 1
    fi
    echo 'a Docker engine answers, but the images could not be had: starting without containers'
    ENGINE=local exec infra/stack.sh up
  fi
  if ! docker compose up --detach --wait --wait-timeout 180; then
    docker compose ps --all
    docker compose logs --no-log-prefix --tail 5 migrate
    echo 'not ready; make logs says more. A refused password: the volume was made with another .env' >&2
    exit 1
  fi
  on_stack build/infra/postgres/seed.js
  echo 'ready:'
  echo "  gateway  http://$(infra/setting.sh HOST 127.0.0.1):$(infra/setting.sh PORT 3000)"
  echo 'make logs shows the logs; make down stops it'
}

prune() {
  label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  for kind in container network image; do docker "$kind" prune --force --filter "$label"; done
}

# every command reads docker-compose.yml, and that asks for the secrets
infra/secrets.sh

case "$1" in
  up | prune) "$1" ;;
  down) docker compose down --remove-orphans ;;
  clean) docker compose down --remove-orphans --volumes ;;
  ps) docker compose ps --all ;;
  logs) docker compose logs --tail 50 ${FOLLOW:+--follow} ${SERVICE:-} ;;
  sh) in_container "${SERVICE:-gateway}" sh ;;
  psql) in_container postgres psql -U beeline beeline ${SQL:+-c "$SQL"} ;;
  migrate) on_stack build/infra/postgres/migrate.js ${DOWN:+down} ;;
  seed | dead | user) on_stack "build/infra/postgres/$1.js" ;;
  *) echo "unknown command $1" >&2; exit 1 ;;
esac
