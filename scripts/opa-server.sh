#!/usr/bin/env bash
# Installs Open Policy Agent into a cache outside the repository, and prints the
# folder of the program. From its Go module; Debian has none.
#
# LOCKGATE_TEST_CACHE names another place than ~/.cache/lockgate.
set -euo pipefail

version=v1.22.3
cache=${LOCKGATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate}/opa

command -v go >/dev/null || {
    echo "Go is wanted for the tests against a real decision point (Open Policy Agent)" >&2
    exit 1
}
mkdir -p "$cache"
# Several test processes may come at once.
exec 9>"$cache/lock"
flock 9
if [ "$(cat "$cache/installed" 2>/dev/null)" != "$version" ]; then
    GOBIN="$cache" go install "github.com/open-policy-agent/opa@$version" >&2
    echo "$version" >"$cache/installed"
fi
echo "$cache"
