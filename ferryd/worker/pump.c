/*
 * What all pumps share. For pump_file.c, pump_listing.c and pump_upload.c. Must never
 * block, never free what a thread still uses, and never call an end a success before it
 * is one.
 *
 * The end of a download (RFC 959 3.3; PROTOCOL 7.19, 8.8). When the last byte is in the
 * socket's buffer the client does not have it yet. 226 at that moment would be a promise
 * nobody keeps when the client goes away; waiting for the client to close first would
 * hang on clients that wait for the 226. So we shut down our side and wait until the
 * client's system has confirmed every byte and the end behind it (SIOCOUTQ counts what is
 * unconfirmed): one round trip, usually less. A connection that breaks meanwhile is a
 * failed transfer, one that confirms nothing for data_connection_timeout a stalled one.
 * What the client's program does with the bytes is between it and its kernel. A file of
 * FIRST_FLIGHT or less has left the machine by then, end and all: the round trip would be
 * a quarter of what it takes at a distance, and is not waited for. In MODE B
 * the connection goes on, and the file says itself where it ends: nothing is waited for.
 */
#include "pump.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <unistd.h>

#include "pump_impl.h"
#include "util.h"

/* The kernel has no event for "all confirmed": it is asked again after 1, 2, 4, ... ms.
 */
#define DRAIN_PAUSE_FIRST 1
#define DRAIN_PAUSE_MAX 64
/* About the first window of a connection (RFC 6928: ten segments), and what comes with an
 * agent's answer. */
#define FIRST_FLIGHT (16 * 1024)

static void on_timer(uv_timer_t *timer);

/* ---- life and end ---- */

void
pump_plan_close(const struct pump_plan *plan)
{
	if (plan->fd >= 0)
		close(plan->fd);
	free(plan->bytes);
}

static void
pump_closed(uv_handle_t *handle)
{
	struct pump *p = handle->data;

	if (p->kind->release != NULL)
		p->kind->release(p);
	pump_plan_close(&p->plan);
	free(p);
}

void
pump_free(struct pump *p)
{
	if (p == NULL || p->freed)
		return;
	p->freed = true;
	p->ending = true;
	uv_timer_stop(&p->timer);
	if (!p->working)
		uv_close((uv_handle_t *)&p->timer, pump_closed);
}

/* Tells the end if it is known and nothing hinders. */
static void
pump_tell(struct pump *p)
{
	if (!p->ending || p->working || p->told || p->freed)
		return;
	p->told = true;
	p->plan.on_end(p, p->end, p->error, p->plan.user);
}

void
pump_finish(struct pump *p, enum pump_end end, int error)
{
	if (p->ending)
		return;
	p->ending = true;
	p->end = end;
	p->error = error;
	uv_timer_stop(&p->timer);
	conn_want(p->plan.conn, 0);
	pump_tell(p);
}

void
pump_cancel(struct pump *p)
{
	pump_finish(p, PUMP_CANCELLED, 0);
}

uint64_t
pump_bytes(const struct pump *p)
{
	return p->bytes;
}

uint64_t
pump_received(const struct pump *p)
{
	return p->received;
}

uint8_t *
pump_take_unwritten(struct pump *p, size_t *ret_n)
{
	*ret_n = 0;
	return p->kind->unwritten != NULL ? p->kind->unwritten(p, ret_n) : NULL;
}

bool
pump_in_step(const struct pump *p)
{
	return p->in_step;
}

/* ---- the data connection ---- */

static void drain_on(struct pump *p);

static void
on_conn(struct conn *c, unsigned events, void *user)
{
	struct pump *p = user;

	if (p->ending)
		conn_want(c, 0);
	else if (p->draining)
		drain_on(p);
	else if ((events & CONN_BROKEN) != 0) /* TLS had taken all: no send would tell */
		pump_finish(p, PUMP_BROKEN, conn_error(c));
	else
		p->kind->on_ready(p);
}

void
pump_moved(struct pump *p, size_t n)
{
	p->bytes += n;
	p->moved_at = uv_now(p->plan.loop);
	p->plan.on_moved(p, p->plan.user);
}

/* The timer is not moved for every byte: when it rings it looks when the last one was. */
static void
watch_for_stall(struct pump *p)
{
	uint64_t now = uv_now(p->plan.loop);
	uint64_t limit = p->moved_at + (uint64_t)p->plan.stall * 1000;

	/* A slow disk is no stalled client. */
	if (p->working)
		limit = now + (uint64_t)p->plan.stall * 1000;
	if (now < limit)
		uv_timer_start(&p->timer, on_timer, limit - now, 0);
	else
		pump_finish(p, PUMP_STALLED, 0);
}

static void
on_timer(uv_timer_t *timer)
{
	struct pump *p = timer->data;

	bool paused = p->pausing;

	p->pausing = false;
	if (p->draining)
		drain_on(p);
	else
		watch_for_stall(p);
	if (paused && !p->working && !p->ending)
		p->kind->on_paused(p);
}

void
pump_pause(struct pump *p, uint64_t ms)
{
	p->pausing = true;
	uv_timer_start(&p->timer, on_timer, ms, 0);
}

struct pump *
pump_start(struct pump *p, const struct pump_kind *kind, const struct pump_plan *plan,
    unsigned want)
{
	p->kind = kind;
	p->plan = *plan;
	p->moved_at = uv_now(plan->loop);
	uv_timer_init(plan->loop, &p->timer);
	p->timer.data = p;
	p->work.data = p;
	conn_set_owner(plan->conn, on_conn, p);
	conn_want(plan->conn, want);
	watch_for_stall(p);
	return p;
}

void
pump_begin(struct pump *p)
{
	if (p->kind->eager && !p->ending)
		p->kind->on_ready(p);
}

/* ---- work that may wait for a disk ---- */

struct pump_job *
pump_job_of(uv_work_t *work)
{
	return &((struct pump *)work->data)->job;
}

static void
on_worked(uv_work_t *work, int status)
{
	struct pump *p = work->data;

	p->working = false;
	if (p->freed) {
		uv_close((uv_handle_t *)&p->timer, pump_closed);
		return;
	}
	if (p->kind->collect != NULL)
		p->kind->collect(p);
	/* What the disk took of its time is not the client's doing. */
	p->moved_at = uv_now(p->plan.loop);
	if (p->ending)
		pump_tell(p);
	else
		p->kind->on_worked(p);
}

void
pump_work(struct pump *p, void (*fn)(uv_work_t *work))
{
	p->working = true;
	uv_queue_work(p->plan.loop, &p->work, fn, on_worked);
}

/* ---- the last stretch of a download ---- */

/* Bytes from the client mean nothing during a download, but unread ones would turn our
 * close into a reset. -FERRY_ESYS: it is broken; 0 or 1: it has, or has not, ended its
 * side too. */
static int
throw_away(struct conn *c)
{
	uint8_t waste[4096];
	size_t n = 0;
	int r = conn_read(c, waste, sizeof(waste), &n);

	if (r == -FERRY_EOF)
		return 0;
	return r < 0 ? r : 1;
}

/* Nobody waits until such a file is confirmed. */
static bool
is_first_flight(const struct pump *p)
{
	return p->bytes <= FIRST_FLIGHT && !conn_owes_end(p->plan.conn);
}

static void
drain_on(struct pump *p)
{
	struct conn *c = p->plan.conn;
	int error = conn_error(c);
	int r = error != 0 ? -FERRY_ESYS : throw_away(c);

	if (r == -FERRY_ESHORT) {
		pump_finish(p, PUMP_CUT, 0);
		return;
	}
	if (r < 0) {
		pump_finish(p, PUMP_BROKEN, error != 0 ? error : errno);
		return;
	}
	size_t left = is_first_flight(p) ? 0 : conn_unconfirmed(c);
	if (left == 0) {
		pump_finish(p, PUMP_DONE, 0);
		return;
	}
	uint64_t now = uv_now(p->plan.loop);
	if (left != p->unconfirmed) {
		p->unconfirmed = left;
		p->moved_at = now;
	} else if (now >= p->moved_at + (uint64_t)p->plan.stall * 1000) {
		pump_finish(p, PUMP_STALLED, 0);
		return;
	}
	conn_want(c, r == 1 ? CONN_READABLE : 0);
	uv_timer_start(&p->timer, on_timer, p->drain_pause, 0);
	if (p->drain_pause < DRAIN_PAUSE_MAX)
		p->drain_pause *= 2;
}

void
pump_drain(struct pump *p)
{
	p->draining = true;
	p->drain_pause = DRAIN_PAUSE_FIRST;
	/* In clear the end leaves with the close that follows, in one packet with what
	 * conn_send_last() took. */
	if (conn_tls(p->plan.conn) != NULL || !is_first_flight(p))
		conn_finish(p->plan.conn);
	drain_on(p);
}
