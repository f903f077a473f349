#!/usr/bin/env bash
# Installs Pebble, Let's Encrypt's certificate authority for tests, and its
# challenge test server (a DNS server that says what it is told to) into a cache
# outside the repository, and prints the folder of the two programs.
#
# From Go modules, since Debian's Pebble (2.4) knows no renewal information (RFC 9773).
# LOCKGATE_TEST_CACHE names another place than ~/.cache/lockgate.
set -euo pipefail

version=v2.10.3
cache=${LOCKGATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate}/acme-server
module=github.com/letsencrypt/pebble/v2

command -v go >/dev/null || {
    echo "Go is wanted for the tests against a real certificate authority (Pebble)" >&2
    exit 1
}
mkdir -p "$cache"
# Several test processes may come at once.
exec 9>"$cache/lock"
flock 9
if [ "$(cat "$cache/installed" 2>/dev/null)" != "$version" ]; then
    GOBIN="$cache" go install "$module/cmd/pebble@$version" "$module/cmd/pebble-challtestsrv@$version" >&2
    echo "$version" >"$cache/installed"
fi
echo "$cache"
