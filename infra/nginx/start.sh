#!/bin/sh
# Runs nginx in the foreground, in containers and without: infra/nginx/start.sh. Settings come from the environment; `conf` beside this
# file is filled in with them. When the certificate or the addresses of the gateways change, nginx reads it anew.
set -eu
umask 022 # its workers are of another user
conf=$(cd "$(dirname "$0")" && pwd)/conf

: "${NGINX_PROGRAM:=nginx}"
: "${NGINX_DIR:=/tmp/nginx}"           # its folder: filled-in files, cache, temporary files
: "${TLS_DIR:=/tls}"                   # certificates: live/beeline of an authority, else self-signed
: "${GATEWAYS:=gateway:3000}"          # addresses, with spaces between them; a name may have several
: "${HTTP_LISTEN:=8080}"
: "${HTTPS_LISTEN:=8443}"
: "${HTTPS_PORT:=443}"                 # where clients reach the latter
: "${PROFILE:=single}"
: "${DOMAIN:=}"                        # the public name of this host; several with commas
: "${ACME_EMAIL:=}"                    # given when an authority is asked for a certificate
: "${REQUESTS_PER_SECOND:=100}"        # of one address
: "${CONNECTIONS_PER_ADDRESS:=100}"
: "${TASKS_SOURCE:=gateway}"            # who answers the list of tasks: a gateway, or Redis
: "${TASKS_REDIS:=127.0.0.1:6379}"     # then its address, without a password
: "${REDIS_PREFIX:=bq}"               # as the gateways have it
: "${PUBLIC_TASKS:=false}"             # whether the list is for everybody
: "${ACCESS_LOG:=/dev/stdout}"

say() { echo "nginx: $*" >&2; }

[ -f "$conf/upstreams/$PROFILE.conf" ] || { say "PROFILE must be single, cluster or tuned, not $PROFILE"; exit 1; }
[ -f "$conf/tasks/$TASKS_SOURCE.conf" ] || { say "TASKS_SOURCE must be gateway or redis, not $TASKS_SOURCE"; exit 1; }
case "$DOMAIN" in *[!A-Za-z0-9.,_*\ -]*) say 'DOMAIN must be a name such as bees.example, or several with commas'; exit 1 ;; esac
# a name, its value, the largest that nginx takes
number() {
  case "$2" in
    0* | *[!0-9]* | ??????????*) ;;
    *) [ "$2" -gt "$3" ] || return 0 ;;
  esac
  say "$1 must be a whole number from 1 to $3"
  exit 1
}
number REQUESTS_PER_SECOND "$REQUESTS_PER_SECOND" 100000000
number CONNECTIONS_PER_ADDRESS "$CONNECTIONS_PER_ADDRESS" 65535

if [ "$TASKS_SOURCE" = redis ] && [ "$PUBLIC_TASKS" != true ]; then
  say 'tasks are not public (PUBLIC_TASKS): a gateway answers them, not Redis'
  TASKS_SOURCE=gateway
fi

# What nginx needs to ask Redis: said here, for its own words name no remedy, and without the last one each list would fail
if [ "$TASKS_SOURCE" = redis ]; then
  for file in $(tr ';' '\n' < "$conf/tasks/modules.conf" | sed 's/ *load_module //') /usr/share/lua/5.1/nginx/redis.lua; do
    [ -r "$file" ] || { say "TASKS_SOURCE=redis needs $file: apt-get install libnginx-mod-http-lua lua-nginx-redis"; exit 1; }
  done
fi

# Where the certificate in use lies; nothing when there is none.
certificate() {
  for folder in "$TLS_DIR/live/beeline" "$TLS_DIR/self-signed"; do
    if [ -r "$folder/fullchain.pem" ] && [ -r "$folder/privkey.pem" ]; then echo "$folder"; return; fi
  done
}

# The name servers of this machine, as nginx writes them.
resolvers() {
  found=$(sed -n 's/^nameserver  *//p' /etc/resolv.conf 2> /dev/null | sed '/:/s/.*/[&]/' | tr '\n' ' ')
  echo "${found:-127.0.0.1}"
}

# As sed writes it: a path may hold what means something there.
literal() { printf %s "$1" | sed 's/[\\&|]/\\&/g'; }

fill_in() {
  certificate=$(certificate)
  servers=
  [ -z "$certificate" ] || servers='include servers/redirect.conf; include servers/tls.conf;'
  # a certificate is on its way: nothing is served without TLS meanwhile
  [ -n "$servers" ] || [ -z "$ACME_EMAIL" ] || servers='include servers/redirect.conf;'
  gateways=
  for gateway in $GATEWAYS; do gateways="$gateways server $gateway max_fails=0;"; done
  key=tasks:list
  [ "$REDIS_PREFIX" = bq ] || key=$REDIS_PREFIX:$key
  modules=
  [ "$TASKS_SOURCE" = gateway ] || modules=$(cd "$conf" && cat tasks/modules.conf)
  # for those who look from outside
  if [ -n "$certificate" ]; then touch "$NGINX_DIR/with-tls"; else rm -f "$NGINX_DIR/with-tls"; fi
  suffix=
  [ "$HTTPS_PORT" = 443 ] || suffix=:$HTTPS_PORT
  (cd "$conf" && find . -type f) | while read -r file; do
    mkdir -p "$NGINX_DIR/$(dirname "$file")"
    sed \
      -e "s|@MODULES@|$modules|" \
      -e "s|@SERVERS@|${servers:-include servers/plain.conf;}|" \
      -e "s|@SERVER_NAME@|$(echo "${DOMAIN:-localhost}" | tr ',' ' ')|" \
      -e "s|@GATEWAYS@|$gateways|" \
      -e "s|@PROFILE@|$PROFILE|" \
      -e "s|@HTTP_LISTEN@|$HTTP_LISTEN|" \
      -e "s|@HTTPS_LISTEN@|$HTTPS_LISTEN|" \
      -e "s|@HTTPS_SUFFIX@|$suffix|" \
      -e "s|@CERTIFICATE@|$(literal "$certificate")|" \
      -e "s|@TLS_DIR@|$(literal "$TLS_DIR")|" \
      -e "s|@TASKS_SOURCE@|$TASKS_SOURCE|" \
      -e "s|@TASKS_REDIS_HOST@|${TASKS_REDIS%:*}|" \
      -e "s|@TASKS_REDIS_PORT@|${TASKS_REDIS##*:}|" \
      -e "s|@TASKS_KEY@|$key|" \
      -e "s|@RESOLVER@|$(resolvers)|" \
      -e "s|@REQUESTS_PER_SECOND@|$REQUESTS_PER_SECOND|" \
      -e "s|@REQUESTS_BURST@|$((REQUESTS_PER_SECOND * 2))|" \
      -e "s|@CONNECTIONS@|$CONNECTIONS_PER_ADDRESS|" \
      -e "s|@ACCESS_LOG@|$(literal "$ACCESS_LOG")|" \
      "$conf/$file" > "$NGINX_DIR/$file"
  done
}

# Changes with the certificate and with the addresses of the gateways.
state() {
  certificate=$(certificate)
  [ -z "$certificate" ] || cksum "$certificate/fullchain.pem"
  for gateway in $GATEWAYS; do getent ahosts "${gateway%:*}" 2> /dev/null | cut -d ' ' -f 1 | sort -u; done
}

check() { "$NGINX_PROGRAM" -t -p "$NGINX_DIR/" -c "$NGINX_DIR/nginx.conf" "$@"; }

watch() {
  seen=$(state)
  while sleep 3 && kill -0 $$ 2> /dev/null; do
    # a file or a name that is away just now is looked for again
    now=$(state) || continue
    [ "$now" != "$seen" ] || continue
    fill_in && check -q && kill -HUP $$ && seen=$now
  done
}

mkdir -p "$NGINX_DIR/temp"
fill_in
if [ "${1:-}" = check ]; then check; exit; fi
watch &
exec "$NGINX_PROGRAM" -p "$NGINX_DIR/" -c "$NGINX_DIR/nginx.conf"
