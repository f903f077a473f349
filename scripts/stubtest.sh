#!/usr/bin/env bash
# Compares python/lockgate/_native.pyi with the module that was built.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/stubtest lockgate._native \
    --mypy-config-file pyproject.toml --allowlist scripts/stubtest-allowlist.txt
