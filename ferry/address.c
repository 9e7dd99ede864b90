/*
 * Addresses of events as text and kind, for the narration and the verdicts. Looks nothing
 * up.
 */
#include "address.h"

#include "own.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

/* The IPv4 address in a, mapped ones included. */
static bool
as_ipv4(const struct sockaddr_storage *a, uint32_t *ret)
{
	if (a->ss_family == AF_INET) {
		*ret = ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr);
		return true;
	}
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
	if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(v6))
		return false;
	memcpy(ret, &v6->s6_addr[12], sizeof *ret);
	*ret = ntohl(*ret);
	return true;
}

const char *
address_text(const struct sockaddr_storage *a, char *out)
{
	uint32_t v4;

	snprintf(out, ADDRESS_TEXT_MAX, "?");
	if (as_ipv4(a, &v4))
		snprintf(out, ADDRESS_TEXT_MAX, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255,
		    v4 >> 8 & 255, v4 & 255);
	else if (a->ss_family == AF_INET6)
		getnameinfo((const struct sockaddr *)a, sizeof(struct sockaddr_in6), out,
		    ADDRESS_TEXT_MAX, NULL, 0, NI_NUMERICHOST);
	return out;
}

int
address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	char host[ADDRESS_TEXT_MAX];
	struct sockaddr_storage out = {.ss_family = AF_INET};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
	size_t n = strcspn(text, "%");

	if (n >= sizeof host)
		return -1;
	snprintf(host, sizeof host, "%.*s", (int)n, text);
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	} else {
		return -1;
	}
	*ret = out;
	return 0;
}

uint16_t
address_port(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)a)->sin_port);
	if (a->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
	return 0;
}

void
address_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	if (a->ss_family == AF_INET6)
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

bool
address_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	uint32_t x = 0, y = 0;
	bool x4 = as_ipv4(a, &x), y4 = as_ipv4(b, &y);

	if (x4 || y4)
		return x4 && y4 && x == y;
	return a->ss_family == AF_INET6 && b->ss_family == AF_INET6 &&
	       IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
		   &((const struct sockaddr_in6 *)b)->sin6_addr);
}

static enum address_kind
kind_ipv4(uint32_t a)
{
	if (a == 0)
		return ADDRESS_NOWHERE;
	if (a >> 24 == 127)
		return ADDRESS_LOOPBACK;
	if (a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8)
		return ADDRESS_PRIVATE;
	if (a >> 22 == 0x191) /* 100.64/10 */
		return ADDRESS_SHARED;
	if (a >> 16 == 0xa9fe)
		return ADDRESS_LINK;
	return ADDRESS_PUBLIC;
}

static enum address_kind
kind_ipv6(const struct in6_addr *a)
{
	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return ADDRESS_NOWHERE;
	if (IN6_IS_ADDR_LOOPBACK(a))
		return ADDRESS_LOOPBACK;
	if (IN6_IS_ADDR_LINKLOCAL(a))
		return ADDRESS_LINK;
	if ((a->s6_addr[0] & 0xfe) == 0xfc)
		return ADDRESS_PRIVATE;
	return ADDRESS_PUBLIC;
}

enum address_kind
address_kind(const struct sockaddr_storage *a)
{
	uint32_t v4;

	if (as_ipv4(a, &v4))
		return kind_ipv4(v4);
	if (a->ss_family == AF_INET6)
		return kind_ipv6(&((const struct sockaddr_in6 *)a)->sin6_addr);
	return ADDRESS_UNKNOWN;
}

bool
address_is_inner(const struct sockaddr_storage *a)
{
	enum address_kind kind = address_kind(a);

	return kind != ADDRESS_PUBLIC && kind != ADDRESS_UNKNOWN;
}

bool
address_is_translated(const struct sockaddr_storage *a)
{
	static const uint8_t prefix[12] = {0x00, 0x64, 0xff, 0x9b};

	return a->ss_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, prefix,
		   sizeof prefix) == 0;
}

/* Four numbers with the same mark between them; *ret_end is behind the last. */
static bool
read_ipv4(const char *text, uint32_t *ret, const char **ret_end)
{
	char mark = '\0';
	uint32_t a = 0;

	for (int i = 0; i < 4; i++) {
		size_t digits = strspn(text, "0123456789");
		unsigned long n =
		    digits >= 1 && digits <= 3 ? strtoul(text, NULL, 10) : 256;

		if (n > 255)
			return false;
		a = a << 8 | (uint32_t)n;
		text += digits;
		if (i == 0)
			mark = *text;
		if (i < 3 && (*text++ != mark || (mark != '.' && mark != ',')))
			return false;
	}
	*ret = a;
	*ret_end = text;
	return true;
}

/* A word of hexadecimal digits and colons; *ret_end is behind it. */
static bool
read_ipv6(const char *text, struct in6_addr *ret, const char **ret_end)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF:");
	char word[INET6_ADDRSTRLEN];

	*ret_end = text + n;
	/* the end of a sentence or of "ADDRESS:" */
	while (n > 2 && text[n - 1] == ':' && text[n - 2] != ':')
		n--;
	if (n < 3 || n >= sizeof word || memchr(text, ':', n) == NULL)
		return false;
	memcpy(word, text, n);
	word[n] = '\0';
	return inet_pton(AF_INET6, word, ret) == 1;
}

static bool
begins_word(const char *text, const char *p)
{
	return p == text || strchr(" |([\"'=,", p[-1]) != NULL;
}

size_t
address_find(const char *text, struct sockaddr_storage *ret, size_t max)
{
	size_t n = 0;

	for (const char *p = text; *p != '\0' && n < max;) {
		const char *end = p + 1;
		struct in6_addr six;
		uint32_t a;

		if (begins_word(text, p) && read_ipv6(p, &six, &end)) {
			ret[n] = (struct sockaddr_storage){0};
			ret[n].ss_family = AF_INET6;
			((struct sockaddr_in6 *)&ret[n++])->sin6_addr = six;
			p = end;
			continue;
		}
		end = p + 1;
		if (*p >= '0' && *p <= '9') {
			end = p + strspn(p, "0123456789");
			if (read_ipv4(p, &a, &end)) {
				ret[n] = (struct sockaddr_storage){0};
				ret[n].ss_family = AF_INET;
				((struct sockaddr_in *)&ret[n++])->sin_addr.s_addr =
				    htonl(a);
				end += strspn(end, "0123456789.,");
			}
		}
		p = end;
	}
	return n;
}
