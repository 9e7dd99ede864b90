#!/bin/sh
# Every test, after ./dev test has built build/, build-asan/ and build-fuzz/. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1
tests/peers/servers.sh fetch .dev/peers
# All of them: two files at a time, each by one process from its first test to its last (what belongs to a file, like
# the worlds of tests/net, is made once).
if [ $# -eq 0 ]; then
	export TESTS_BY_FILE=1
	set -- -n 2 --dist loadfile tests
fi
# Debian's python, which has Debian's modules, whatever else is in PATH.
exec /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs "$@"
