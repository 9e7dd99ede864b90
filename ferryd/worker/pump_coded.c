/*
 * File to data connection where bytes are not sent as they are: TYPE A, MODE B, MODE Z.
 * For pump_file.c. Must never wait for a disk in the loop, nor pack there: what is not in
 * the page cache, and all of MODE Z, is made by a thread.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "outflow.h"
#include "pump_impl.h"
#include "util.h"

/* Bytes read, and perhaps packed, before others have their turn. */
#define TURN (128 * 1024)

struct coded_pump {
	struct pump p;
	struct outflow flow;
	uint64_t offset; /* next byte to read */
	uint64_t left;
	bool failed; /* the file cannot be read: error; only the word of it is to be sent
		      */
	int error;
};

/* ---- in the loop, or in a thread that has the flow for itself ---- */

/* 0; -FERRY_ESYS with errno, EAGAIN among others where flags forbid to wait;
 * -FERRY_ESHORT: the file has become shorter. */
static int
fill(struct coded_pump *c, int flags)
{
	const struct pump_plan *plan = &c->p.plan;
	size_t want = c->left < OUTFLOW_IN ? (size_t)c->left : OUTFLOW_IN;
	struct iovec iov = {.iov_base = c->flow.in, .iov_len = want};
	ssize_t n = (ssize_t)want;

	if (plan->bytes != NULL)
		memcpy(c->flow.in, plan->bytes + (c->offset - plan->offset), want);
	else
		n = preadv2(plan->fd, &iov, 1, (off_t)c->offset, flags);
	if (n <= 0)
		return n < 0 ? -FERRY_ESYS : -FERRY_ESHORT;
	outflow_took(&c->flow, (size_t)n);
	c->offset += (uint64_t)n;
	c->left -= (uint64_t)n;
	c->flow.last = c->left == 0;
	return 0;
}

/* Reads and encodes until there is no room, no file, or no turn left. Results of fill().
 */
static int
make(struct coded_pump *c, int flags)
{
	uint64_t end = c->offset + TURN;
	int r = 0;

	do {
		if (outflow_wants(&c->flow))
			r = fill(c, flags);
		if (r == 0)
			outflow_encode(&c->flow);
	} while (r == 0 && outflow_wants(&c->flow) && c->offset < end);
	return r;
}

static void
work_make(uv_work_t *work)
{
	struct coded_pump *c = work->data;

	c->p.job.result = make(c, 0);
	c->p.job.error = errno;
}

/* ---- in the loop ---- */

static void
ask_thread(struct coded_pump *c)
{
	conn_want(c->p.plan.conn, 0);
	pump_work(&c->p, work_make);
}

static void
cannot_read(struct coded_pump *c, int error)
{
	if (outflow_break(&c->flow)) {
		c->failed = true;
		c->error = error;
	} else {
		pump_finish(&c->p, PUMP_UNREAD, error);
	}
}

/* In MODE B the next file may follow at once: the client counts on the end that it reads,
 * not on our word for it. */
static void
all_is_sent(struct coded_pump *c)
{
	if (c->p.plan.coding.mode != CODING_BLOCK) {
		pump_drain(&c->p);
		return;
	}
	c->p.in_step = true;
	pump_finish(&c->p, c->failed ? PUMP_UNREAD : PUMP_DONE, c->error);
}

/* False: the socket is full, or it is over. */
static bool
send_on(struct coded_pump *c)
{
	int r = outflow_send(&c->flow, &c->p);

	if (r < 0)
		pump_finish(&c->p, PUMP_BROKEN, errno);
	else if (r == 0 && c->flow.ended)
		all_is_sent(c);
	else
		return r == 0;
	return false;
}

/* More is to be made. */
static void
go_on(struct coded_pump *c)
{
	struct pump *p = &c->p;

	if (p->plan.coding.mode == CODING_DEFLATE) {
		ask_thread(c);
		return;
	}
	int r = make(c, RWF_NOWAIT);
	if (r == -FERRY_ESYS) {
		/* Not in memory, or a file system that cannot tell: a thread finds out.
		 */
		ask_thread(c);
		return;
	}
	if (r < 0)
		cannot_read(c, 0);
	if (!p->ending)
		send_on(c);
}

static void
coded_ready(struct pump *p)
{
	struct coded_pump *c = (struct coded_pump *)p;

	if (send_on(c))
		go_on(c);
	if (!p->ending && !p->draining && !p->working)
		conn_want(p->plan.conn, CONN_WRITABLE);
}

static void
coded_worked(struct pump *p)
{
	if (p->job.result < 0)
		cannot_read((struct coded_pump *)p,
		    p->job.result == -FERRY_ESYS ? p->job.error : 0);
	if (!p->ending)
		conn_want(p->plan.conn, CONN_WRITABLE);
}

static void
coded_release(struct pump *p)
{
	outflow_free(&((struct coded_pump *)p)->flow);
}

static const struct pump_kind coded_kind = {
    .eager = true,
    .on_ready = coded_ready,
    .on_worked = coded_worked,
    .release = coded_release,
};

struct pump *
pump_coded(const struct pump_plan *plan)
{
	struct coded_pump *c = calloc(1, sizeof(*c));

	if (c == NULL || outflow_init(&c->flow, &plan->coding) < 0) {
		free(c);
		pump_plan_close(plan);
		return NULL;
	}
	c->offset = plan->offset;
	c->left = plan->length;
	c->flow.last = c->left == 0;
	return pump_start(&c->p, &coded_kind, plan, 0);
}

struct pump *
pump_rest(const struct pump_plan *plan)
{
	struct coded_pump *c = calloc(1, sizeof(*c));

	if (c == NULL || plan->length > OUTFLOW_OUT ||
	    outflow_init(&c->flow, &plan->coding) < 0) {
		free(c);
		pump_plan_close(plan);
		return NULL;
	}
	memcpy(c->flow.out, plan->bytes, plan->length);
	c->flow.out_len = plan->length;
	c->flow.last = c->flow.ended = true;
	c->p.bytes = plan->offset;
	return pump_start(&c->p, &coded_kind, plan, 0);
}
