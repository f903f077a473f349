#!/usr/bin/env bash
# Pins every Python dependency, with hashes, for every platform at once.
#
# Run it by `make lock` after a change of dependencies in pyproject.toml.
# Versions already in the lock file stay unless `make lock UPGRADE=1`.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/lock-venv
[ -x "$tools/bin/uv" ] || { python3 -m venv "$tools"; "$tools/bin/pip" install --quiet 'uv>=0.13,<0.14'; }

upgrade=()
[ "${UPGRADE:-0}" = 1 ] && upgrade=(--upgrade)
compile() {
    "$tools/bin/uv" pip compile --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
        --custom-compile-command "make lock" "${upgrade[@]}" "$@"
}
compile pyproject.toml --group dev --output-file requirements/dev.lock
# Scans TLS from outside; it wants an older cryptography than we do, so it lives in an environment of its own.
compile requirements/sslyze.in --output-file requirements/sslyze.lock
