#!/usr/bin/env bash
# Builds lockgate._native with the dev profile and installs the package, editable.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
VIRTUAL_ENV=$(cd "$venv" && pwd)
export VIRTUAL_ENV PYO3_PYTHON="$VIRTUAL_ENV/bin/python"

command -v cargo >/dev/null || {
    echo "Lockgate builds its core with Rust: install a stable toolchain (rustup), then run this again." >&2
    exit 1
}
"$venv/bin/maturin" develop --quiet
