#!/usr/bin/env bash
# Installs a foreign conformance suite into a cache outside the repository, and
# prints the folder that its programs are in.
#
#   scripts/conformance-suites.sh h2spec|grpc-interop|sslyze|coraza|modsecurity
#
#   h2spec        HTTP/2 (RFC 7540) and HPACK (RFC 7541), case by case
#   grpc-interop  gRPC's own interoperability client and server, of its Go implementation
#   sslyze        looks at TLS from outside: versions, ciphers, curves, known holes
#   coraza        a small proxy with Coraza in it (tests/support/coraza), for cases of the Core Rule Set and the benchmark
#   modsecurity   Debian's ModSecurity for its nginx, unpacked and not installed, for the same
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

# A program whose source is here, its modules held by go.sum.
from_source() {
    command -v go >/dev/null || {
        echo "Go is wanted for $suite" >&2
        exit $unavailable
    }
    local sum
    sum=$(cat "$1"/*.go "$1"/go.mod "$1"/go.sum | sha256sum)
    if [ "$(cat "$cache/installed" 2>/dev/null)" != "$sum" ]; then
        fetched go -C "$1" build -mod=readonly -trimpath -o "$cache/" .
        echo "$sum" >"$cache/installed"
    fi
    echo "$cache"
}

# Debian's packages, whose signatures apt has checked; nothing of the system is changed.
from_debian() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null && PATH=$PATH:/usr/sbin command -v nginx >/dev/null || {
        echo "$suite wants Debian and its nginx" >&2
        exit $unavailable
    }
    if [ "$(cat "$cache/installed" 2>/dev/null)" != "$*" ]; then
        rm -rf "$cache/packages" "$cache/root"
        mkdir -p "$cache/packages" "$cache/root"
        (cd "$cache/packages" && fetched apt-get -qq download "$@")
        local package
        for package in "$cache"/packages/*.deb; do
            dpkg -x "$package" "$cache/root"
        done
        echo "$*" >"$cache/installed"
    fi
    echo "$cache/root"
}

case $suite in
h2spec) from_go "github.com/summerwind/h2spec/cmd/h2spec@$h2spec" ;;
grpc-interop) from_go "google.golang.org/grpc/interop/client@$grpc" "google.golang.org/grpc/interop/server@$grpc" ;;
sslyze) from_lock ;;
coraza) from_source "$here/tests/support/coraza" ;;
modsecurity)
    from_debian libnginx-mod-http-modsecurity libmodsecurity3 libfuzzy2 libgeoip1 libmaxminddb0 libyajl2
    ;;
*)
    echo "no suite is called $suite" >&2
    exit 2
    ;;
esac
