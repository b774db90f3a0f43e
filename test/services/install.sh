#!/usr/bin/env bash
# The servers of the tests that npm does not bring: Redis and MariaDB from Debian's packages, FerretDB from its
# sources where Go is. What is there already is left alone. Fails when one is still missing at the end.
set -uo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/go/bin

missing=()
has() { command -v "$1" >/dev/null; }
wanted() {
  has redis-server || has valkey-server || echo redis-server
  has mariadbd || echo mariadb-server
}

mapfile -t packages < <(wanted)
if ((${#packages[@]} > 0)) && has apt-get && ((EUID == 0)); then
  export DEBIAN_FRONTEND=noninteractive
  # Packages that start a server of their own when they are installed are told not to.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  get() { apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null; }
  get || { apt-get update -qq && get; }
fi
mapfile -t packages < <(wanted)
for package in "${packages[@]}"; do missing+=("$package (apt-get install $package)"); done

# A small Go program of our own around FerretDB's library; nothing to do where it is up to date.
ferretdb() {
  local binary=../../../node_modules/.cache/rxpool-services/ferretdb
  cd ferretdb || return
  if [[ -n $(find "$binary" -newer main.go -newer go.sum 2>/dev/null) ]]; then return; fi
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -tags ferretdb_no_postgresql -o "$binary" .
}
if ! has go; then
  missing+=('FerretDB (its build needs Go 1.22)')
elif ! (ferretdb); then
  missing+=('FerretDB (its build failed)')
fi

for server in "${missing[@]}"; do echo "missing: $server"; done
((${#missing[@]} == 0))
