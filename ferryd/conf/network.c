/*
 * Ranges of addresses. For the parser of ferryd.conf, and for the processes that ask
 * which section a client belongs to. Pure.
 */
#include "network.h"

#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define ADDRESS_BYTES 16

/* The bytes of an address, and how many there are. */
static size_t
bytes_of_address(const struct endpoint *ep, uint8_t out[ADDRESS_BYTES])
{
	size_t n = ep->family == AF_INET ? sizeof(ep->v4) : sizeof(ep->v6);

	memcpy(out, ep->family == AF_INET ? (const void *)&ep->v4 : (const void *)&ep->v6,
	    n);
	return n;
}

/* Which bits of byte i lie within the prefix. */
static uint8_t
mask_of(unsigned prefix, size_t i)
{
	if (prefix >= 8 * (i + 1))
		return 0xff;
	return prefix <= 8 * i ? 0 : (uint8_t)(0xff << (8 * (i + 1) - prefix));
}

/* Whatever lies behind the prefix becomes 0. True if all of it was. */
static bool
mask(struct network *n)
{
	uint8_t *p = n->address.family == AF_INET ? (uint8_t *)&n->address.v4
						  : (uint8_t *)&n->address.v6;
	size_t size =
	    n->address.family == AF_INET ? sizeof(n->address.v4) : sizeof(n->address.v6);
	bool was = true;

	for (size_t i = 0; i < size; i++) {
		was = was && (p[i] & ~mask_of(n->prefix, i)) == 0;
		p[i] &= mask_of(n->prefix, i);
	}
	return was;
}

int
network_parse(const char *text, struct network *ret, bool *ret_exact)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[ENDPOINT_TEXT_MAX];
	struct network n;
	uint64_t prefix;

	if (len >= sizeof(address) || strchr(text, '%') != NULL)
		return -FERRY_EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (endpoint_from_text(address, &n.address) < 0)
		return -FERRY_EINVAL;
	prefix = n.address.family == AF_INET ? 32 : 128;
	if (slash != NULL &&
	    parse_uint(slash + 1, strlen(slash + 1), prefix, &prefix) < 0)
		return -FERRY_EINVAL;
	n.prefix = (unsigned)prefix;
	*ret_exact = mask(&n);
	*ret = n;
	return 0;
}

bool
network_contains(const struct network *n, const struct endpoint *address)
{
	uint8_t a[ADDRESS_BYTES], b[ADDRESS_BYTES];

	if (n->address.family != address->family)
		return false;
	size_t size = bytes_of_address(&n->address, a);
	bytes_of_address(address, b);
	for (size_t i = 0; i < size; i++) {
		if (((a[i] ^ b[i]) & mask_of(n->prefix, i)) != 0)
			return false;
	}
	return true;
}

size_t
network_format(const struct network *n, char *out)
{
	size_t at = endpoint_format_address(&n->address, out);

	return at + (size_t)snprintf(out + at, ENDPOINT_TEXT_MAX - at, "/%u", n->prefix);
}
