/*
 * The table of grants: what each login of this identity may do, where. A grant is counted
 * by everybody who works with it, so that it can be revoked while a request runs; the
 * table and each grant have a lock of their own and all functions may be called by any
 * thread.
 */
#ifndef FERRYD_AGENT_GRANTS_H
#define FERRYD_AGENT_GRANTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grant.h"

#define GRANTS_MAX 65536

struct agent;
struct channel;
struct upload;

struct grant {
	struct grant *next; /* in its bucket; guarded by the table's lock */
	const struct agent *agent;
	struct channel *channel; /* only requests that come over it may name the grant */
	_Atomic unsigned refs;
	uint32_t number;
	uint32_t rights;
	int root;         /* O_PATH; every path of the grant begins here */
	bool shared_root; /* the agent's own: not closed with the grant */
	bool anonymous;

	bool revoked;          /* guarded by lock: no upload may be added any more */
	unsigned upload_count; /* from here on all is guarded by lock */
	struct upload *uploads;
	pthread_mutex_t lock;
	uint32_t upload_last; /* number of the newest */
};

static inline bool
grant_has(const struct grant *g, uint32_t right)
{
	return (g->rights & right) == right;
}

/* A grant that is in no table yet, with one reference. Takes root unless it is shared;
 * channel gets a reference. NULL when memory is out (root is then still the caller's). */
struct grant *grant_new(const struct agent *agent, struct channel *channel,
    uint32_t number, int root, bool shared_root, uint32_t rights, bool anonymous);
struct grant *grant_ref(struct grant *g);
/* NULL is accepted. The last one closes the root; uploads have ended before. */
void grant_unref(struct grant *g);

struct grants;

struct grants *grants_new(void);
/* Revokes what is left. NULL is accepted. */
void grants_free(struct grants *t);

/* The table takes a reference of its own. 0; -EEXIST; -ENFILE past GRANTS_MAX; -EINVAL:
 * an older number than one that was there before (they are never used again). */
int grants_add(struct grants *t, struct grant *g);
/* The grant, with a reference for the caller. -EBADF: it was there and has been revoked;
 * -EPROTO: it never was, or is another channel's. */
int grants_find(struct grants *t, uint32_t number, const struct channel *channel,
    struct grant **ret_grant);
/* Takes the grant out; its uploads end as failed ones. Requests that run go on. */
void grants_revoke(struct grants *t, uint32_t number);
/* The same for all of a channel, or, with NULL, for all. */
void grants_revoke_channel(struct grants *t, const struct channel *channel);

#endif
