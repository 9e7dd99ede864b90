/*
 * Listing pipe to data connection. For transfer.c. The agent has written the lines as
 * they are to be sent; must never read more from the pipe than the data connection has
 * taken.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "listpipe.h"
#include "outflow.h"
#include "pump_impl.h"
#include "util.h"

_Static_assert(LISTPIPE_CHUNK <= OUTFLOW_IN, "a piece of the listing fits");

struct listing_pump {
	struct pump p;
	struct listpipe *pipe;
	struct outflow flow; /* what the data connection did not take yet */
	bool failed;         /* the listing is not complete, and MODE B can say so */
};

/* In MODE B the connection goes on: see pump_coded.c. */
static void
all_is_sent(struct listing_pump *l)
{
	if (l->p.plan.coding.mode != CODING_BLOCK) {
		pump_drain(&l->p);
		return;
	}
	l->p.in_step = true;
	pump_finish(&l->p, l->failed ? PUMP_UNLISTED : PUMP_DONE, 0);
}

/* Sends what waits; the pipe goes on when nothing does. */
static void
send_on(struct listing_pump *l)
{
	struct conn *c = l->p.plan.conn;
	int r = 0;

	while (r == 0 && !l->flow.ended && outflow_encode(&l->flow))
		r = outflow_send(&l->flow, &l->p);
	if (r == 0)
		r = outflow_send(&l->flow, &l->p);
	if (r == FERRY_AGAIN) {
		listpipe_pause(l->pipe);
		conn_want(c, CONN_WRITABLE);
	} else if (r < 0) {
		listpipe_pause(l->pipe);
		pump_finish(&l->p, PUMP_BROKEN, errno);
	} else if (l->flow.ended) {
		conn_want(c, 0);
		all_is_sent(l);
	} else {
		conn_want(c, 0);
		listpipe_resume(l->pipe);
	}
}

static void
on_bytes(void *user, const uint8_t *p, size_t n)
{
	struct listing_pump *l = user;

	if (l->p.ending)
		return;
	/* The agent at work is no stalled client. */
	l->p.moved_at = uv_now(l->p.plan.loop);
	memcpy(l->flow.in, p, n);
	outflow_took(&l->flow, n);
	send_on(l);
}

static void
on_listed(void *user, bool complete)
{
	struct listing_pump *l = user;

	if (l->p.ending)
		return;
	if (complete) {
		l->flow.last = true;
	} else if (outflow_break(&l->flow)) {
		l->failed = true;
	} else {
		pump_finish(&l->p, PUMP_UNLISTED, 0);
		return;
	}
	send_on(l);
}

static void
listing_ready(struct pump *p)
{
	send_on((struct listing_pump *)p);
}

static void
listing_release(struct pump *p)
{
	struct listing_pump *l = (struct listing_pump *)p;

	listpipe_free(l->pipe);
	outflow_free(&l->flow);
}

static const struct pump_kind listing_kind = {
    .on_ready = listing_ready,
    .release = listing_release,
};

struct pump *
pump_listing(const struct pump_plan *plan)
{
	struct listing_pump *l = calloc(1, sizeof(*l));
	struct pump_plan mine = *plan;

	if (l == NULL || outflow_init(&l->flow, &plan->coding) < 0) {
		free(l);
		pump_plan_close(plan);
		return NULL;
	}
	mine.fd = -1; /* the pipe's */
	l->pipe = listpipe_new(plan->loop, plan->fd, on_bytes, on_listed, l);
	if (l->pipe == NULL) {
		outflow_free(&l->flow);
		free(l);
		return NULL;
	}
	pump_start(&l->p, &listing_kind, &mine, 0);
	listpipe_resume(l->pipe);
	return &l->p;
}
