/*
 * Any bytes as PORT, EPRT, 227 and 229: what is accepted can be written and read back as
 * the same, and what is refused leaves the result alone.
 */
#include <assert.h>
#include <string.h>

#include <ferry/ferry.h>

#include "endpoint.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct endpoint untouched = {.family = -1};

static bool
same(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_same_address(a, b) && a->family == b->family &&
	       a->port == b->port;
}

/* All that can be written of ep is bounded, and says the same. */
static void
check_written(const struct endpoint *ep)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	struct endpoint back;
	size_t n;
	int r;

	assert(ep->family == AF_INET || ep->family == AF_INET6);
	n = endpoint_format_eprt(ep, text);
	r = endpoint_parse_eprt(text, n, &back);
	assert(n == strlen(text) && r == 0 && same(ep, &back));
	n = endpoint_format_address(ep, text);
	r = endpoint_from_text(text, &back);
	assert(n == strlen(text) && r == 0 && back.scope == ep->scope);
	assert(endpoint_same_address(ep, &back));
	assert(endpoint_format(ep, text) > n);
	endpoint_to_sockaddr(ep, &ss);
	r = endpoint_from_sockaddr((const struct sockaddr *)&ss, &back);
	assert(r == 0 && same(ep, &back) && back.scope == ep->scope);
	assert(endpoint_scope_of(ep) == endpoint_scope_of(&back));
	if (ep->family == AF_INET) {
		n = endpoint_format_port(ep, text);
		r = endpoint_parse_port(text, n, &back);
		assert(n == strlen(text) && r == 0 && same(ep, &back));
		r = endpoint_parse_227(text, n, &back);
		assert(r == 0 && same(ep, &back));
	}
}

static void
check_parser(
    int (*parse)(const char *, size_t, struct endpoint *), const char *text, size_t n)
{
	struct endpoint ep = untouched;

	if (parse(text, n, &ep) == 0)
		check_written(&ep);
	else
		assert(memcmp(&ep, &untouched, sizeof(ep)) == 0);
}

/* A PORT argument is also good inside a 227, with any words around it that hold no digit.
 */
static void
check_port_in_227(const char *text, size_t n)
{
	struct endpoint a, b;
	char reply[64];
	int r;

	if (n > 32 || endpoint_parse_port(text, n, &a) < 0)
		return;
	memcpy(reply, "Mode (", 6);
	memcpy(reply + 6, text, n);
	memcpy(reply + 6 + n, ").", 2);
	r = endpoint_parse_227(reply, n + 8, &b);
	assert(r == 0 && same(&a, &b));
}

static void
check_sockaddr(const uint8_t *data, size_t size)
{
	struct sockaddr_storage ss = {0};
	struct endpoint ep = untouched;

	if (size > sizeof(ss))
		size = sizeof(ss);
	memcpy(&ss, data, size);
	if (endpoint_from_sockaddr((const struct sockaddr *)&ss, &ep) == 0)
		check_written(&ep);
	ss.ss_family = AF_INET6;
	assert(endpoint_from_sockaddr((const struct sockaddr *)&ss, &ep) == 0);
	check_written(&ep);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct endpoint ep = untouched;
	uint16_t port = 0;
	char *copy;
	int r;

	if (size == 0 || size > 4096)
		return 0;
	check_parser(endpoint_parse_port, text, size);
	check_parser(endpoint_parse_eprt, text, size);
	check_parser(endpoint_parse_227, text, size);
	check_port_in_227(text, size);
	r = endpoint_parse_229(text, size, &port);
	assert((r == 0) == (port > 0));
	copy = strndup(text, size);
	assert(copy);
	if (endpoint_from_text(copy, &ep) == 0)
		check_written(&ep);
	free(copy);
	check_sockaddr(data, size);
	return 0;
}
