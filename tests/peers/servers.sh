#!/bin/sh
# tests/peers/servers.sh fetch DIR: unpacks vsftpd, ProFTPD and Pure-FTPd side by side below DIR. Their Debian
# packages exclude each other, so they are not installed; nothing of them is started by this.
set -eu
[ "${1:-}" = fetch ] && [ $# -eq 2 ] || {
	echo "usage: $0 fetch DIR" >&2
	exit 2
}
dir=$2
[ -f "$dir/complete" ] && exit 0
mkdir -p "$dir/packages"
cd "$dir/packages"
packages="vsftpd proftpd-core proftpd-mod-crypto pure-ftpd pure-ftpd-common"
# shellcheck disable=SC2086
apt-get -q download $packages >../fetch.log 2>&1 ||
	{ apt-get -q update && apt-get -q download $packages; } >../fetch.log 2>&1 ||
	{
		cat ../fetch.log >&2
		echo "The packages of the servers to test against could not be fetched: $packages" >&2
		exit 1
	}
for package in *.deb; do
	dpkg -x "$package" ..
done
: >../complete
