#!/usr/bin/env bash
# Installs servers of others that tests run against (npm packages): identity
# providers, and an API that looks at nobody's rights. They go into a cache
# outside the repository; where that is gets printed.
#
# LOCKGATE_TEST_CACHE names another place than ~/.cache/lockgate.
set -euo pipefail

cache=${LOCKGATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate}/node-servers
packages=(oidc-provider@9 oauth2-mock-server@8 json-server@0.17)

command -v node >/dev/null && command -v npm >/dev/null || {
    echo "node and npm are wanted for the tests against real servers" >&2
    exit 1
}
mkdir -p "$cache"
# Several test processes may come at once.
exec 9>"$cache/lock"
flock 9
if [ "$(cat "$cache/installed" 2>/dev/null)" != "${packages[*]}" ]; then
    [ -f "$cache/package.json" ] || echo '{"private": true}' >"$cache/package.json"
    # No package may run a program of its own while it is installed.
    npm install --prefix "$cache" --ignore-scripts --no-audit --no-fund --loglevel=error "${packages[@]}" >&2
    echo "${packages[*]}" >"$cache/installed"
fi
echo "$cache"
