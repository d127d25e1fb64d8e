#!/bin/sh
# Gets a certificate for DOMAIN from an authority, and a new one in time: infra/nginx/certbot.sh [once]. nginx answers the
# authority's question, and takes the certificate by itself. What follows `once` is passed to certbot.
set -eu
umask 077

: "${TLS_DIR:=/tls}"
: "${DOMAIN:?is missing: the public name of this host}"
: "${ACME_EMAIL:?is missing: where the authority writes when a certificate is about to end}"
: "${ACME_SERVER:=https://acme-v02.api.letsencrypt.org/directory}"
notes=${TMPDIR:-/tmp}/certbot

# does nothing while the one that is there holds for these names and for long enough
ask() {
  certbot certonly --non-interactive --agree-tos --email "$ACME_EMAIL" --server "$ACME_SERVER" \
    --cert-name beeline --domains "$DOMAIN" --keep-until-expiring --renew-with-new-domains --key-type ecdsa \
    --webroot --webroot-path "$TLS_DIR/challenges" \
    --config-dir "$TLS_DIR" --work-dir "$notes" --logs-dir "$notes" "$@"
}

(umask 022; mkdir -p "$TLS_DIR/challenges")
if [ "${1:-}" = once ]; then shift; ask "$@"; exit; fi

trap 'exit 0' TERM INT
while :; do
  if ask; then pause=43200; else pause=3600; fi
  sleep "$pause" & wait $!
done
