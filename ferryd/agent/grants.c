/*
 * The table of grants. See grants.h.
 */
#include "grants.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"
#include "upload.h"

#define GRANT_BUCKETS 4096

struct grants {
	pthread_mutex_t lock;
	size_t count;
	uint32_t last; /* highest number ever seen */
	struct grant *bucket[GRANT_BUCKETS];
};

struct grant *
grant_new(const struct agent *agent, struct channel *channel, uint32_t number, int root,
    bool shared_root, uint32_t rights, bool anonymous)
{
	struct grant *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	*g = (struct grant){
	    .refs = 1,
	    .agent = agent,
	    .channel = channel_ref(channel),
	    .number = number,
	    .root = root,
	    .shared_root = shared_root,
	    .rights = rights,
	    .anonymous = anonymous,
	};
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

struct grant *
grant_ref(struct grant *g)
{
	g->refs++;
	return g;
}

void
grant_unref(struct grant *g)
{
	if (!g || --g->refs > 0)
		return;
	if (!g->shared_root)
		close(g->root);
	channel_unref(g->channel);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct grants *
grants_new(void)
{
	struct grants *t = calloc(1, sizeof(*t));

	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

void
grants_free(struct grants *t)
{
	if (!t)
		return;
	grants_revoke_channel(t, NULL);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Where the grant hangs, or the end of its bucket. The lock is held. */
static struct grant **
grants_slot(struct grants *t, uint32_t number)
{
	struct grant **at = &t->bucket[number % GRANT_BUCKETS];

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static int
grants_add_locked(struct grants *t, struct grant *g)
{
	struct grant **at = grants_slot(t, g->number);

	if (*at)
		return -EEXIST;
	if (g->number <= t->last)
		return -EINVAL;
	if (t->count >= GRANTS_MAX)
		return -ENFILE;
	t->last = g->number;
	t->count++;
	*at = grant_ref(g);
	return 0;
}

int
grants_add(struct grants *t, struct grant *g)
{
	pthread_mutex_lock(&t->lock);
	int r = grants_add_locked(t, g);
	pthread_mutex_unlock(&t->lock);
	return r;
}

int
grants_find(struct grants *t, uint32_t number, const struct channel *channel,
    struct grant **ret_grant)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	struct grant *g = *grants_slot(t, number);
	if (!g)
		r = number <= t->last ? -EBADF : -EPROTO;
	else if (g->channel != channel)
		r = -EPROTO;
	else
		*ret_grant = grant_ref(g);
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* Called without the lock: ending uploads works on the disk. */
static void
grant_end(struct grant *g)
{
	upload_end_all(g);
	grant_unref(g);
}

static struct grant *
grants_take(struct grants *t, struct grant **at)
{
	struct grant *g = *at;

	if (g) {
		*at = g->next;
		g->next = NULL;
		t->count--;
	}
	return g;
}

void
grants_revoke(struct grants *t, uint32_t number)
{
	pthread_mutex_lock(&t->lock);
	struct grant *g = grants_take(t, grants_slot(t, number));
	pthread_mutex_unlock(&t->lock);
	if (g)
		grant_end(g);
}

void
grants_revoke_channel(struct grants *t, const struct channel *channel)
{
	struct grant *ended = NULL;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < GRANT_BUCKETS; i++) {
		for (struct grant **at = &t->bucket[i]; *at;) {
			if (channel && (*at)->channel != channel) {
				at = &(*at)->next;
				continue;
			}
			struct grant *g = grants_take(t, at);
			g->next = ended;
			ended = g;
		}
	}
	pthread_mutex_unlock(&t->lock);
	while (ended) {
		struct grant *g = ended;
		ended = g->next;
		grant_end(g);
	}
}
