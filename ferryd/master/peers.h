/*
 * What the master knows of each client address: how many sessions it has (max_per_ip),
 * which worker has them, and who of them waits for a call to the shared passive port
 * (calls.h). For the master alone.
 */
#ifndef FERRYD_MASTER_PEERS_H
#define FERRYD_MASTER_PEERS_H

#include <sys/queue.h>

#include "endpoint.h"
#include "failures.h"
#include "probes.h"

#define PEERS_BUCKETS 4096

struct call;

TAILQ_HEAD(call_queue, call);

struct peer {
	SLIST_ENTRY(peer) next;
	struct endpoint address;
	unsigned sessions;
	unsigned home; /* index of the worker that took the latest of them */
	struct call_queue calls;
	TAILQ_ENTRY(peer) crowded_next; /* while is_crowded */
	bool is_crowded;                /* some of its calls wait for others: calls.c */
	TAILQ_ENTRY(peer) due_next;     /* while is_due */
	bool is_due; /* one of them goes on when all calls that are there are taken */
};

struct peers {
	SLIST_HEAD(, peer) bucket[PEERS_BUCKETS];
	TAILQ_HEAD(, peer) crowded, due;
	/* Takes the calls that wait at the port for all (calls_hand_over()). Or NULL. */
	void (*collect)(void *collector);
	void *collector;
	bool collecting;
	struct probes probes;
	struct failures failures; /* of their data connections */
	uint64_t seed; /* random: clients must not choose their bucket */
};

void peers_init(struct peers *p);
/* Counts one more session of that address. NULL when memory is out. */
struct peer *peers_add(struct peers *p, const struct endpoint *address);
/* One of its sessions has ended; with the last one the peer is forgotten. */
void peers_remove(struct peers *p, struct peer *peer);
/* NULL: it has no session. */
struct peer *peers_find(struct peers *p, const struct endpoint *address);
void peers_free(struct peers *p);

#endif
