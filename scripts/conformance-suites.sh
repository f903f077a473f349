#!/usr/bin/env bash
# Installs a foreign conformance suite into a cache outside the repository, and
# prints the folder that its programs are in.
#
#   scripts/conformance-suites.sh h2spec|grpc-interop|sslyze
#
#   h2spec        HTTP/2 (RFC 7540) and HPACK (RFC 7541), case by case
#   grpc-interop  gRPC's own interoperability client and server, of its Go implementation
#   sslyze        looks at TLS from outside: versions, ciphers, curves, known holes
#
# LOCKGATE_TEST_CACHE names another place than ~/.cache/lockgate. It ends with 69 (EX_UNAVAILABLE) where Go is
# missing or a registry cannot be reached; whatever else goes wrong is a fault, a wrong checksum first of all.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

h2spec=v2.2.1+incompatible
grpc=v1.85.0

suite=${1:?which suite?}
cache=${LOCKGATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate}/$suite
mkdir -p "$cache"
# Several test processes may come at once.
exec 9>"$cache/lock"
flock 9

unavailable=69

# Runs what fetches; tells a registry that is away from everything else.
fetched() {
    local log=$cache/log
    "$@" >"$log" 2>&1 && return
    local away='dial tcp|no such host|connection refused|timed? ?out|network is unreachable|name resolution|50[234] '
    tail -n 5 "$log" >&2
    if grep -qiE "checksum|hash" "$log" || ! grep -qiE "$away" "$log"; then
        exit 1
    fi
    exit $unavailable
}

# What is checked against the checksum database; the stamp keeps a second run short.
from_go() {
    command -v go >/dev/null || {
        echo "Go is wanted for $suite" >&2
        exit $unavailable
    }
    if [ "$(cat "$cache/installed" 2>/dev/null)" != "$*" ]; then
        GOBIN="$cache" fetched go install "$@"
        echo "$*" >"$cache/installed"
    fi
    echo "$cache"
}

# Of an environment of its own, hashes checked.
from_lock() {
    local lock=$here/requirements/$suite.lock
    if ! cmp -s "$lock" "$cache/installed"; then
        rm -rf "$cache/venv"
        "${PYTHON:-python3}" -m venv "$cache/venv"
        fetched "$cache/venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
        cp "$lock" "$cache/installed"
    fi
    echo "$cache/venv/bin"
}

case $suite in
h2spec) from_go "github.com/summerwind/h2spec/cmd/h2spec@$h2spec" ;;
grpc-interop) from_go "google.golang.org/grpc/interop/client@$grpc" "google.golang.org/grpc/interop/server@$grpc" ;;
sslyze) from_lock ;;
*)
    echo "no suite is called $suite" >&2
    exit 2
    ;;
esac
