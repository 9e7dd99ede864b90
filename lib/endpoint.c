/*
 * PORT, EPRT, 227 and 229 to addresses and back, for both ends. Must never read past the
 * text it was given, and never make of a malformed number a smaller one.
 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <ferry/ferry.h>

#include "util.h"

/* Six numbers: h1,h2,h3,h4,p1,p2. */
#define HOST_PORT_NUMBERS 6
/* An address and the number of its interface, with room for "[", "]:65535" left. */
#define ADDRESS_TEXT_MAX (ENDPOINT_TEXT_MAX - 16)

/* ---------------------------------------------------------------- addresses */

/* ::ffff:192.0.2.1 is 192.0.2.1, wherever it comes from: no comparison can be fooled. */
static void
make_canonical(struct endpoint *ep)
{
	struct in_addr v4;

	if (ep->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ep->v6))
		return;
	memcpy(&v4, ep->v6.s6_addr + 12, sizeof(v4));
	*ep = (struct endpoint){.family = AF_INET, .port = ep->port, .v4 = v4};
}

/* The address in the n bytes at text, of that family and nothing around it. */
static int
parse_address(int family, const char *text, size_t n, struct endpoint *ret)
{
	struct endpoint ep = {.family = family};
	char copy[INET6_ADDRSTRLEN];

	if (n >= sizeof(copy) || memchr(text, '\0', n))
		return -FERRY_EPROTO;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(
		family, copy, family == AF_INET ? (void *)&ep.v4 : (void *)&ep.v6) != 1)
		return -FERRY_EPROTO;
	make_canonical(&ep);
	*ret = ep;
	return 0;
}

/* ---------------------------------------------------------------- PORT and 227 */

/* "h1,h2,h3,h4,p1,p2" at the start of text: bytes taken, or 0 if it is not there. */
static size_t
take_host_port(const char *text, size_t n, uint8_t numbers[HOST_PORT_NUMBERS])
{
	size_t at = 0;

	for (size_t i = 0; i < HOST_PORT_NUMBERS; i++) {
		size_t digits = 0;
		uint64_t value;

		if (i > 0 && (at == n || text[at++] != ','))
			return 0;
		while (at + digits < n && text[at + digits] >= '0' &&
		       text[at + digits] <= '9')
			if (++digits > 3)
				return 0;
		if (parse_uint(text + at, digits, 255, &value) < 0)
			return 0;
		numbers[i] = (uint8_t)value;
		at += digits;
	}
	return at;
}

static struct endpoint
from_host_port(const uint8_t numbers[HOST_PORT_NUMBERS])
{
	struct endpoint ep = {
	    .family = AF_INET,
	    .port = (uint16_t)(numbers[4] * 256 + numbers[5]),
	};

	memcpy(&ep.v4, numbers, sizeof(ep.v4));
	return ep;
}

int
endpoint_parse_port(const char *arg, size_t n, struct endpoint *ret)
{
	uint8_t numbers[HOST_PORT_NUMBERS];

	if (n == 0 || take_host_port(arg, n, numbers) != n)
		return -FERRY_EPROTO;
	*ret = from_host_port(numbers);
	return 0;
}

int
endpoint_parse_227(const char *text, size_t n, struct endpoint *ret)
{
	uint8_t numbers[HOST_PORT_NUMBERS];
	bool in_number = false;

	for (size_t i = 0; i < n; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';

		/* Only where a number begins: "1192,0,2,1,5,67" does not hold
		 * 192,0,2,1,5,67. */
		if (digit && !in_number && take_host_port(text + i, n - i, numbers) > 0) {
			*ret = from_host_port(numbers);
			return 0;
		}
		in_number = digit;
	}
	return -FERRY_EPROTO;
}

/* ---------------------------------------------------------------- EPRT and 229 */

static bool
is_delimiter(char c)
{
	return c >= 33 && c <= 126;
}

/* The bytes up to the next delimiter, which is skipped too. */
static int
take_field(const char **at, const char *end, char delimiter, struct bytes *ret)
{
	const char *stop = memchr(*at, delimiter, (size_t)(end - *at));

	if (!stop)
		return -FERRY_EPROTO;
	*ret = (struct bytes){.p = (const uint8_t *)*at, .n = (size_t)(stop - *at)};
	*at = stop + 1;
	return 0;
}

int
endpoint_parse_eprt(const char *arg, size_t n, struct endpoint *ret)
{
	const char *at = arg + 1, *end = arg + n;
	struct bytes fields[3];
	uint64_t family, port;
	struct endpoint ep;
	int r;

	if (n == 0 || !is_delimiter(arg[0]))
		return -FERRY_EPROTO;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		r = take_field(&at, end, arg[0], &fields[i]);
		if (r < 0)
			return r;
	}
	if (at != end ||
	    parse_uint((const char *)fields[0].p, fields[0].n, 65535, &family) < 0 ||
	    fields[2].n > 5 ||
	    parse_uint((const char *)fields[2].p, fields[2].n, 65535, &port) < 0)
		return -FERRY_EPROTO;
	if (family != 1 && family != 2)
		return -FERRY_EUNSUPPORTED;
	r = parse_address(family == 1 ? AF_INET : AF_INET6, (const char *)fields[1].p,
	    fields[1].n, &ep);
	if (r < 0)
		return r;
	ep.port = (uint16_t)port;
	*ret = ep;
	return 0;
}

/* "<d><d><d>port<d>" at the start of text; 0 if it does not stand there. */
static uint16_t
take_port_field(const char *text, size_t n)
{
	size_t digits = 0;
	uint64_t port;

	if (n < 5 || !is_delimiter(text[0]) || (text[0] >= '0' && text[0] <= '9') ||
	    text[1] != text[0] || text[2] != text[0])
		return 0;
	while (3 + digits < n && digits < 6 && text[3 + digits] >= '0' &&
	       text[3 + digits] <= '9')
		digits++;
	if (digits > 5 || 3 + digits == n || text[3 + digits] != text[0] ||
	    parse_uint(text + 3, digits, 65535, &port) < 0)
		return 0;
	return (uint16_t)port;
}

int
endpoint_parse_229(const char *text, size_t n, uint16_t *ret_port)
{
	uint16_t port = 0;

	/* First as RFC 2428 3 wants it, in parentheses; only then anywhere, because "..."
	 * may stand in the words before them. */
	for (size_t i = 0; i < n && port == 0; i++)
		if (text[i] == '(')
			port = take_port_field(text + i + 1, n - i - 1);
	for (size_t i = 0; i < n && port == 0; i++)
		port = take_port_field(text + i, n - i);
	if (port == 0)
		return -FERRY_EPROTO;
	*ret_port = port;
	return 0;
}

/* ---------------------------------------------------------------- writing */

/* Without the interface of a link-local address, which means nothing to another host. */
static void
write_address(const struct endpoint *ep, char out[INET6_ADDRSTRLEN])
{
	const void *address =
	    ep->family == AF_INET ? (const void *)&ep->v4 : (const void *)&ep->v6;

	if (!inet_ntop(ep->family, address, out, INET6_ADDRSTRLEN))
		out[0] = '\0';
}

size_t
endpoint_format_port(const struct endpoint *ep, char *out)
{
	uint8_t h[4];

	memcpy(h, &ep->v4, sizeof(h));
	return (size_t)snprintf(out, ENDPOINT_TEXT_MAX, "%u,%u,%u,%u,%u,%u", h[0], h[1],
	    h[2], h[3], ep->port >> 8, ep->port & 0xff);
}

size_t
endpoint_format_eprt(const struct endpoint *ep, char *out)
{
	char address[INET6_ADDRSTRLEN];

	write_address(ep, address);
	return (size_t)snprintf(out, ENDPOINT_TEXT_MAX, "|%d|%s|%u|",
	    ep->family == AF_INET ? 1 : 2, address, ep->port);
}

size_t
endpoint_format_address(const struct endpoint *ep, char *out)
{
	char address[INET6_ADDRSTRLEN];

	write_address(ep, address);
	if (ep->family == AF_INET6 && ep->scope > 0)
		return (size_t)snprintf(
		    out, ADDRESS_TEXT_MAX, "%s%%%u", address, ep->scope);
	return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s", address);
}

size_t
endpoint_format(const struct endpoint *ep, char *out)
{
	bool v6 = ep->family == AF_INET6;
	size_t n = 0;

	if (v6)
		out[n++] = '[';
	n += endpoint_format_address(ep, out + n);
	return n + (size_t)snprintf(
		       out + n, ENDPOINT_TEXT_MAX - n, v6 ? "]:%u" : ":%u", ep->port);
}

/* ---------------------------------------------------------------- kernel, numeric text
 */

int
endpoint_from_sockaddr(const struct sockaddr *sa, struct endpoint *ret)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&in, sa, sizeof(in));
		*ret = (struct endpoint){
		    .family = AF_INET,
		    .port = ntohs(in.sin_port),
		    .v4 = in.sin_addr,
		};
		return 0;
	case AF_INET6:
		memcpy(&in6, sa, sizeof(in6));
		*ret = (struct endpoint){
		    .family = AF_INET6,
		    .port = ntohs(in6.sin6_port),
		    .scope =
			IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? in6.sin6_scope_id : 0,
		    .v6 = in6.sin6_addr,
		};
		make_canonical(ret);
		return 0;
	default:
		return -FERRY_EUNSUPPORTED;
	}
}

socklen_t
endpoint_to_sockaddr(const struct endpoint *ep, struct sockaddr_storage *ret)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET,
	    .sin_port = htons(ep->port),
	};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6,
	    .sin6_port = htons(ep->port),
	    .sin6_scope_id = ep->scope,
	};

	memset(ret, 0, sizeof(*ret));
	if (ep->family == AF_INET) {
		in.sin_addr = ep->v4;
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	in6.sin6_addr = ep->v6;
	memcpy(ret, &in6, sizeof(in6));
	return sizeof(in6);
}

int
endpoint_from_text(const char *address, struct endpoint *ret)
{
	const char *zone = strchr(address, '%');
	size_t n = zone ? (size_t)(zone - address) : strlen(address);
	struct endpoint ep;
	uint64_t scope = 0;

	if (parse_address(strchr(address, ':') ? AF_INET6 : AF_INET, address, n, &ep) < 0)
		return -FERRY_EINVAL;
	if (zone && (ep.family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&ep.v6) ||
			parse_uint(zone + 1, strlen(zone + 1), UINT32_MAX, &scope) < 0))
		return -FERRY_EINVAL;
	ep.scope = (uint32_t)scope;
	*ret = ep;
	return 0;
}

/* ---------------------------------------------------------------- kinds of addresses */

bool
endpoint_same_address(const struct endpoint *a, const struct endpoint *b)
{
	struct endpoint x = *a, y = *b;

	make_canonical(&x);
	make_canonical(&y);
	if (x.family != y.family)
		return false;
	if (x.family == AF_INET)
		return x.v4.s_addr == y.v4.s_addr;
	/* EPRT cannot name the interface; only two that are named can differ. */
	if (x.scope > 0 && y.scope > 0 && x.scope != y.scope)
		return false;
	return memcmp(&x.v6, &y.v6, sizeof(x.v6)) == 0;
}

struct prefix {
	uint8_t head[16];
	unsigned bits;
	enum endpoint_scope scope;
};

static const struct prefix v4_prefixes[] = {
    {{0}, 8, SCOPE_UNSPECIFIED}, /* RFC 1122 3.2.1.3: "this network" */
    {{10}, 8, SCOPE_PRIVATE},
    {{100, 64}, 10, SCOPE_SHARED},
    {{127}, 8, SCOPE_LOOPBACK},
    {{169, 254}, 16, SCOPE_LINK},
    {{172, 16}, 12, SCOPE_PRIVATE},
    {{192, 0, 2}, 24, SCOPE_DOCUMENTATION},
    {{192, 168}, 16, SCOPE_PRIVATE},
    {{198, 51, 100}, 24, SCOPE_DOCUMENTATION},
    {{203, 0, 113}, 24, SCOPE_DOCUMENTATION},
    {{224}, 4, SCOPE_MULTICAST},
    {{255, 255, 255, 255}, 32, SCOPE_MULTICAST},
};

static const struct prefix v6_prefixes[] = {
    {{0}, 128, SCOPE_UNSPECIFIED},
    {{[15] = 1}, 128, SCOPE_LOOPBACK},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, SCOPE_DOCUMENTATION},
    {{0x3f, 0xff}, 20, SCOPE_DOCUMENTATION}, /* RFC 9637 */
    {{0xfc}, 7, SCOPE_PRIVATE},
    {{0xfe, 0x80}, 10, SCOPE_LINK},
    {{0xfe, 0xc0}, 10, SCOPE_PRIVATE}, /* RFC 3879: site-local of old */
    {{0xff}, 8, SCOPE_MULTICAST},
};

static bool
has_prefix(const uint8_t *address, const struct prefix *p)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (memcmp(address, p->head, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ p->head[whole]) >> (8 - rest) == 0;
}

static enum endpoint_scope
find_scope(const uint8_t *address, const struct prefix *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (has_prefix(address, &table[i]))
			return table[i].scope;
	return SCOPE_PUBLIC;
}

enum endpoint_scope
endpoint_scope_of(const struct endpoint *ep)
{
	struct endpoint x = *ep;

	make_canonical(&x);
	if (x.family == AF_INET)
		return find_scope(
		    (const uint8_t *)&x.v4, v4_prefixes, ARRAY_LEN(v4_prefixes));
	return find_scope(x.v6.s6_addr, v6_prefixes, ARRAY_LEN(v6_prefixes));
}

const char *
endpoint_scope_name(enum endpoint_scope scope)
{
	static const char *const names[] = {
	    [SCOPE_PUBLIC] = "public",
	    [SCOPE_PRIVATE] = "private",
	    [SCOPE_SHARED] = "shared (carrier-grade NAT)",
	    [SCOPE_LINK] = "link-local",
	    [SCOPE_LOOPBACK] = "loopback",
	    [SCOPE_UNSPECIFIED] = "unspecified",
	    [SCOPE_MULTICAST] = "multicast",
	    [SCOPE_DOCUMENTATION] = "documentation",
	};

	return (size_t)scope < ARRAY_LEN(names) ? names[scope] : "unknown";
}
