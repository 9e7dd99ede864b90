/*
 * The control connection is made: the host's addresses by turns, a new one every 250 ms
 * while none has answered (RFC 8305), at most three at a time, each with its own time
 * budget. Never sends a byte.
 */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void
dial_init(struct dial *d)
{
	*d = (struct dial){.why = BUF_INIT(ERROR_TEXT_MAX / 2)};
	for (size_t i = 0; i < DIAL_SLOTS; i++)
		d->slot[i].fd = -1;
}

void
dial_close(struct ferry *h)
{
	lookup_release(h->lookup);
	h->lookup = NULL;
	for (size_t i = 0; i < DIAL_SLOTS; i++)
		fd_closep(&h->dial.slot[i].fd);
}

static void
slot_event(struct ferry *h, const struct dial_slot *s, enum ferry_event_kind kind,
    int error, int sys_errno)
{
	struct ferry_event ev = {
	    .kind = kind,
	    .channel = FERRY_CONTROL,
	    .error = error,
	    .sys_errno = sys_errno,
	    .seconds = (double)(now_ms() - s->began) / 1000,
	};

	event_address(&ev.remote, &s->to);
	event_emit(h, ev);
}

static void
slot_failed(struct ferry *h, struct dial_slot *s, int sys_errno)
{
	struct dial *d = &h->dial;
	char place[PLACE_MAX], cause[160];

	fd_closep(&s->fd);
	h->sys_errno = sys_errno;
	say_cause(cause, sizeof(cause), sys_errno, now_ms() - s->began);
	buf_printf(&d->why, "%s%s: %s", buf_len(&d->why) ? "; " : "",
	    say_place(&s->to, place), cause);
	slot_event(h, s, FERRY_EV_CONNECT_FAILED,
	    sys_errno == ETIMEDOUT ? FERRY_ETIMEOUT : FERRY_ECONNECT, sys_errno);
	d->next_start = 0;
}

/* A non-blocking socket bound to the wanted source address, or -1. */
static int
slot_socket(struct ferry *h, int family)
{
	_cleanup_close_ int fd =
	    socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	struct sockaddr_storage sa;

	if (fd < 0)
		return -1;
	if (h->has_source) {
		struct endpoint ep = h->source;
		socklen_t len;

		ep.port = 0;
		len = endpoint_to_sockaddr(&ep, &sa);
		if (bind(fd, (struct sockaddr *)&sa, len) < 0)
			return -1;
	}
	return fd_take(&fd);
}

/* 0: connected; FERRY_AGAIN; -1: not this one. */
static int
slot_start(struct ferry *h, struct dial_slot *s)
{
	struct dial *d = &h->dial;
	struct sockaddr_storage sa;
	socklen_t len;

	s->to = d->to.at[d->next++];
	s->began = now_ms();
	s->deadline = deadline_in(h->timer[FERRY_TIMER_CONNECT]);
	d->next_start = s->began + DIAL_STAGGER_MS;
	slot_event(h, s, FERRY_EV_CONNECTING, 0, 0);
	s->fd = slot_socket(h, s->to.family);
	len = endpoint_to_sockaddr(&s->to, &sa);
	if (s->fd >= 0 && connect(s->fd, (struct sockaddr *)&sa, len) == 0)
		return 0;
	if (s->fd >= 0 && errno == EINPROGRESS)
		return FERRY_AGAIN;
	slot_failed(h, s, errno);
	return -1;
}

/* As slot_start, for an attempt under way. */
static int
slot_check(struct ferry *h, struct dial_slot *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, 0) <= 0) {
		if (!deadline_over(s->deadline))
			return FERRY_AGAIN;
		error = ETIMEDOUT;
	} else if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		error = errno;
	}
	if (error == 0)
		return 0;
	slot_failed(h, s, error);
	return -1;
}

/* One of them answered: the others are given up. */
static int
slot_won(struct ferry *h, struct dial_slot *s)
{
	int fd = fd_take(&s->fd);

	for (size_t i = 0; i < DIAL_SLOTS; i++) {
		struct dial_slot *other = &h->dial.slot[i];

		if (other->fd < 0)
			continue;
		fd_closep(&other->fd);
		slot_event(h, other, FERRY_EV_CONNECT_FAILED, FERRY_EABORTED, 0);
	}
	return control_open(h, fd, &s->to);
}

static bool
may_start(const struct dial *d, const struct ferry *h, size_t busy)
{
	if (d->next >= d->to.count)
		return false;
	/* a source address fits one family only */
	return busy == 0 || d->next_start == 0 || now_ms() >= d->next_start;
}

int
dial_work(struct ferry *h, bool *ret_moved)
{
	struct dial *d = &h->dial;
	size_t busy = 0;

	for (size_t i = 0; i < DIAL_SLOTS; i++) {
		int r;

		if (d->slot[i].fd < 0)
			continue;
		r = slot_check(h, &d->slot[i]);
		if (r == 0)
			return slot_won(h, &d->slot[i]);
		busy += r == FERRY_AGAIN;
	}
	for (size_t i = 0; i < DIAL_SLOTS; i++) {
		int r;

		if (d->slot[i].fd >= 0 || !may_start(d, h, busy))
			continue;
		*ret_moved = true;
		r = slot_start(h, &d->slot[i]);
		if (r == 0)
			return slot_won(h, &d->slot[i]);
		busy += r == FERRY_AGAIN;
	}
	if (busy > 0 || d->next < d->to.count)
		return FERRY_AGAIN;
	return fail(h, FERRY_ECONNECT, h->sys_errno, "cannot connect to %s: %s", h->host,
	    buf_len(&d->why) ? buf_cstr(&d->why) : "no address fits");
}
