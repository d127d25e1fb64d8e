#!/bin/sh
# Prints one setting: infra/setting.sh NAME DEFAULT. The environment wins over .env; an empty value counts as absent.
set -eu

value=$(printenv "$1" || true)
if [ -z "$value" ] && [ -f .env ]; then value=$(sed -n "s/^$1=//p" .env | tail -n 1); fi
echo "${value:-$2}"
