/*
 * Sessions per client address, in a small hash table.
 */
#include "peers.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void
peers_init(struct peers *p)
{
	for (size_t i = 0; i < PEERS_BUCKETS; i++)
		SLIST_INIT(&p->bucket[i]);
	TAILQ_INIT(&p->crowded);
	TAILQ_INIT(&p->due);
	p->collect = NULL;
	p->collecting = false;
	if (getrandom(&p->seed, sizeof(p->seed), 0) != sizeof(p->seed))
		p->seed = 0x9e3779b97f4a7c15;
}

/* FNV-1a over the address, from a random start. */
static size_t
bucket_of(const struct peers *p, const struct endpoint *a)
{
	const uint8_t *byte =
	    a->family == AF_INET ? (const uint8_t *)&a->v4 : a->v6.s6_addr;
	size_t n = a->family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
	uint64_t h = p->seed;

	for (size_t i = 0; i < n; i++)
		h = (h ^ byte[i]) * 0x100000001b3;
	return (h ^ (h >> 32)) % PEERS_BUCKETS;
}

struct peer *
peers_find(struct peers *p, const struct endpoint *address)
{
	struct peer *peer;

	SLIST_FOREACH(peer, &p->bucket[bucket_of(p, address)], next) {
		if (endpoint_same_address(&peer->address, address))
			return peer;
	}
	return NULL;
}

struct peer *
peers_add(struct peers *p, const struct endpoint *address)
{
	struct peer *peer = peers_find(p, address);

	if (peer == NULL) {
		peer = calloc(1, sizeof(*peer));
		if (peer == NULL)
			return NULL;
		peer->address = *address;
		peer->home = UINT_MAX;
		TAILQ_INIT(&peer->calls);
		SLIST_INSERT_HEAD(&p->bucket[bucket_of(p, address)], peer, next);
	}
	peer->sessions++;
	return peer;
}

/* The calls of a session go before it does: what is forgotten here has none. */
static void
forget(struct peers *p, struct peer *peer)
{
	assert(TAILQ_EMPTY(&peer->calls) && !peer->is_crowded && !peer->is_due);
	SLIST_REMOVE(&p->bucket[bucket_of(p, &peer->address)], peer, peer, next);
	free(peer);
}

void
peers_remove(struct peers *p, struct peer *peer)
{
	if (--peer->sessions == 0)
		forget(p, peer);
}

void
peers_free(struct peers *p)
{
	for (size_t i = 0; i < PEERS_BUCKETS; i++) {
		while (!SLIST_EMPTY(&p->bucket[i]))
			forget(p, SLIST_FIRST(&p->bucket[i]));
	}
}
