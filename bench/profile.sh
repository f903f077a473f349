#!/usr/bin/env bash
# Where a row's subject spends its time: `bench/profile.sh [ROW] [SECONDS]`,
# by default `lockgate/events 5`. Wants perf; the gate is built with symbols.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m bench.profiler "$@"
