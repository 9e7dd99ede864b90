#!/bin/sh
# Every test, after ./dev test has built build/, build-asan/ and build-fuzz/. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1
tests/peers/servers.sh fetch .dev/peers
# Debian's python, which has Debian's modules, whatever else is in PATH.
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs "${@:-tests}"
