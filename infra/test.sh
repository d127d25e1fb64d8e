#!/usr/bin/env bash
# Runs the suite on the compiled tests: infra/test.sh [file…]. Its end names what failed; the last line says how many assertions
# passed and failed.
set -euo pipefail
cd "$(dirname "$0")/.."

node build/infra/local/test-packages.js

# tap assembles its own test class once for each installation
if [ ! node_modules/.tap-built -nt node_modules/.package-lock.json ]; then
  echo 'tap build'
  node_modules/.bin/tap build
  touch node_modules/.tap-built
fi

if [ -t 1 ]; then exec node_modules/.bin/tap "$@"; fi

result=0
node_modules/.bin/tap --reporter=tap "$@" < /dev/null | tee build/test.tap || result=$?
totals=$(grep '^# { total:' build/test.tap | tail -n 1 || true) # a run that broke off has none
count() { sed -n "s/.* $1: \([0-9]*\).*/\1/p" <<< "$totals"; }
passed=$(count pass)
failed=$(count fail)
# a run that broke off, or a file without a single assertion, must not look like a success
if [ "$result" -ne 0 ] && [ "${failed:-0}" -eq 0 ]; then failed=1; fi
skipped=$(count skip)
if [ -n "${CI:-}" ] && [ "${skipped:-0}" -gt 0 ]; then
  echo "$skipped tests were skipped: CI must run them all"
  failed=$((${failed:-0} + skipped))
  result=1
fi
if [ "$result" -ne 0 ]; then awk -f infra/failed-tests.awk build/test.tap || true; fi
echo "${passed:-0} passed, ${failed:-0} failed"
exit "$result"
