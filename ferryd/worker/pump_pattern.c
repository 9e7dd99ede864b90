/*
 * Bytes of no file to the data connection: SITE FERRY BLOB, which finds out whether large
 * packets arrive. For transfer.c.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>

#include "pump_impl.h"

/* Sent before other sessions have their turn. */
#define TURN (64 * 1024)

struct pattern_pump {
	struct pump p;
	uint64_t left;
};

/* 0, 1, ..., 250, again and again: a prime, so that no block is like the next one. */
static void
fill(uint8_t *out, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)((at + i) % 251);
}

static void
pattern_ready(struct pump *p)
{
	struct pattern_pump *t = (struct pattern_pump *)p;
	uint8_t chunk[TURN];
	size_t n = t->left < sizeof(chunk) ? (size_t)t->left : sizeof(chunk), sent = 0;
	int r = 0;

	if (n > 0) {
		fill(chunk, n, p->plan.length - t->left);
		r = conn_send(p->plan.conn, chunk, n, &sent);
	}
	if (r == FERRY_AGAIN)
		return;
	if (r < 0) {
		pump_finish(p, PUMP_BROKEN, errno);
		return;
	}
	t->left -= sent;
	if (sent > 0)
		pump_moved(p, sent);
	if (t->left == 0)
		pump_drain(p);
}

static const struct pump_kind pattern_kind = {
    .on_ready = pattern_ready,
};

struct pump *
pump_pattern(const struct pump_plan *plan)
{
	struct pattern_pump *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->left = plan->length;
	return pump_start(&t->p, &pattern_kind, plan, CONN_WRITABLE);
}
