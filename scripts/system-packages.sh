#!/usr/bin/env bash
# Installs the Debian packages that only tests and benchmarks want.
#
#   nginx-light   the benchmark's yardstick: every cost is a multiple of its plain proxying
#   haproxy       the benchmark's second peer
#   nghttp2-client its h2load is the benchmark's load over HTTP/2
#   strace        counts the system calls of one request, where perf may not
#   linux-perf    counts them without slowing anything down
#   curl          the commands that the documentation shows are run with it
#   zsh           completion is pressed in it
#   fish          and in it
#   systemd       its systemd-analyze judges the unit
#   chromium      whether pages may call is for a browser to say (`cors`), and whether it trusts the demo's TLS
#   libnss3-tools its certutil tells the browser whom to trust
#   clamav-daemon its clamd scans files (`waf`); tests start their own, with a signature of theirs
#   slapd         a directory for people to sign in by (`issuers.NAME.ldap`); tests start their own, in a folder of theirs
#
# It needs root and apt. Without either it says what is missing and ends well:
# what wants a missing program is then skipped, and says so.
set -euo pipefail

declare -A programs=([nginx-light]=nginx [haproxy]=haproxy [nghttp2-client]=h2load [strace]=strace [linux-perf]=perf [curl]=curl
    [zsh]=zsh [fish]=fish [systemd]=systemd-analyze [chromium]=chromium [libnss3-tools]=certutil [clamav-daemon]=clamd
    [slapd]=slapd)
missing=()
for package in "${!programs[@]}"; do
    command -v "${programs[$package]}" >/dev/null || [ -x "/usr/sbin/${programs[$package]}" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "system-packages: not installed (needs root and apt): ${missing[*]}. Tests that want them are skipped."
    exit 0
fi

echo "system-packages: installing ${missing[*]} (wanted by tests and benchmarks alone)"
# Debian's packages start their services at once, on default ports: forbid it
# while they are installed, and put back whatever rule was there before.
policy=/usr/sbin/policy-rc.d
kept=
restore() {
    if [ -n "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy"; fi
}
if [ -e "$policy" ]; then
    kept=$(mktemp "$policy.XXXXXX")
    cp -p "$policy" "$kept"
fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt-get -qq update >"$log" 2>&1 || true
for package in "${missing[@]}"; do
    # One by one: a name that this distribution lacks keeps no other away.
    if ! apt-get -qq install --no-install-recommends --yes "$package" >"$log" 2>&1; then
        tail -3 "$log"
        echo "system-packages: not installed: $package. Tests that want it are skipped."
    fi
done
rm -f "$log"
