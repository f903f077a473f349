#!/usr/bin/env bash
# Builds the wheel, and keeps out of it where it was built.
#
#   scripts/wheel.sh VENV OUT
#
# rustc and the C compiler write the paths of sources into panic messages and
# assertions, maturin writes them into the bill of materials. Cargo's own
# `trim-paths` is not stable yet (rust-lang/cargo#12137).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
out=${2:-dist}
root=$(pwd -P)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target=${CARGO_TARGET_DIR:-$root/target}
sysroot=$(rustc --print sysroot)

# Of several that fit, rustc takes the last: the widest stand first.
rust=()
for pair in "$HOME=/home" "$root=/lockgate" "$target=/lockgate/target" "$cargo_home=/cargo" "$sysroot=/rust"; do
    rust+=("--remap-path-prefix=$pair")
done
# Encoded, since a path may hold a space (RUSTFLAGS cannot say that). Who sets flags keeps them.
flags=${CARGO_ENCODED_RUSTFLAGS:-$(printf '%s' "${RUSTFLAGS:-}" | tr ' ' '\037')}
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\037'; printf '%s' "${flags:+$flags$'\037'}${rust[*]}")
export CARGO_ENCODED_RUSTFLAGS
# The crates that compile C split this at spaces. Of several that fit, GCC and Clang take the last, too.
export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$target=/lockgate/target"

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$venv/bin/maturin" build --release --out "$made"
"$venv/bin/python" scripts/tidy_wheel.py "$made"/*.whl "$out"
