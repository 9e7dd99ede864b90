/*
 * The data connection itself: dialled (passive) or waited for (active). Which of the two,
 * and where to, is ladder.c's business. Never listens longer than for one call, and never
 * takes a call from anyone but the control connection's peer (RFC 2577 4).
 */
#include "client.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#define LISTEN_TRIES 64 /* ports of the given range that are tried */

void
data_init(struct data *d)
{
	*d = (struct data){.fd = -1, .listener = -1};
}

static void
data_event(struct ferry *h, enum ferry_event_kind kind, int error, int sys_errno)
{
	struct ferry_event ev = {
	    .kind = kind,
	    .channel = FERRY_DATA,
	    .mode = h->ladder.now,
	    .error = error,
	    .sys_errno = sys_errno,
	    .seconds = (double)(now_ms() - h->data.began) / 1000,
	};

	event_address(&ev.local, &h->data.local);
	event_address(&ev.remote, &h->data.remote);
	event_emit(h, ev);
}

static int
get_local(int fd, struct endpoint *ret)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	return endpoint_from_sockaddr((struct sockaddr *)&sa, ret);
}

/* A non-blocking socket on our address of the control connection: from another one, a
 * server that compares addresses would refuse us. */
static int
data_socket(struct ferry *h, uint16_t port)
{
	struct endpoint ep = h->control.local;
	_cleanup_close_ int fd =
	    socket(ep.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;

	if (fd < 0)
		return -1;
	if (port)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else
		(void)setsockopt(
		    fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	ep.port = port;
	len = endpoint_to_sockaddr(&ep, &sa);
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		return -1;
	return fd_take(&fd);
}

/* What the peer sees when the socket is closed, by us or because we died: a reset, or an
 * end of file. */
static void
set_reset(int fd, bool reset)
{
	struct linger now = {.l_onoff = reset};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* A program that is killed in the middle of an upload must not look like one that has
 * sent it all: an end of file would make the server replace the old file with half a new
 * one. */
static void
opened(struct ferry *h, enum ferry_event_kind kind)
{
	struct data *d = &h->data;

	d->open = true;
	d->deadline = 0;
	/* the end of a file must not wait until its beginning is confirmed */
	(void)setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	set_reset(d->fd, h->xfer.upload);
	data_event(h, kind, 0, 0);
}

/* ---------------------------------------------------------------- passive */

static int
dial_failed(struct ferry *h, int sys_errno)
{
	struct data *d = &h->data;

	fd_closep(&d->fd);
	d->deadline = 0;
	d->sys_errno = sys_errno;
	data_event(h, FERRY_EV_CONNECT_FAILED,
	    sys_errno == ETIMEDOUT ? FERRY_ETIMEOUT : FERRY_EDATA, sys_errno);
	return -FERRY_EDATA;
}

static int
dial_done(struct ferry *h)
{
	struct data *d = &h->data;

	if (get_local(d->fd, &d->local) < 0)
		return dial_failed(h, ENOTCONN);
	opened(h, FERRY_EV_CONNECTED);
	return 0;
}

int
data_dial(struct ferry *h, const struct endpoint *to)
{
	struct data *d = &h->data;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(to, &sa);

	data_close(h, 0, false);
	d->last_port = d->remote.port;
	d->remote = *to;
	d->local = (struct endpoint){0};
	d->began = now_ms();
	d->deadline = deadline_in(ladder_budget(h));
	data_event(h, FERRY_EV_CONNECTING, 0, 0);
	d->fd = data_socket(h, 0);
	d->secret = h->control.tls != NULL;
	if (d->fd < 0)
		return dial_failed(h, errno);
	if (connect(d->fd, (struct sockaddr *)&sa, len) == 0)
		return dial_done(h);
	if (errno != EINPROGRESS)
		return dial_failed(h, errno);
	/* for those who want to know which port of ours got no answer */
	(void)get_local(d->fd, &d->local);
	return FERRY_AGAIN;
}

int
data_dial_work(struct ferry *h)
{
	struct data *d = &h->data;
	struct pollfd p = {.fd = d->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, 0) <= 0)
		return deadline_over(d->deadline) ? dial_failed(h, ETIMEDOUT)
						  : FERRY_AGAIN;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	return error ? dial_failed(h, error) : dial_done(h);
}

/* ---------------------------------------------------------------- active */

static int
listen_on(struct ferry *h, uint16_t port)
{
	_cleanup_close_ int fd = data_socket(h, port);

	if (fd < 0 || listen(fd, 4) < 0)
		return -1;
	return fd_take(&fd);
}

/* Some port of the range, beginning anywhere in it so that it cannot be guessed. */
static int
listen_in_range(struct ferry *h)
{
	unsigned count = (unsigned)h->active_high - h->active_low + 1;
	unsigned start = 0;

	if (h->active_low == 0)
		return listen_on(h, 0);
	if (getrandom(&start, sizeof(start), 0) < 0)
		start = (unsigned)now_ns();
	start %= count;
	for (unsigned i = 0; i < count && i < LISTEN_TRIES; i++) {
		int fd = listen_on(h, (uint16_t)(h->active_low + (start + i) % count));

		if (fd >= 0 || errno != EADDRINUSE)
			return fd;
	}
	errno = EADDRINUSE;
	return -1;
}

int
data_listen(struct ferry *h, struct endpoint *ret_told)
{
	struct data *d = &h->data;
	struct ferry_event ev = {
	    .kind = FERRY_EV_LISTENING,
	    .channel = FERRY_DATA,
	    .mode = h->ladder.now,
	};

	data_close(h, 0, false);
	d->began = now_ms();
	d->remote = (struct endpoint){0};
	d->listener = listen_in_range(h);
	d->secret = h->control.tls != NULL;
	if (d->listener < 0 || get_local(d->listener, &d->local) < 0) {
		d->sys_errno = errno;
		fd_closep(&d->listener);
		return -FERRY_EDATA;
	}
	event_address(&ev.local, &d->local);
	event_emit(h, ev);
	*ret_told = d->local;
	if (h->has_active_address && h->active_address.family == d->local.family) {
		*ret_told = h->active_address;
		ret_told->port = d->local.port;
	}
	return 0;
}

/* One caller from the queue. 0: the right one; FERRY_AGAIN: nobody, or a stranger. */
static int
take_call(struct ferry *h, bool *ret_moved)
{
	struct data *d = &h->data;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	_cleanup_close_ int fd = accept4(
	    d->listener, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ferry_event ev = {.kind = FERRY_EV_STRANGER, .channel = FERRY_DATA};
	struct endpoint from;

	if (fd < 0)
		return FERRY_AGAIN;
	*ret_moved = true;
	if (endpoint_from_sockaddr((struct sockaddr *)&sa, &from) < 0)
		return FERRY_AGAIN;
	if (!endpoint_same_address(&from, &h->control.remote)) {
		event_address(&ev.remote, &from);
		event_emit(h, ev);
		return FERRY_AGAIN;
	}
	d->remote = from;
	(void)get_local(fd, &d->local);
	d->fd = fd_take(&fd);
	return 0;
}

int
data_accept(struct ferry *h, bool *ret_moved)
{
	struct data *d = &h->data;
	int r = take_call(h, ret_moved);

	if (r != 0)
		return r;
	fd_closep(&d->listener);
	opened(h, FERRY_EV_ACCEPTED);
	return 0;
}

/* ---------------------------------------------------------------- bytes */

static void
note_tls(struct ferry *h)
{
	const struct tls *t = h->data.tls;

	if (t && t->broken)
		snprintf(h->xfer.tls_why, sizeof(h->xfer.tls_why), "%s", t->why);
}

int
data_secure(struct ferry *h, bool *ret_moved)
{
	struct data *d = &h->data;
	int r;

	if (!d->secret || (d->tls && d->tls->done))
		return 0;
	/* it broke behind the final reply: without it nobody vouches for who is there */
	if (!d->tls && !h->control.tls)
		return -FERRY_ETLS;
	if (!d->tls && tls_new(h, d->fd, true, &d->tls) < 0)
		return fail_memory(h);
	r = tls_handshake(d->tls);
	if (r == FERRY_AGAIN)
		return r;
	*ret_moved = true;
	note_tls(h);
	return r < 0 ? r : trust_judge(d->tls);
}

ssize_t
data_recv(struct ferry *h, void *p, size_t n)
{
	struct data *d = &h->data;
	ssize_t got = d->tls ? tls_read(d->tls, p, n) : recv(d->fd, p, n, 0);

	note_tls(h);
	return got;
}

ssize_t
data_send(struct ferry *h, const void *p, size_t n)
{
	struct data *d = &h->data;
	ssize_t sent = d->tls ? tls_write(d->tls, p, n) : send(d->fd, p, n, MSG_NOSIGNAL);

	note_tls(h);
	return sent;
}

int
data_finish(struct ferry *h)
{
	struct data *d = &h->data;

	if (d->tls && tls_close_notify(d->tls) == FERRY_AGAIN)
		return FERRY_AGAIN;
	shutdown(d->fd, SHUT_WR);
	return 0;
}

short
data_events(const struct ferry *h, short usual)
{
	const struct tls *t = h->data.tls;

	return t && t->wants ? t->wants : usual;
}

/* ---------------------------------------------------------------- the end */

bool
data_is_idle(struct ferry *h)
{
	uint8_t byte;

	/* a byte that comes is lost: so is the connection then */
	return data_recv(h, &byte, sizeof(byte)) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

/* The peer of an orderly end hears it, and what it sent besides is not wasted. */
static void
end_tls(struct data *d, bool reset)
{
	if (d->tls && !reset) {
		(void)tls_close_notify(d->tls);
		tls_drain(d->tls);
	}
	tls_freep(&d->tls);
}

void
data_close(struct ferry *h, int error, bool reset)
{
	struct data *d = &h->data;
	bool was_open = d->open;

	end_tls(d, reset);
	if (d->fd >= 0)
		set_reset(d->fd, reset);
	fd_closep(&d->fd);
	fd_closep(&d->listener);
	d->open = false;
	d->deadline = 0;
	if (was_open)
		data_event(h, FERRY_EV_CLOSED, error, 0);
}

unsigned
data_unsent(const struct ferry *h)
{
	int left = 0;

	if (h->data.fd < 0 || ioctl(h->data.fd, SIOCOUTQ, &left) < 0 || left < 1)
		return 0;
	/* the end of the stream counts for one */
	return (unsigned)left - 1;
}
