/*
 * Any bytes as a PROXY header, whole and cut in different ways: the same answer, no byte
 * taken that is not the header's, and never an address that nobody has.
 */
#include <assert.h>
#include <string.h>

#include <ferry/ferry.h>

#include "proxyheader.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int result;
	size_t used;
	struct proxy_header header;
};

static struct outcome
run(const uint8_t *data, size_t size, size_t step)
{
	struct outcome o = {.result = FERRY_AGAIN};
	struct proxy_reader r = PROXY_READER_INIT;

	while (o.used < size && o.result == FERRY_AGAIN) {
		size_t left = size - o.used, n = left < step ? left : step, used;

		o.result = proxy_feed(&r, data + o.used, n, &used, &o.header);
		assert(used <= n && (o.result != FERRY_AGAIN || used == n));
		o.used += used;
	}
	assert(o.used <= 16 + PROXY_V2_MAX);
	return o;
}

static bool
same(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && endpoint_same_address(a, b);
}

static void
check_told(const struct proxy_header *h)
{
	const struct endpoint *ends[] = {&h->peer, &h->local};

	assert(h->peer.family == h->local.family);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		enum endpoint_scope scope = endpoint_scope_of(ends[i]);

		assert(scope != SCOPE_UNSPECIFIED && scope != SCOPE_MULTICAST);
		assert(ends[i]->scope == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	const size_t steps[] = {1, data[0] % 32 + 1u};
	struct outcome whole = run(data + 1, size - 1, SIZE_MAX);

	if (whole.result == 0 && whole.header.told)
		check_told(&whole.header);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct outcome cut = run(data + 1, size - 1, steps[i]);

		assert(cut.result == whole.result && cut.used == whole.used);
		if (cut.result != 0)
			continue;
		assert(cut.header.told == whole.header.told);
		assert(!cut.header.told ||
		       (same(&cut.header.peer, &whole.header.peer) &&
			   same(&cut.header.local, &whole.header.local)));
	}
	return 0;
}
