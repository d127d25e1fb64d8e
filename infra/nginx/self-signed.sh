#!/bin/sh
# Makes a certificate that nobody but this machine vouches for, unless a good one is there: infra/nginx/self-signed.sh
set -eu
umask 077

: "${TLS_DIR:=/tls}"
: "${DOMAIN:=}"
folder=$TLS_DIR/self-signed
names=$(echo "$DOMAIN" | tr ',' ' ')

# one that holds for another thirty days, and for these names
if openssl x509 -checkend 2592000 -noout -in "$folder/fullchain.pem" > /dev/null 2>&1; then
  known=$(openssl x509 -noout -ext subjectAltName -in "$folder/fullchain.pem" | tr -d ' \n'),
  missing=
  for name in $names; do case "$known" in *"DNS:$name,"*) ;; *) missing=$name ;; esac; done
  if [ -z "$missing" ]; then echo "a certificate is there: $folder/fullchain.pem"; exit; fi
fi

also=DNS:localhost,IP:127.0.0.1,IP:::1
for name in $names; do also=DNS:$name,$also; done
mkdir -p "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 -subj "/CN=Beeline, self-signed" \
  -addext "subjectAltName=$also" -addext 'basicConstraints=critical,CA:FALSE' -addext extendedKeyUsage=serverAuth \
  -keyout "$folder/privkey.pem.new" -out "$folder/fullchain.pem.new" 2> /dev/null
mv "$folder/privkey.pem.new" "$folder/privkey.pem"
mv "$folder/fullchain.pem.new" "$folder/fullchain.pem"
echo "made a self-signed certificate: $folder/fullchain.pem"
