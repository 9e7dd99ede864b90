#!/bin/sh
# ./dev demo: ferryd serves a temporary directory, ferry moves files both ways in both modes over IPv4 and
# IPv6, in clear and once under TLS, and tells what happens on the wire; every file is compared by its
# SHA-256 sum.
set -eu
build=$1
ferryd=$build/ferryd/ferryd
ferry=$build/ferry/ferry

work=$(mktemp -d)
server=
finish() {
	status=$?
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- files, a password, a server ----
mkdir "$work/served" "$work/here"
cp README.md "$work/served/readme.txt"
head -c 134217728 /dev/urandom >"$work/served/large.bin"
head -c 134217728 /dev/urandom >"$work/here/upload.bin"
(umask 077 && head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/password")
# A certificate for this machine alone, which ferry is told to trust.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || {
	cat "$work/openssl.log" >&2
	exit 1
}
mkfifo "$work/greeting"
"$ferryd" -ossl_enable=YES -oec_cert_file="$work/cert.pem" -oec_private_key_file="$work/key.pem" \
	-oforce_local_logins_ssl=NO -oforce_local_data_ssl=NO --user demo --password-file "$work/password" "$work/served" >"$work/greeting" 2>"$work/log" &
server=$!
url=
while IFS= read -r line; do
	printf '%s\n' "$line"
	case $line in
	*ftp://*'(this machine only)'*)
		line=${line#*ftp://}
		url=${line%% *}
		;;
	Stop*) break ;;
	esac
done <"$work/greeting"
if [ -z "$url" ]; then
	echo "ferryd did not start:" >&2
	cat "$work/log" >&2
	exit 1
fi
port=${url##*:}
port=${port%/}

# ---- transfers ----
now() {
	date +%s.%N
}

sum() {
	sha256sum <"$1" | cut -d' ' -f1
}

failed=0
table=$work/table

# transfer MODE FAMILY HOST get|put FILE [tls]
transfer() {
	mode=$1 family=$2 host=$3 way=$4 file=$5 tls=${6-}
	set -- --plain
	if [ -n "$tls" ]; then
		set -- --tls --cacert "$work/cert.pem" --known-hosts "$work/known"
		family="$family, TLS"
	fi
	printf '\n'
	begin=$(now)
	if [ "$way" = get ]; then
		local=$work/here/$file remote=$work/served/$file
		rm -f "$local"
		"$ferry" get "$@" --explain --user demo --password-file "$work/password" --mode "$mode" -o "$local" \
			"ftp://$host:$port/$file" || failed=1
	else
		local=$work/here/$file remote=$work/served/$file
		rm -f "$remote"
		"$ferry" put "$@" --explain --user demo --password-file "$work/password" --mode "$mode" "$local" \
			"ftp://$host:$port/" || failed=1
	fi
	end=$(now)
	equal=no bytes=-
	if [ -f "$local" ] && [ -f "$remote" ]; then
		bytes=$(wc -c <"$local")
		[ "$(sum "$local")" = "$(sum "$remote")" ] && equal=yes
	fi
	[ $equal = yes ] || failed=1
	seconds=$(awk "BEGIN { printf \"%.2f\", $end - $begin }")
	printf '%-8s %-9s %-5s %-12s %12s %8s  %s\n' "$mode" "$family" "$way" "$file" "$bytes" "$seconds" $equal >>"$table"
}

families="IPv4=127.0.0.1"
if grep -qs ' lo$' /proc/net/if_inet6; then
	families="$families IPv6=[::1]"
else
	echo "This machine has no IPv6: only IPv4 is shown."
fi
# PASV, which spells an IPv4 address and a port in six numbers, and the modes as they are by default.
transfer pasv IPv4 127.0.0.1 get readme.txt
for pair in $families; do
	for mode in passive active; do
		transfer "$mode" "${pair%%=*}" "${pair#*=}" get readme.txt
		transfer "$mode" "${pair%%=*}" "${pair#*=}" get large.bin
		transfer "$mode" "${pair%%=*}" "${pair#*=}" put upload.bin
	done
done
transfer passive IPv4 127.0.0.1 get large.bin tls
transfer passive IPv4 127.0.0.1 put upload.bin tls

printf '\n%-8s %-9s %-5s %-12s %12s %8s  %s\n' mode over way file bytes seconds "sums equal"
cat "$table"
if [ $failed -ne 0 ]; then
	printf '\nNot every file arrived whole. What ferryd said:\n'
	cat "$work/log"
	exit 1
fi
printf '\nAll sums are equal. To serve a directory of your own:\n\n  %s DIR\n' "$ferryd"
