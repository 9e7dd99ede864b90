/*
 * Sessions per client address, in a small hash table.
 */
#include "peers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct peer_count {
	SLIST_ENTRY(peer_count) next;
	struct endpoint address;
	unsigned sessions;
};

void
peers_init(struct peers *p)
{
	for (size_t i = 0; i < PEERS_BUCKETS; i++)
		SLIST_INIT(&p->bucket[i]);
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

static struct peer_count *
find(struct peers *p, const struct endpoint *address)
{
	struct peer_count *c;

	SLIST_FOREACH(c, &p->bucket[bucket_of(p, address)], next) {
		if (endpoint_same_address(&c->address, address))
			return c;
	}
	return NULL;
}

unsigned
peers_add(struct peers *p, const struct endpoint *address)
{
	struct peer_count *c = find(p, address);

	if (c == NULL) {
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			return 0;
		c->address = *address;
		SLIST_INSERT_HEAD(&p->bucket[bucket_of(p, address)], c, next);
	}
	return ++c->sessions;
}

void
peers_remove(struct peers *p, const struct endpoint *address)
{
	struct peer_count *c = find(p, address);

	if (c == NULL || --c->sessions > 0)
		return;
	SLIST_REMOVE(&p->bucket[bucket_of(p, address)], c, peer_count, next);
	free(c);
}

void
peers_free(struct peers *p)
{
	struct peer_count *c;

	for (size_t i = 0; i < PEERS_BUCKETS; i++) {
		while ((c = SLIST_FIRST(&p->bucket[i])) != NULL) {
			SLIST_REMOVE_HEAD(&p->bucket[i], next);
			free(c);
		}
	}
}
