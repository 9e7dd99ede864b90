/*
 * The agent: one process per Unix identity, the only one that turns a path into a
 * descriptor. It does what workers ask, within the grants that the master gives, and
 * never touches the network.
 *
 * Each worker has a channel, served by a few threads that block: a slow disk holds up one
 * request, not the others. A listing runs in a thread of its own; with that of a large
 * directory a few more help.
 */
#ifndef FERRYD_AGENT_AGENT_H
#define FERRYD_AGENT_AGENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "grants.h"
#include "names.h"
#include "store.h"

/* Threads that wait for requests on one worker's channel. */
#define AGENT_THREADS 4
/* Listings that run at once for one worker. */
#define AGENT_LISTINGS_MAX 256
/* Threads that help with listings of large directories, in all. */
#define AGENT_HELPERS_MAX 3

/* One worker's channel. Kept by its threads, its grants and its listings. */
struct channel {
	struct agent *agent;
	struct channel *next; /* in the agent's list; guarded by its lock */
	uint32_t worker;
	int sock;
	int inbox; /* where its threads wait: inbox.h */
	_Atomic unsigned refs;
	_Atomic unsigned threads; /* the last one ends the channel's grants */
	_Atomic unsigned listings;
	_Atomic bool ended; /* no new grant is accepted */
};

struct channel *channel_ref(struct channel *c);
void channel_unref(struct channel *c);
/* Wakes the channel's threads for good. Any thread may call it, more than once. */
void channel_end(struct channel *c);

/* The whole process. Fields above `spare` do not change once it runs. */
struct agent {
	const struct conf *conf;
	const struct store *store;
	const struct names *names; /* NULL: numbers */
	int master;                /* the master's channel */
	int root;   /* the directory that grants with root "" begin at, or -1 */
	uid_t me;   /* whose agent it is */
	int unable; /* negative errno with which every grant is refused, or 0 */
	struct grants *grants;
	_Atomic unsigned spare; /* threads that may be started to help with listings */
	pthread_mutex_t lock;
	struct channel *channels;
};

/* conf, store and names are borrowed; root and master stay the caller's. 0 or
 * -FERRY_ENOMEM. */
int agent_init(struct agent *a, const struct conf *conf, const struct store *store,
    const struct names *names, int master, int root);

/* Serves until the master's channel ends; then all uploads have ended as failed ones. 0,
 * or -FERRY_EPROTO when the master broke a rule. Threads of worker channels may still be
 * about: leave by _exit(). */
int agent_run(struct agent *a);

/* Begins to serve a worker's channel; sock is the agent's from here on. A channel that
 * this worker had before ends. 0, -FERRY_ENOMEM or -FERRY_ESYS (no thread could be
 * started). */
int agent_add_worker(struct agent *a, uint32_t worker, int sock);

#endif
