/*
 * The reader of PROXY headers. See proxyheader.h. One byte is looked at at a time, so how
 * the bytes are cut makes no difference. Must never take a byte behind the header, nor
 * keep more than its beginning.
 */
#include "proxyheader.h"

#include <ferry/ferry.h>
#include <string.h>

#include "util.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LEN (sizeof(V2_SIGNATURE) - 1)
#define V2_HEAD 16

static const char v1_begin[] = "PROXY ";

/* ---- what was told ---- */

/* Addresses that nobody can have: what they would lead to is this machine, or many. */
static bool
is_somebody(const struct endpoint *ep)
{
	enum endpoint_scope scope = endpoint_scope_of(ep);

	return scope != SCOPE_UNSPECIFIED && scope != SCOPE_MULTICAST;
}

static int
tell(const struct endpoint *peer, const struct endpoint *local, struct proxy_header *ret)
{
	if (peer->family != local->family || !is_somebody(peer) || !is_somebody(local))
		return -FERRY_EPROTO;
	*ret = (struct proxy_header){.told = true, .peer = *peer, .local = *local};
	return 0;
}

/* ---- version 1 ---- */

/* The text up to the next space, or all that is left: *rest is then without a pointer. */
static struct bytes
next_word(struct bytes *rest)
{
	const uint8_t *space = rest->n > 0 ? memchr(rest->p, ' ', rest->n) : NULL;
	struct bytes word = {
	    rest->p, space != NULL ? (size_t)(space - rest->p) : rest->n};

	*rest = space != NULL ? (struct bytes){space + 1, rest->n - word.n - 1}
			      : (struct bytes){NULL, 0};
	return word;
}

static bool
word_is(struct bytes word, const char *text)
{
	return word.n == strlen(text) && memcmp(word.p, text, word.n) == 0;
}

static int
take_address(struct bytes word, bool colons, struct endpoint *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (word.n >= sizeof(text) || word.n == 0 || memchr(word.p, '\0', word.n) != NULL)
		return -FERRY_EPROTO;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	if ((strchr(text, ':') != NULL) != colons || strchr(text, '%') != NULL ||
	    endpoint_from_text(text, ret) < 0)
		return -FERRY_EPROTO;
	return 0;
}

static int
take_port(struct bytes word, struct endpoint *ret)
{
	uint64_t port;

	if ((word.n > 1 && word.p[0] == '0') ||
	    parse_uint((const char *)word.p, word.n, UINT16_MAX, &port) < 0)
		return -FERRY_EPROTO;
	ret->port = (uint16_t)port;
	return 0;
}

/* rest: behind PROXY, without CR LF. */
static int
parse_v1(struct bytes rest, struct proxy_header *ret)
{
	struct bytes family = next_word(&rest);
	bool v6 = word_is(family, "TCP6");
	struct endpoint peer, local;

	if (word_is(family, "UNKNOWN")) {
		*ret = (struct proxy_header){.told = false};
		return 0;
	}
	if ((!v6 && !word_is(family, "TCP4")) ||
	    take_address(next_word(&rest), v6, &peer) < 0 ||
	    take_address(next_word(&rest), v6, &local) < 0 ||
	    take_port(next_word(&rest), &peer) < 0 ||
	    take_port(next_word(&rest), &local) < 0 || rest.p != NULL)
		return -FERRY_EPROTO;
	return tell(&peer, &local, ret);
}

static int
look_at_v1(const struct proxy_reader *r, struct proxy_header *ret)
{
	size_t begin = sizeof(v1_begin) - 1;

	if (r->n < begin || r->bytes[r->n - 1] != '\n')
		return r->n < PROXY_V1_MAX ? FERRY_AGAIN : -FERRY_EPROTO;
	if (r->bytes[r->n - 2] != '\r')
		return -FERRY_EPROTO;
	return parse_v1((struct bytes){r->bytes + begin, r->n - 2 - begin}, ret);
}

/* ---- version 2 ---- */

enum v2_command { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum v2_family { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21 };

static size_t
v2_length(const struct proxy_reader *r)
{
	return (size_t)r->bytes[14] << 8 | r->bytes[15];
}

static struct endpoint
v4_at(const uint8_t *address, const uint8_t *port)
{
	struct endpoint ep = {.family = AF_INET};

	memcpy(&ep.v4, address, sizeof(ep.v4));
	ep.port = (uint16_t)(port[0] << 8 | port[1]);
	return ep;
}

static struct endpoint
v6_at(const uint8_t *address, const uint8_t *port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct endpoint ep = {0};

	memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
	memcpy(&in6.sin6_port, port, sizeof(in6.sin6_port));
	(void)endpoint_from_sockaddr((const struct sockaddr *)&in6, &ep);
	return ep;
}

/* The first 16 bytes tell whether the rest is worth waiting for. */
static int
check_v2(const struct proxy_reader *r)
{
	unsigned command = r->bytes[12], family = r->bytes[13];
	size_t length = v2_length(r);

	if ((command != V2_LOCAL && command != V2_PROXY) || length > PROXY_V2_MAX)
		return -FERRY_EPROTO;
	if (command == V2_LOCAL || family == V2_UNSPEC)
		return 0;
	if ((family == V2_TCP4 && length >= 12) || (family == V2_TCP6 && length >= 36))
		return 0;
	return -FERRY_EPROTO;
}

static int
parse_v2(const struct proxy_reader *r, struct proxy_header *ret)
{
	const uint8_t *p = r->bytes + V2_HEAD;
	struct endpoint peer, local;

	if (r->bytes[12] == V2_LOCAL || r->bytes[13] == V2_UNSPEC) {
		*ret = (struct proxy_header){.told = false};
		return 0;
	}
	if (r->bytes[13] == V2_TCP4) {
		peer = v4_at(p, p + 8);
		local = v4_at(p + 4, p + 10);
	} else {
		peer = v6_at(p, p + 32);
		local = v6_at(p + 16, p + 34);
	}
	return tell(&peer, &local, ret);
}

static int
look_at_v2(const struct proxy_reader *r, struct proxy_header *ret)
{
	if (r->n == V2_HEAD && check_v2(r) < 0)
		return -FERRY_EPROTO;
	if (r->n < V2_HEAD || r->n < V2_HEAD + v2_length(r))
		return FERRY_AGAIN;
	return parse_v2(r, ret);
}

/* ---- both ---- */

static bool
begins(const struct proxy_reader *r, const char *with, size_t n)
{
	return memcmp(r->bytes, with, r->n < n ? r->n : n) == 0;
}

static int
look(const struct proxy_reader *r, struct proxy_header *ret)
{
	if (begins(r, v1_begin, sizeof(v1_begin) - 1))
		return look_at_v1(r, ret);
	if (begins(r, V2_SIGNATURE, V2_SIGNATURE_LEN))
		return look_at_v2(r, ret);
	return -FERRY_EPROTO;
}

int
proxy_feed(struct proxy_reader *r, const uint8_t *p, size_t n, size_t *ret_used,
    struct proxy_header *ret)
{
	int e = FERRY_AGAIN;
	size_t used = 0;

	while (used < n && e == FERRY_AGAIN) {
		if (r->n < sizeof(r->bytes))
			r->bytes[r->n] = p[used];
		r->n++;
		used++;
		e = look(r, ret);
	}
	*ret_used = used;
	return e;
}
