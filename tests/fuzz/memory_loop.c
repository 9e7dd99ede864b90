/*
 * See memory_loop.h. The clock and its timers are this file's one piece of state: the
 * wrapped calls have no other way to hand them from one to the next.
 */
#include "memory_loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define TIMERS_MAX 64
#define WORKS_MAX 16

struct alarm {
	uv_timer_t *timer;
	uv_timer_cb cb;
	uint64_t due, repeat;
};

struct work {
	uv_work_t *req;
	uv_after_work_cb after;
};

static struct {
	bool on, slow, touched;
	uint64_t now;
	struct alarm alarms[TIMERS_MAX]; /* in the order in which they were started */
	size_t n;
	struct work works[WORKS_MAX];
	size_t works_n;
} loop;

uint64_t __real_uv_now(const uv_loop_t *l);
int __real_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t ms, uint64_t repeat);
int __real_uv_timer_stop(uv_timer_t *t);
void __real_uv_close(uv_handle_t *h, uv_close_cb cb);
int __real_uv_is_active(const uv_handle_t *h);
int __real_uv_queue_work(
    uv_loop_t *l, uv_work_t *req, uv_work_cb work, uv_after_work_cb after);
int __real_uv_poll_start(uv_poll_t *p, int events, uv_poll_cb cb);
ssize_t __real_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags);

uint64_t __wrap_uv_now(const uv_loop_t *l);
int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t ms, uint64_t repeat);
int __wrap_uv_timer_stop(uv_timer_t *t);
void __wrap_uv_close(uv_handle_t *h, uv_close_cb cb);
int __wrap_uv_is_active(const uv_handle_t *h);
int __wrap_uv_queue_work(
    uv_loop_t *l, uv_work_t *req, uv_work_cb work, uv_after_work_cb after);
int __wrap_uv_poll_start(uv_poll_t *p, int events, uv_poll_cb cb);
ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags);

/* ---- for the fuzzer ---- */

void
memloop_begin(void)
{
	memset(&loop, 0, sizeof(loop));
	loop.now = 1000000;
	loop.on = true;
}

void
memloop_end(void)
{
	assert(loop.n == 0 && loop.works_n == 0);
	loop.on = false;
}

static void
forget(size_t i)
{
	memmove(
	    loop.alarms + i, loop.alarms + i + 1, (--loop.n - i) * sizeof(*loop.alarms));
}

/* The timer that is due first; there is one. */
static size_t
first_alarm(void)
{
	size_t first = 0;

	for (size_t i = 1; i < loop.n; i++) {
		if (loop.alarms[i].due < loop.alarms[first].due)
			first = i;
	}
	return first;
}

bool
memloop_ring(void)
{
	if (loop.n == 0)
		return false;
	size_t i = first_alarm();
	struct alarm a = loop.alarms[i];
	forget(i);
	if (a.due > loop.now)
		loop.now = a.due;
	if (a.repeat > 0)
		__wrap_uv_timer_start(a.timer, a.cb, a.repeat, a.repeat);
	a.cb(a.timer);
	return true;
}

bool
memloop_ring_due(void)
{
	if (loop.n == 0 || loop.alarms[first_alarm()].due > loop.now)
		return false;
	return memloop_ring();
}

bool
memloop_is_armed(void)
{
	return loop.n > 0;
}

void
memloop_set_slow(bool slow)
{
	loop.slow = slow;
}

bool
memloop_touched(void)
{
	bool touched = loop.touched;

	loop.touched = false;
	return touched;
}

bool
memloop_work(void)
{
	struct work done;

	if (loop.works_n == 0)
		return false;
	done = loop.works[0];
	memmove(loop.works, loop.works + 1, --loop.works_n * sizeof(*loop.works));
	done.after(done.req, 0);
	return true;
}

/* ---- the wrapped calls ---- */

uint64_t
__wrap_uv_now(const uv_loop_t *l)
{
	return loop.on ? loop.now : __real_uv_now(l);
}

int
__wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t ms, uint64_t repeat)
{
	if (!loop.on)
		return __real_uv_timer_start(t, cb, ms, repeat);
	__wrap_uv_timer_stop(t);
	assert(loop.n < TIMERS_MAX);
	loop.alarms[loop.n++] = (struct alarm){
	    .timer = t,
	    .cb = cb,
	    .due = loop.now + ms,
	    .repeat = repeat,
	};
	return 0;
}

int
__wrap_uv_timer_stop(uv_timer_t *t)
{
	if (!loop.on)
		return __real_uv_timer_stop(t);
	for (size_t i = 0; i < loop.n; i++) {
		if (loop.alarms[i].timer == t) {
			forget(i);
			break;
		}
	}
	return 0;
}

void
__wrap_uv_close(uv_handle_t *h, uv_close_cb cb)
{
	if (loop.on && h->type == UV_TIMER)
		__wrap_uv_timer_stop((uv_timer_t *)h);
	__real_uv_close(h, cb);
}

int
__wrap_uv_is_active(const uv_handle_t *h)
{
	if (!loop.on || h->type != UV_TIMER)
		return __real_uv_is_active(h);
	for (size_t i = 0; i < loop.n; i++) {
		if ((const uv_handle_t *)loop.alarms[i].timer == h)
			return 1;
	}
	return 0;
}

int
__wrap_uv_queue_work(
    uv_loop_t *l, uv_work_t *req, uv_work_cb work, uv_after_work_cb after)
{
	if (!loop.on)
		return __real_uv_queue_work(l, req, work, after);
	assert(loop.works_n < WORKS_MAX);
	work(req);
	loop.works[loop.works_n++] = (struct work){.req = req, .after = after};
	return 0;
}

int
__wrap_uv_poll_start(uv_poll_t *p, int events, uv_poll_cb cb)
{
	loop.touched = true;
	return __real_uv_poll_start(p, events, cb);
}

/* A slow disk has nothing in memory. */
ssize_t
__wrap_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	if (loop.on && loop.slow) {
		errno = EAGAIN;
		return -1;
	}
	return __real_preadv2(fd, iov, n, at, loop.on ? 0 : flags);
}
