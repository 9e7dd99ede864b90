/*
 * ftp://, ftpes:// and ftps:// URLs for the client, parsed once and wholly before
 * anything is dialled. Must never let a byte through that could end a command line, and
 * never leave a password in freed memory.
 */
#include "url.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define URL_TEXT_MAX 16384
/* RFC 1035 2.3.4 */
#define HOST_NAME_TEXT_MAX 255

static void
url_clearp(struct ferry_url *u)
{
	ferry_url_clear(u);
}

static int
refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -FERRY_EINVAL;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The n bytes at p with %XX resolved, allocated. */
static int
decode(const char *p, size_t n, char **ret, const char **ret_why)
{
	char *out = malloc(n + 1);
	size_t made = 0;

	if (!out)
		return -FERRY_ENOMEM;
	*ret_why = NULL;
	for (size_t i = 0; i < n && !*ret_why; i++) {
		int high = 0, low = 0;
		char c = p[i];

		if (c == '%') {
			high = i + 2 < n ? hex_value(p[i + 1]) : -1;
			low = i + 2 < n ? hex_value(p[i + 2]) : -1;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (high < 0 || low < 0)
			*ret_why = "a % must be followed by two hexadecimal digits "
				   "(write %25 for a %)";
		else if (c == '\r' || c == '\n' || c == '\0')
			*ret_why = "a line end or a NUL cannot stand in an FTP command";
		out[made++] = c;
	}
	if (*ret_why) {
		explicit_bzero(out, n + 1);
		free(out);
		return -FERRY_EINVAL;
	}
	out[made] = '\0';
	*ret = out;
	return 0;
}

static int
copy(const char *p, size_t n, char **ret)
{
	*ret = strndup(p, n);
	return *ret ? 0 : -FERRY_ENOMEM;
}

/* "user", "user:password"; an empty part counts as not given. */
static int
parse_userinfo(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	const char *colon = memchr(p, ':', n);
	size_t user_len = colon ? (size_t)(colon - p) : n;
	int r = 0;

	if (user_len > 0)
		r = decode(p, user_len, &u->user, ret_why);
	if (r == 0 && colon)
		r = decode(colon + 1, n - user_len - 1, &u->password, ret_why);
	return r;
}

/* An empty port is none (RFC 3986 3.2.3). */
static int
parse_port(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	uint64_t port = 0;

	if (n > 0 && (parse_uint(p, n, 65535, &port) < 0 || port == 0))
		return refuse(ret_why, "the port must be a number from 1 to 65535");
	u->port = (uint16_t)port;
	return 0;
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool
is_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_name_char(p[i]))
			return false;
	return n > 0 && n <= HOST_NAME_TEXT_MAX;
}

/* What stands between the brackets: an IPv6 address, perhaps with a zone (RFC 6874:
 * "%25eth0"; people write "%eth0"). */
static int
parse_literal(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	static const char why[] = "between [ and ] there must be an IPv6 address";
	const char *percent = memchr(p, '%', n);
	size_t len = percent ? (size_t)(percent - p) : n;
	_cleanup_free_ char *address = NULL;
	struct in6_addr unused;
	const char *zone;
	size_t zone_len;
	int r = copy(p, len, &address);

	if (r < 0)
		return r;
	if (inet_pton(AF_INET6, address, &unused) != 1)
		return refuse(ret_why, why);
	if (!percent) {
		u->host = address;
		address = NULL;
		return 0;
	}
	zone = percent + 1;
	zone_len = n - len - 1;
	if (zone_len > 2 && memcmp(zone, "25", 2) == 0) {
		zone += 2;
		zone_len -= 2;
	}
	if (!is_name(zone, zone_len))
		return refuse(ret_why, why);
	if (asprintf(&u->host, "%s%%%.*s", address, (int)zone_len, zone) < 0) {
		u->host = NULL;
		return -FERRY_ENOMEM;
	}
	return 0;
}

static int
parse_bracketed(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	const char *close = memchr(p, ']', n);
	size_t rest;
	int r;

	if (!close)
		return refuse(ret_why, "a [ has no ]");
	rest = n - (size_t)(close - p) - 1;
	if (rest > 0 && close[1] != ':')
		return refuse(ret_why, "behind the ] only :port can stand");
	r = parse_literal(p + 1, (size_t)(close - p) - 1, u, ret_why);
	if (r < 0 || rest == 0)
		return r;
	return parse_port(close + 2, rest - 1, u, ret_why);
}

static int
parse_host(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	const char *colon;
	size_t len;
	int r;

	if (n > 0 && p[0] == '[')
		return parse_bracketed(p, n, u, ret_why);
	colon = memchr(p, ':', n);
	len = colon ? (size_t)(colon - p) : n;
	if (len == 0)
		return refuse(ret_why, "it names no host");
	if (!is_name(p, len))
		return refuse(
		    ret_why, "the host name has a character that no host name can have");
	r = copy(p, len, &u->host);
	if (r < 0 || !colon)
		return r;
	return parse_port(colon + 1, n - len - 1, u, ret_why);
}

/* The part up to the first "/". The last "@" ends the user: names like me@example.com are
 * common at web hosters, and no host has an "@". */
static int
parse_authority(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	const char *at = memrchr(p, '@', n);
	size_t skip = at ? (size_t)(at - p) + 1 : 0;
	int r = 0;

	if (at)
		r = parse_userinfo(p, skip - 1, u, ret_why);
	if (r == 0)
		r = parse_host(p + skip, n - skip, u, ret_why);
	return r;
}

/* Takes ";type=x" off the end of the path. */
static int
take_type(const char *p, size_t *n, struct ferry_url *u, const char **ret_why)
{
	const char *semicolon = memrchr(p, ';', *n);
	size_t len = semicolon ? *n - (size_t)(semicolon - p) : 0;

	if (len < 6 || !equal_nocase(semicolon, ";type=", 6))
		return 0;
	u->type = len == 7 ? (char)(semicolon[6] | 0x20) : 0;
	if (u->type != 'a' && u->type != 'i' && u->type != 'd')
		return refuse(ret_why, "the type behind ;type= must be a, i or d");
	*n -= len;
	return 0;
}

static int
parse_path(const char *p, size_t n, struct ferry_url *u, const char **ret_why)
{
	int r;

	/* Cutting it off silently would fetch another file. */
	if (memchr(p, '#', n))
		return refuse(ret_why, "a # in a file name is written %23");
	r = take_type(p, &n, u, ret_why);
	if (r < 0)
		return r;
	return decode(p, n, &u->path, ret_why);
}

static const struct {
	const char *name;
	enum ferry_tls tls;
} schemes[] = {
    {"ftp", FERRY_TLS_AUTO},
    {"ftpes", FERRY_TLS_EXPLICIT},
    {"ftps", FERRY_TLS_IMPLICIT},
};

/* The scheme, with how long it is in the text; NULL: none of ours. */
static const char *
find_scheme(const char *text, size_t *ret_len)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const char *name = schemes[i].name;
		size_t n = strlen(name);

		if (!equal_nocase(text, name, n) || strncmp(text + n, "://", 3) != 0)
			continue;
		*ret_len = n + 3;
		return name;
	}
	return NULL;
}

enum ferry_tls
ferry_url_tls(const struct ferry_url *u)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strcmp(u->scheme, schemes[i].name) == 0)
			return schemes[i].tls;
	return FERRY_TLS_EXPLICIT; /* a URL that was not parsed here: better too much */
}

static int
parse_all(const char *text, struct ferry_url *u, const char **ret_why)
{
	const char *scheme, *p;
	size_t n, len = 0;
	int r;

	if (strnlen(text, URL_TEXT_MAX + 1) > URL_TEXT_MAX)
		return refuse(ret_why, "it is too long");
	scheme = find_scheme(text, &len);
	if (!scheme)
		return refuse(
		    ret_why, "it does not begin with ftp://, ftpes:// or ftps://");
	p = text + len;
	n = strcspn(p, "/?#");
	r = copy(scheme, strlen(scheme), &u->scheme);
	if (r == 0)
		r = parse_authority(p, n, u, ret_why);
	if (r < 0)
		return r;
	p += n;
	if (*p == '?')
		return refuse(ret_why, "a / must stand between the host and a ?");
	if (*p == '/')
		p++;
	return parse_path(p, strlen(p), u, ret_why);
}

int
ferry_url_parse(const char *text, struct ferry_url *ret, const char **ret_why)
{
	_cleanup_(url_clearp)
	struct ferry_url u = {0};
	int r = parse_all(text, &u, ret_why);

	if (r < 0)
		return r;
	*ret = u;
	u = (struct ferry_url){0};
	return 0;
}

void
ferry_url_clear(struct ferry_url *u)
{
	if (!u)
		return;
	if (u->password)
		explicit_bzero(u->password, strlen(u->password));
	free(u->scheme);
	free(u->user);
	free(u->password);
	free(u->host);
	free(u->path);
	*u = (struct ferry_url){0};
}
