#!/bin/sh
# The Makefile's commands on the stack in containers: infra/containers.sh <command>
set -eu
cd "$(dirname "$0")/.."

# As Compose names a project: by its folder. Another DATA_DIR is another installation, as it is without containers.
data=$(infra/setting.sh DATA_DIR '')
name=$(infra/setting.sh COMPOSE_PROJECT_NAME "$(basename "$PWD")${data:+-$(basename "$data")}")
COMPOSE_PROJECT_NAME=$(printf %s "$name" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-' | sed 's/^[_-]*//')
export COMPOSE_PROJECT_NAME

on_stack() {
  docker compose run --rm --no-deps -T \
    -e NAME="${NAME:-}" -e ROLE="${ROLE:-}" -e SHUT="${SHUT:-}" -e OPEN="${OPEN:-}" migrate node "$@"
}

# docker compose wants to know when there is no terminal
in_container() {
  if [ -t 0 ]; then docker compose exec "$@"; else docker compose exec -T "$@"; fi
}

up() {
  # else the images would be blamed
  docker version > /dev/null || { echo 'no Docker engine answers: start it, or run ENGINE=local make up' >&2; exit 1; }
  # the user of the Redis container is not the one who cloned this
  chmod a+r infra/redis/redis.conf infra/nginx/certbot.sh
  there=$(docker compose ps --all --quiet)
  data_there=$(docker volume ls --quiet --filter "name=^${COMPOSE_PROJECT_NAME}_postgres-data$")
  if ! { docker compose build && docker compose create --no-recreate; }; then
    if [ -n "$there$data_there" ]; then
      echo 'the images could not be had: what was there before is left as it was' >&2
      exit 1
    fi
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
    echo 'not ready; make logs says more. A taken port: HTTP_PORT=8080 HTTPS_PORT=8443 make up.' >&2
    echo 'A refused password: the volume was made with another .env' >&2
    exit 1
  fi
  # what was deleted once does not come back: deleted tasks are rows, too
  used=$(docker compose exec -T postgres psql -qAt -U beeline beeline \
    -c 'select exists (select from submissions) or exists (select from tasks)')
  [ "$used" = t ] || on_stack build/infra/postgres/seed.js
  echo 'ready:'
  echo "  $(address)"
  echo 'make logs shows the logs; make down stops it'
}

# Where to go: by TLS, once there is a certificate.
address() {
  host=$(infra/setting.sh HOST 127.0.0.1)
  if docker compose exec -T nginx test -e /tmp/nginx/with-tls; then
    scheme=https port=$(infra/setting.sh HTTPS_PORT 443)
  else
    scheme=http port=$(infra/setting.sh HTTP_PORT 80)
  fi
  case "$scheme$port" in http80 | https443) echo "$scheme://$host/" ;; *) echo "$scheme://$host:$port/" ;; esac
}

tls() {
  docker compose build --quiet nginx
  docker compose run --rm --no-deps -T -e DOMAIN nginx /app/self-signed.sh
  echo 'nginx takes it within seconds; make up prints the address'
}

prune() {
  label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME
  for kind in container network image; do docker "$kind" prune --force --filter "$label"; done
}

# every command reads docker-compose.yml, and that asks for the secrets
infra/secrets.sh

# a mirror has the images of others beside the official ones
registry=$(infra/setting.sh REGISTRY '')
CERTBOT_IMAGE=$(infra/setting.sh CERTBOT_IMAGE "${registry:+${registry%/library}/certbot/certbot:latest}")
DOMAIN=$(infra/setting.sh DOMAIN '')
export CERTBOT_IMAGE DOMAIN
if [ "$(infra/setting.sh TASKS_SOURCE gateway)" = redis ]; then
  export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml}:infra/nginx/tasks-from-redis.yml
fi
# who writes an address for the authority wants a certificate of it
if [ -n "$(infra/setting.sh ACME_EMAIL '')" ]; then export COMPOSE_PROFILES=certbot; fi

case "$1" in
  up | prune | tls) "$1" ;;
  # also what only somebody asked for
  down) docker compose --profile certbot down --remove-orphans ;;
  clean) docker compose --profile certbot down --remove-orphans --volumes ;;
  ps) docker compose ps --all ;;
  logs) docker compose logs --tail 50 ${FOLLOW:+--follow} ${SERVICE:-} ;;
  sh) in_container "${SERVICE:-gateway}" sh ;;
  psql) in_container postgres psql -U beeline beeline ${SQL:+-c "$SQL"} ;;
  migrate) on_stack build/infra/postgres/migrate.js ${DOWN:+down} ;;
  seed | dead) on_stack "build/infra/postgres/$1.js" ;;
  user)
    # the link leads to nginx: nobody else can be reached
    url=$(infra/setting.sh PUBLIC_URL "$(address)")
    PUBLIC_URL=${url%/} on_stack build/infra/postgres/user.js
    ;;
  *) echo "unknown command $1" >&2; exit 1 ;;
esac
