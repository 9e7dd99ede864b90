/*
 * How many sessions each client address has: for max_per_ip. For the master alone.
 */
#ifndef FERRYD_MASTER_PEERS_H
#define FERRYD_MASTER_PEERS_H

#include <sys/queue.h>

#include "endpoint.h"

#define PEERS_BUCKETS 4096

struct peer_count;

struct peers {
	SLIST_HEAD(, peer_count) bucket[PEERS_BUCKETS];
	uint64_t seed; /* random: clients must not choose their bucket */
};

void peers_init(struct peers *p);
/* Counts one more session of that address and returns the new count, 0 when memory is
 * out. */
unsigned peers_add(struct peers *p, const struct endpoint *address);
void peers_remove(struct peers *p, const struct endpoint *address);
void peers_free(struct peers *p);

#endif
