#!/usr/bin/env bash
# Makes the project's virtual environment from the lock file, hashes checked.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3}

"$python" - <<'PY' || { echo "Lockgate needs Python 3.11 or newer: set PYTHON=/path/to/python3.11." >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
# Until the native module is built, the sources are importable all the same.
"$venv/bin/python" - <<'PY'
import pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
(site / "lockgate-source.pth").write_text(str(pathlib.Path("python").resolve()) + "\n")
PY
