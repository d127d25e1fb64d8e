#!/bin/sh
# Adds to .env the secrets that neither it nor the environment has. A new .env is that of a sample set-up: tasks are open to all.
# Needs no Node: containers may be all there is.
set -eu
cd "$(dirname "$0")/.."

umask 077
for name in SECRET_KEY API_KEY DATABASE_OWNER_PASSWORD DATABASE_PASSWORD; do
  [ -z "$(printenv "$name" || true)" ] || continue
  grep -qs "^$name=." .env && continue
  [ -s .env ] || printf '%s\n' '# Settings of this installation; .env.example lists all. Not for version control.' \
    '# everyone may read and change tasks: take this line out when others can reach the gateway' PUBLIC_TASKS=true > .env
  [ -z "$(tail -c 1 .env)" ] || echo >> .env
  echo "$name=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')" >> .env
  echo "new secret in .env: $name"
done
