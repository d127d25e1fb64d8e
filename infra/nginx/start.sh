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
: "${DOMAIN:=}"                        # whose certificate is wanted; several with commas
: "${REQUESTS_PER_SECOND:=100}"        # of one address
: "${CONNECTIONS_PER_ADDRESS:=100}"
: "${TASKS_SOURCE:=gateway}"
: "${ACCESS_LOG:=/dev/stdout}"

say() { echo "nginx: $*" >&2; }

[ -f "$conf/upstreams/$PROFILE.conf" ] || { say "PROFILE must be single, cluster or tuned, not $PROFILE"; exit 1; }
[ -f "$conf/tasks/$TASKS_SOURCE.conf" ] || { say "TASKS_SOURCE must be gateway or redis, not $TASKS_SOURCE"; exit 1; }
case "$REQUESTS_PER_SECOND$CONNECTIONS_PER_ADDRESS" in
  *[!0-9]*) say 'REQUESTS_PER_SECOND and CONNECTIONS_PER_ADDRESS must be numbers'; exit 1 ;;
esac

# Where the certificate in use lies; nothing when there is none.
certificate() {
  for folder in "$TLS_DIR/live/beeline" "$TLS_DIR/self-signed"; do
    if [ -r "$folder/fullchain.pem" ] && [ -r "$folder/privkey.pem" ]; then echo "$folder"; return; fi
  done
}

fill_in() {
  certificate=$(certificate)
  servers=
  [ -z "$certificate" ] || servers='include servers/redirect.conf; include servers/tls.conf;'
  # a certificate is on its way: nothing is served without TLS meanwhile
  [ -n "$servers" ] || [ -z "$DOMAIN" ] || servers='include servers/redirect.conf;'
  gateways=
  for gateway in $GATEWAYS; do gateways="$gateways server $gateway max_fails=0;"; done
  modules=
  [ "$TASKS_SOURCE" = gateway ] || modules=$(cd "$conf" && cat tasks/modules.conf)
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
      -e "s|@CERTIFICATE@|$certificate|" \
      -e "s|@TLS_DIR@|$TLS_DIR|" \
      -e "s|@TASKS_SOURCE@|$TASKS_SOURCE|" \
      -e "s|@REQUESTS_PER_SECOND@|$REQUESTS_PER_SECOND|" \
      -e "s|@REQUESTS_BURST@|$((REQUESTS_PER_SECOND * 2))|" \
      -e "s|@CONNECTIONS@|$CONNECTIONS_PER_ADDRESS|" \
      -e "s|@ACCESS_LOG@|$ACCESS_LOG|" \
      "$conf/$file" > "$NGINX_DIR/$file"
  done
}

# Changes with the certificate and with the addresses of the gateways.
state() {
  certificate=$(certificate)
  [ -z "$certificate" ] || cksum "$certificate/fullchain.pem"
  for gateway in $GATEWAYS; do getent ahosts "${gateway%:*}" 2> /dev/null | cut -d ' ' -f 1 | sort -u; done
}

watch() {
  seen=$(state)
  while sleep 3 && kill -0 $$ 2> /dev/null; do
    now=$(state)
    [ "$now" != "$seen" ] || continue
    seen=$now
    fill_in && kill -HUP $$
  done
}

mkdir -p "$NGINX_DIR/temp"
fill_in
if [ "${1:-}" = check ]; then exec "$NGINX_PROGRAM" -t -p "$NGINX_DIR/" -c "$NGINX_DIR/nginx.conf"; fi
watch &
exec "$NGINX_PROGRAM" -p "$NGINX_DIR/" -c "$NGINX_DIR/nginx.conf"
