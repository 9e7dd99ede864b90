/*
 * Bytes read, encoded, sent. See outflow.h. Must never hold more than its two buffers and
 * what the packer keeps.
 */
#include "outflow.h"

#include <ferry/ferry.h>
#include <stdlib.h>

#include "pump_impl.h"

int
outflow_init(struct outflow *o, const struct coding *coding)
{
	*o = (struct outflow){.in = malloc(OUTFLOW_IN), .out = malloc(OUTFLOW_OUT)};
	if (encoder_init(&o->encoder, coding) == 0 && o->in != NULL && o->out != NULL)
		return 0;
	outflow_free(o);
	return -FERRY_ENOMEM;
}

void
outflow_free(struct outflow *o)
{
	encoder_free(&o->encoder);
	free(o->in);
	free(o->out);
	o->in = o->out = NULL;
}

void
outflow_took(struct outflow *o, size_t n)
{
	o->in_used = 0;
	o->in_len = n;
}

bool
outflow_encode(struct outflow *o)
{
	size_t used = 0, made = 0;

	if (o->out_used == o->out_len)
		o->out_used = o->out_len = 0;
	/* One piece of room is kept for outflow_break(). */
	if (!o->ended && OUTFLOW_OUT - o->out_len >= (size_t)2 * ENCODER_ROOM)
		o->ended =
		    encoder_run(&o->encoder, o->in + o->in_used, o->in_len - o->in_used,
			o->last, &used, o->out + o->out_len,
			OUTFLOW_OUT - o->out_len - ENCODER_ROOM, &made) == 1;
	o->in_used += used;
	o->out_len += made;
	return o->ended || o->out_len > 0;
}

bool
outflow_break(struct outflow *o)
{
	size_t n = encoder_break(&o->encoder, o->out + o->out_len);

	o->out_len += n;
	o->ended = n > 0;
	return n > 0;
}

int
outflow_send(struct outflow *o, struct pump *p)
{
	while (o->out_used < o->out_len) {
		size_t n = 0;
		int r = conn_send(
		    p->plan.conn, o->out + o->out_used, o->out_len - o->out_used, &n);

		if (r != 0)
			return r;
		o->out_used += n;
		pump_moved(p, n);
	}
	/* In MODE B nothing behind it would push it out. */
	return conn_has_unsent(p->plan.conn) ? FERRY_AGAIN : 0;
}
