#!/usr/bin/env bash
# Installs Keycloak, an identity provider that the slow tests run against, from
# the Maven repository into a cache outside the repository, and prints where it is.
#
# LOCKGATE_TEST_CACHE names another place than ~/.cache/lockgate.
set -euo pipefail

version=${KEYCLOAK_VERSION:-26.7.3}
cache=${LOCKGATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate}/keycloak
home="$cache/keycloak-$version"

command -v java >/dev/null && command -v mvn >/dev/null && command -v unzip >/dev/null || {
    echo "java, mvn and unzip are wanted for the tests against Keycloak" >&2
    exit 1
}
mkdir -p "$cache"
# Several test processes may come at once.
exec 9>"$cache/lock"
flock 9
if [ ! -x "$home/bin/kc.sh" ]; then
    (cd "$cache" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" "-DoutputDirectory=$cache" >&2)
    unzip -q -o "$cache/keycloak-quarkus-dist-$version.zip" -d "$cache"
    rm "$cache/keycloak-quarkus-dist-$version.zip"
fi
echo "$home"
