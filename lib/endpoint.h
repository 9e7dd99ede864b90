/*
 * Where the data connection goes: the arguments of PORT and EPRT and the answers 227 and
 * 229. RFC 959 4.1.2 (h1,h2,h3,h4,p1,p2; port = p1 x 256 + p2), RFC 2428
 * (|family|address|port|). Pure functions; the one codec for server, client, tests and
 * fuzzers.
 */
#ifndef FERRY_LIB_ENDPOINT_H
#define FERRY_LIB_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Longest text any endpoint_format function writes, NUL included. */
#define ENDPOINT_TEXT_MAX 128

struct endpoint {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint16_t port;
	uint32_t scope; /* interface index of a link-local IPv6 address, or 0 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* What kind of place an address is: decides what the client trusts and what is explained.
 */
enum endpoint_scope {
	SCOPE_PUBLIC,
	SCOPE_PRIVATE,     /* RFC 1918, fc00::/7 */
	SCOPE_SHARED,      /* carrier-grade NAT, 100.64/10 (RFC 6598) */
	SCOPE_LINK,        /* 169.254/16, fe80::/10 */
	SCOPE_LOOPBACK,    /* 127/8, ::1 */
	SCOPE_UNSPECIFIED, /* 0.0.0.0, :: */
	SCOPE_MULTICAST,   /* 224/4, ff00::/8, and 255.255.255.255 */
	SCOPE_DOCUMENTATION,
};

/* All parsers: 0 and *ret set, or a negative code and *ret untouched. None of them makes
 * an IPv4-mapped IPv6 address: ::ffff:192.0.2.1 is AF_INET wherever it comes from. */

/* Argument of PORT: six numbers 0..255, commas, nothing else. -FERRY_EPROTO. Port 0 is
 * parsed; the caller refuses it. */
int endpoint_parse_port(const char *arg, size_t n, struct endpoint *ret);
/* Argument of EPRT: any delimiter 33..126 (RFC 2428 2). -FERRY_EPROTO malformed,
 * -FERRY_EUNSUPPORTED for a family that is neither 1 nor 2. */
int endpoint_parse_eprt(const char *arg, size_t n, struct endpoint *ret);
/* Text of a 227 reply behind the code: the first six numbers wherever they stand (RFC
 * 1123 4.1.2.6). -FERRY_EPROTO. */
int endpoint_parse_227(const char *text, size_t n, struct endpoint *ret);
/* Text of a 229 reply: (<d><d><d>port<d>). Also what some servers write without
 * parentheses. -FERRY_EPROTO; port 0 is malformed. */
int endpoint_parse_229(const char *text, size_t n, uint16_t *ret_port);

/* Formatters write at most ENDPOINT_TEXT_MAX bytes, NUL included, and return the length.
 */
/* IPv4 only: "h1,...,p2" */
size_t endpoint_format_port(const struct endpoint *ep, char *out);
/* "|1|192.0.2.1|1347|" */
size_t endpoint_format_eprt(const struct endpoint *ep, char *out);
/* "192.0.2.1", "2001:db8::1" */
size_t endpoint_format_address(const struct endpoint *ep, char *out);
/* "192.0.2.1:1347", "[::1]:21" */
size_t endpoint_format(const struct endpoint *ep, char *out);

/* From and to the kernel's form. An IPv4-mapped IPv6 address becomes AF_INET: a
 * dual-stack listener's IPv4 clients are IPv4 clients everywhere above.
 * -FERRY_EUNSUPPORTED for others. */
int endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret);
socklen_t endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret);
/* Numeric address text, a link-local one perhaps with "%2" (the number of an interface,
 * not its name); -FERRY_EINVAL for anything else. Port 0. */
int endpoint_from_text(const char *address, struct endpoint *ret);

bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b);
enum endpoint_scope endpoint_scope_of(const struct endpoint *ep);
/* "public", "private", ... for people. */
const char *endpoint_scope_name(enum endpoint_scope scope);

#endif
