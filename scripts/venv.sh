#!/usr/bin/env bash
# Makes the project's virtual environment from the lock file, hashes checked.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Lockgate needs Python 3.11 or newer: set PYTHON=/path/to/python3.11." >&2
    exit 1
}
echo "Making $venv with the pinned Python packages ..."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
"$venv/bin/python" scripts/register.py
