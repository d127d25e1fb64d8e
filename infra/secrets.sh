#!/bin/sh
# Adds to .env the secrets that neither it nor the environment has, an operator's key among them: a line API_KEY= with nothing behind it
# says that nobody has one. A new .env is that of a sample set-up: tasks are open to all. Needs no Node: containers may be all there is.
set -eu
cd "$(dirname "$0")/.."

umask 077
for name in SECRET_KEY DATABASE_OWNER_PASSWORD DATABASE_PASSWORD API_KEY; do
  [ -z "$(printenv "$name" || true)" ] || continue
  grep -qs "^$name=." .env && continue
  # an empty one is a choice
  if [ "$name" = API_KEY ] && grep -qs '^API_KEY=' .env; then continue; fi
  if [ ! -s .env ]; then
    printf '%s\n' '# Settings of this installation; .env.example lists all. Not for version control.' \
      '# everyone may read and change tasks: take this line out when others can reach the gateway' PUBLIC_TASKS=true > .env
  fi
  [ -z "$(tail -c 1 .env)" ] || echo >> .env
  echo "$name=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')" >> .env
  chmod go-rwx .env
  echo "new secret in .env: $name"
done
