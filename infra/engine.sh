#!/bin/sh
# Prints which engine runs the stack: the one asked for, the one that is running, or docker where it answers.
set -eu
engine=$(infra/setting.sh ENGINE '')

case "$engine" in
  docker | local) echo "$engine"; exit ;;
  '') ;;
  *) echo "ENGINE must be docker or local, not $engine" >&2; exit 1 ;;
esac

# something runs on this machine already, or the user's own database is to be used
given=$(infra/setting.sh DATABASE_URL '')$(infra/setting.sh POSTGRESQL_HOST '')
if [ -s "$(infra/setting.sh DATA_DIR .data)/run.json" ] || [ -n "$given" ]; then
  echo local
elif [ -f docker-compose.yml ] && docker compose version > /dev/null 2>&1 && docker version > /dev/null 2>&1; then
  echo docker
else
  echo local
fi
