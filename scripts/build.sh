#!/usr/bin/env bash
# Builds lockgate._native and registers the package in the environment.
#
#   scripts/build.sh VENV dev|release
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
profile=${2:-dev}
VIRTUAL_ENV=$(cd "$venv" && pwd)
export VIRTUAL_ENV PYO3_PYTHON="$VIRTUAL_ENV/bin/python"

command -v cargo >/dev/null || {
    echo "Lockgate builds its core with Rust: install a stable toolchain (rustup), then run this again." >&2
    exit 1
}
echo "Building the native module ($profile); the first time takes two to ten minutes ..."
# So that tests find every crate built (crates/lockgate-py/Cargo.toml).
features=(); [ "$profile" = dev ] && features=(--features tests)
# --skip-install: scripts/register.py does it, without asking pip about every dependency.
if [ -t 2 ]; then
    "$venv/bin/maturin" develop --skip-install --profile "$profile" "${features[@]}"
else
    said=$("$venv/bin/maturin" develop --skip-install --profile "$profile" "${features[@]}" 2>&1) || { printf '%s\n' "$said" >&2; exit 1; }
fi
"$venv/bin/python" scripts/register.py
