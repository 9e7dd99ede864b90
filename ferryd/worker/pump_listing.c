/*
 * Listing pipe to data connection. For transfer.c. The agent has written the lines as
 * they are to be sent; must never read more from the pipe than the data connection has
 * taken.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>

#include "buf.h"
#include "listpipe.h"
#include "pump_impl.h"
#include "util.h"

struct listing_pump {
	struct pump p;
	struct listpipe *pipe;
	struct buf out; /* what the data connection did not take yet */
	bool all;       /* the listing is complete */
};

/* Sends what waits; the pipe goes on when nothing does. */
static void
send_on(struct listing_pump *l)
{
	struct conn *c = l->p.plan.conn;

	while (buf_len(&l->out) > 0) {
		size_t n = 0;
		int r = conn_send(c, buf_data(&l->out), buf_len(&l->out), &n);

		if (r == FERRY_AGAIN) {
			listpipe_pause(l->pipe);
			conn_want(c, CONN_WRITABLE);
			return;
		}
		if (r < 0) {
			listpipe_pause(l->pipe);
			pump_finish(&l->p, PUMP_BROKEN, errno);
			return;
		}
		buf_consume(&l->out, n);
		pump_moved(&l->p, n);
	}
	conn_want(c, 0);
	if (l->all)
		pump_drain(&l->p);
	else
		listpipe_resume(l->pipe);
}

static void
on_bytes(void *user, const uint8_t *p, size_t n)
{
	struct listing_pump *l = user;

	if (l->p.ending)
		return;
	/* The agent at work is no stalled client. */
	l->p.moved_at = uv_now(l->p.plan.loop);
	if (buf_append(&l->out, p, n) < 0) {
		listpipe_pause(l->pipe);
		pump_finish(&l->p, PUMP_UNLISTED, ENOMEM);
		return;
	}
	send_on(l);
}

static void
on_listed(void *user, bool complete)
{
	struct listing_pump *l = user;

	if (l->p.ending)
		return;
	if (!complete) {
		pump_finish(&l->p, PUMP_UNLISTED, 0);
		return;
	}
	l->all = true;
	send_on(l);
}

static void
listing_ready(struct pump *p, unsigned events)
{
	send_on((struct listing_pump *)p);
}

static void
listing_release(struct pump *p)
{
	struct listing_pump *l = (struct listing_pump *)p;

	listpipe_free(l->pipe);
	buf_free(&l->out);
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

	if (l == NULL) {
		close(plan->fd);
		return NULL;
	}
	mine.fd = -1; /* the pipe's */
	buf_init(&l->out, 1 + LISTPIPE_CHUNK);
	l->pipe = listpipe_new(plan->loop, plan->fd, on_bytes, on_listed, l);
	if (l->pipe == NULL) {
		free(l);
		return NULL;
	}
	pump_start(&l->p, &listing_kind, &mine, 0);
	listpipe_resume(l->pipe);
	return &l->p;
}
