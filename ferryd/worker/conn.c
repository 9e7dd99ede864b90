/*
 * The stream under control connections, data connections and listing pipes, on uv_poll.
 * For everyone in this folder; knows no FTP. Must never block, and never hold more than
 * CONN_MAX of output.
 */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "tls.h"
#include "util.h"

/* Room above the high-water mark: the largest reply, and answers to Telnet commands. */
#define CONN_MAX (CONN_HIGH_WATER + 96 * 1024)
/* The kernel was too short of memory to watch a socket: looked at again after this, ms.
 */
#define UNWATCHED_PAUSE 100

/* What is on the wire. */
enum conn_wire {
	WIRE_CLEAR,
	WIRE_BEFORE,   /* clear bytes are still to be sent, then the handshake begins */
	WIRE_SHAKING,  /* the handshake runs */
	WIRE_SECURE,   /* everything goes through TLS */
	WIRE_CLEARING, /* ... until both ends of TLS have said so */
};

/* Small: every session has one, and those that do nothing are many. */
struct conn {
	union {
		uv_poll_t poll;   /* from the first event on that is wanted: watched */
		uv_timer_t until; /* otherwise, in the end: keeps the memory for a turn */
	};
	uv_timer_t *nudge; /* something can be done that the socket does not tell of; made
			      when it is needed */
	uv_loop_t *loop;
	struct tls *tls; /* from WIRE_BEFORE on */
	struct buf out;
	conn_cb *cb;
	void *user;
	int fd;
	int error;        /* errno with which writing failed */
	unsigned handles; /* that need the memory: libuv's, and a thread's */
	/* Bytes, no bit-fields: a thread that has the connection reads one while the loop
	 * may write another. */
	uint8_t wire;  /* enum conn_wire */
	uint8_t armed; /* UV_ events that libuv watches now */
	uint8_t want;  /* enum conn_event that the owner asked for */
	bool watched;
	bool ending;    /* conn_finish() has still to send TLS's end */
	bool forgiving; /* the peer need not end TLS in order */
	bool over;      /* it has */
	bool cut;       /* it has not, and ended all the same */
	bool corked;
	bool closed;
	bool lent;     /* a thread has fd and tls */
	bool farewell; /* closed, and TLS is to be ended in order */
};

static void conn_ready(uv_poll_t *poll, int status, int events);

static void on_nudge(uv_timer_t *timer);

bool
conn_has_unsent(const struct conn *c)
{
	return c->tls != NULL && tls_has_unsent(c->tls);
}

/* What reading waits for on the socket, and writing: TLS may have to do the other first.
 */
bool
conn_read_waits_to_write(const struct conn *c)
{
	return c->tls != NULL && tls_read_waits_to_write(c->tls);
}

static unsigned
event_to_read(const struct conn *c)
{
	return conn_read_waits_to_write(c) ? UV_WRITABLE : UV_READABLE;
}

static unsigned
event_to_write(const struct conn *c)
{
	return c->tls != NULL && !tls_has_unsent(c->tls) &&
		       tls_write_waits_to_read(c->tls)
		   ? UV_READABLE
		   : UV_WRITABLE;
}

static unsigned
events_of(const struct conn *c)
{
	unsigned events = 0;

	if (c->wire == WIRE_SHAKING || c->wire == WIRE_CLEARING)
		events |= event_to_read(c);
	else if ((c->want & CONN_READABLE) != 0 && c->wire != WIRE_BEFORE)
		events |= event_to_read(c);
	if (c->wire == WIRE_SHAKING)
		return events;
	if ((c->want & CONN_WRITABLE) != 0 || (buf_len(&c->out) > 0 && !c->corked) ||
	    c->ending || conn_has_unsent(c))
		events |= event_to_write(c);
	return events;
}

static bool
can_nudge(struct conn *c)
{
	if (c->nudge != NULL)
		return true;
	c->nudge = malloc(sizeof(*c->nudge));
	if (c->nudge == NULL)
		return false;
	uv_timer_init(c->loop, c->nudge);
	c->nudge->data = c;
	return true;
}

/* Without memory for it the owner's own clock ends the wait. */
static void
nudge_in(struct conn *c, uint64_t ms)
{
	if (can_nudge(c))
		uv_timer_start(c->nudge, on_nudge, ms, 0);
}

/* Most small files are sent without waiting for anything: their data connections are
 * never watched, which saves the system calls of beginning and ending it. */
static bool
conn_watch(struct conn *c)
{
	if (c->watched)
		return true;
	if (uv_poll_init(c->loop, &c->poll, c->fd) < 0)
		return false;
	c->poll.data = c;
	c->watched = true;
	return true;
}

static void
conn_rearm(struct conn *c)
{
	if (c->closed || c->lent)
		return;
	unsigned events = events_of(c);
	if (c->wire == WIRE_SECURE && (c->want & CONN_READABLE) != 0 &&
	    tls_has_more(c->tls))
		nudge_in(c, 0);
	/* What is not wanted now will be again, mostly before it comes: conn_disarm(). */
	if (events == c->armed || events == 0)
		return;
	if (conn_watch(c))
		uv_poll_start(&c->poll, (int)events, conn_ready);
	else
		nudge_in(c, UNWATCHED_PAUSE);
	c->armed = c->watched ? events : 0;
}

/* Something came, and nobody wants it. */
static void
conn_disarm(struct conn *c)
{
	uv_poll_stop(&c->poll);
	c->armed = 0;
}

struct conn *
conn_new(uv_loop_t *loop, int fd, conn_cb *cb, void *user)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->loop = loop;
	c->handles = 1;
	c->fd = fd;
	c->cb = cb;
	c->user = user;
	buf_init(&c->out, CONN_MAX);
	return c;
}

static void
conn_release(struct conn *c)
{
	if (--c->handles == 0)
		free(c);
}

static void
conn_closed(uv_handle_t *handle)
{
	conn_release(handle->data);
}

/* Closed, and no thread has it. */
static void
conn_let_go(struct conn *c)
{
	if (c->farewell && c->wire == WIRE_SECURE)
		(void)tls_end(c->tls);
	tls_free(c->tls);
	c->tls = NULL;
	c->wire = WIRE_CLEAR;
	fd_closep(&c->fd);
}

static void
on_nudge_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
conn_close(struct conn *c)
{
	c->closed = true;
	buf_free(&c->out);
	if (c->nudge != NULL)
		uv_close((uv_handle_t *)c->nudge, on_nudge_closed);
	if (c->watched) {
		uv_close((uv_handle_t *)&c->poll, conn_closed);
	} else {
		uv_timer_init(c->loop, &c->until);
		c->until.data = c;
		uv_close((uv_handle_t *)&c->until, conn_closed);
	}
	if (!c->lent)
		conn_let_go(c);
}

void
conn_lend(struct conn *c)
{
	c->lent = true;
	c->handles++;
}

void
conn_take_back(struct conn *c)
{
	c->lent = false;
	if (c->closed)
		conn_let_go(c);
	else
		conn_rearm(c);
	conn_release(c);
}

void
conn_free(struct conn *c)
{
	if (c == NULL || c->closed)
		return;
	/* What is not sent can be half a reply: an end behind it would be a lie. */
	c->farewell = buf_len(&c->out) == 0;
	conn_close(c);
}

int
conn_take_fd(struct conn *c)
{
	int fd = fd_take(&c->fd);

	conn_close(c);
	return fd;
}

void
conn_reset(struct conn *c)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (c == NULL || c->closed)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	conn_close(c);
}

void
conn_set_owner(struct conn *c, conn_cb *cb, void *user)
{
	c->cb = cb;
	c->user = user;
}

int
conn_fd(const struct conn *c)
{
	return c->fd;
}

void
conn_want(struct conn *c, unsigned events)
{
	c->want = events;
	conn_rearm(c);
}

/* ---- what the kernel takes and gives now ---- */

static int
result(ssize_t n, size_t *ret_n)
{
	if (n >= 0) {
		*ret_n = (size_t)n;
		return 0;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return FERRY_AGAIN;
	return -FERRY_ESYS;
}

/* Callers above know errno alone; what TLS says beyond it is for the log. */
static int
under_tls(int r)
{
	if (r == -FERRY_EPROTO) {
		errno = EPROTO;
		return -FERRY_ESYS;
	}
	return r;
}

static int
read_secure(struct conn *c, void *p, size_t n, size_t *ret_n)
{
	int r = tls_read(c->tls, p, n, ret_n);

	if (r == -FERRY_ESHORT) {
		c->cut = true;
		errno = ECONNABORTED;
		return c->forgiving && !tls_is_torn(c->tls) ? -FERRY_EOF : r;
	}
	c->over |= r == -FERRY_EOF;
	return under_tls(r);
}

int
conn_read(struct conn *c, void *p, size_t n, size_t *ret_n)
{
	if (c->wire == WIRE_SECURE)
		return read_secure(c, p, n, ret_n);
	if (c->wire != WIRE_CLEAR)
		return FERRY_AGAIN;
	ssize_t got = read(c->fd, p, n);
	if (got == 0)
		return -FERRY_EOF;
	return result(got, ret_n);
}

static int
send_with(struct conn *c, const void *p, size_t n, int flags, size_t *ret_n)
{
	if (c->wire == WIRE_SECURE || c->wire == WIRE_CLEARING)
		return under_tls(tls_write(c->tls, p, n, ret_n));
	if (c->wire == WIRE_SHAKING)
		return FERRY_AGAIN;
	return result(send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT | flags), ret_n);
}

int
conn_send(struct conn *c, const void *p, size_t n, size_t *ret_n)
{
	return send_with(c, p, n, 0, ret_n);
}

int
conn_send_last(struct conn *c, const void *p, size_t n, size_t *ret_n)
{
	return send_with(c, p, n, MSG_MORE, ret_n);
}

bool
conn_gathers(struct conn *c)
{
	return c->wire == WIRE_CLEAR || (c->wire == WIRE_SECURE && tls_gathers(c->tls));
}

int
conn_sendfile(struct conn *c, int file, uint64_t *offset, size_t n, size_t *ret_n)
{
	if (c->wire == WIRE_SECURE)
		return under_tls(tls_sendfile(c->tls, file, offset, n, ret_n));

	off_t at = (off_t)*offset;
	int r = result(sendfile(c->fd, file, &at, n), ret_n);

	*offset = (uint64_t)at;
	return r;
}

void
conn_bulk(struct conn *c)
{
	const int on = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* Shutting down sends what TCP_CORK has kept back. */
void
conn_finish(struct conn *c)
{
	if (c->wire == WIRE_SECURE) {
		int r = tls_end(c->tls);
		c->ending = r == FERRY_AGAIN;
		if (r < 0)
			c->error = errno != 0 ? errno : EPROTO;
	}
	conn_rearm(c);
	if (!c->ending)
		shutdown(c->fd, SHUT_WR);
}

bool
conn_owes_end(const struct conn *c)
{
	return c->ending || (c->wire == WIRE_SECURE && !c->forgiving && !c->over);
}

size_t
conn_unconfirmed(const struct conn *c)
{
	int n = 0;

	if (ioctl(c->fd, SIOCOUTQ, &n) < 0 || n < 0)
		n = 0;
	return (size_t)n + conn_owes_end(c);
}

int
conn_error(struct conn *c)
{
	int error = c->error;
	socklen_t len = sizeof(error);

	c->error = 0;
	if (error == 0 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* ---- the buffered way ---- */

static int
conn_flush(struct conn *c)
{
	size_t n = 0;
	int r = 0;

	while (c->error == 0 && buf_len(&c->out) > 0) {
		r = conn_send(c, buf_data(&c->out), buf_len(&c->out), &n);
		if (r != 0)
			break;
		buf_consume(&c->out, n);
	}
	if (r < 0) {
		c->error = errno;
		buf_clear(&c->out);
	}
	/* An idle session keeps no buffer. */
	if (buf_len(&c->out) == 0)
		buf_free(&c->out);
	if (buf_len(&c->out) == 0 && c->wire == WIRE_BEFORE)
		c->wire = WIRE_SHAKING;
	return c->error != 0 ? -FERRY_ESYS : 0;
}

int
conn_write(struct conn *c, const void *p, size_t n)
{
	if (c->error != 0)
		return -FERRY_ESYS;
	int r = buf_append(&c->out, p, n);
	if (r == 0 && !c->corked) {
		r = conn_flush(c);
		conn_rearm(c);
	}
	return r;
}

void
conn_cork(struct conn *c)
{
	c->corked = true;
}

int
conn_uncork(struct conn *c)
{
	c->corked = false;
	int r = conn_flush(c);
	conn_rearm(c);
	return r;
}

size_t
conn_pending(const struct conn *c)
{
	return buf_len(&c->out);
}

/* ---- from clear to TLS, and back ---- */

void
conn_secure(struct conn *c, struct tls *t)
{
	c->tls = t;
	(void)can_nudge(c); /* else the handshake fails */
	c->wire = buf_len(&c->out) > 0 ? WIRE_BEFORE : WIRE_SHAKING;
	conn_rearm(c);
}

void
conn_clear(struct conn *c)
{
	c->wire = WIRE_CLEARING;
	c->ending = true;
	conn_rearm(c);
}

struct tls *
conn_tls(const struct conn *c)
{
	return c->tls;
}

void
conn_forgive_cut(struct conn *c)
{
	c->forgiving = true;
}

bool
conn_was_cut(const struct conn *c)
{
	return c->cut;
}

/* A client that lets Nagle's algorithm work sends the next part of its handshake, and the
 * file behind it, when the part before is confirmed. When we have nothing to send that
 * carries it along, the confirmation would leave 40 ms later. */
static void
confirm_at_once(const struct conn *c)
{
	const int on = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static unsigned
go_on_shaking(struct conn *c)
{
	int r = c->nudge != NULL ? tls_handshake(c->tls) : -FERRY_ENOMEM;

	confirm_at_once(c);
	if (r == FERRY_AGAIN)
		return 0;
	if (r == 0)
		c->wire = WIRE_SECURE;
	else
		c->error = EPROTO;
	return r == 0 ? CONN_SWITCHED : CONN_BROKEN;
}

/* Our end of TLS is sent behind the last reply, theirs is waited for. */
static unsigned
go_on_clearing(struct conn *c)
{
	uint8_t byte;
	size_t n = 0;

	if (conn_flush(c) < 0)
		return CONN_BROKEN;
	if (buf_len(&c->out) > 0)
		return 0;
	int r = c->ending ? tls_end(c->tls) : 0;
	c->ending = r == FERRY_AGAIN;
	if (r == 0)
		r = tls_read(c->tls, &byte, 1, &n);
	if (r == FERRY_AGAIN)
		return 0;
	if (r != -FERRY_EOF) {
		c->error = EPROTO;
		return CONN_BROKEN;
	}
	uv_timer_stop(c->nudge);
	tls_free(c->tls);
	c->tls = NULL;
	c->wire = WIRE_CLEAR;
	return CONN_SWITCHED;
}

/* Sends what waits; tells CONN_DRAINED when that was the last of it. */
static unsigned
conn_ready_to_write(struct conn *c)
{
	int r = conn_has_unsent(c) ? tls_flush(c->tls) : 0;

	if (r < 0)
		c->error = errno;
	if (r != 0)
		return r < 0 ? CONN_BROKEN : 0;
	if (c->ending) {
		conn_finish(c);
		return c->error != 0 ? CONN_BROKEN : 0;
	}
	if (buf_len(&c->out) == 0)
		return c->want & CONN_WRITABLE;
	if (conn_flush(c) < 0)
		return CONN_BROKEN;
	return buf_len(&c->out) == 0 ? CONN_DRAINED : 0;
}

static unsigned
what_is_ready(struct conn *c, unsigned events)
{
	unsigned told = 0;

	if (c->wire == WIRE_SHAKING)
		return go_on_shaking(c);
	if (c->wire == WIRE_CLEARING)
		return go_on_clearing(c);
	if ((events & event_to_write(c)) != 0)
		told |= conn_ready_to_write(c);
	if ((events & event_to_read(c)) != 0 && c->wire != WIRE_SHAKING)
		told |= c->want & CONN_READABLE;
	return told;
}

static void
conn_happened(struct conn *c, unsigned events)
{
	if (c->lent) {
		if (c->armed != 0)
			conn_disarm(c);
		return;
	}
	unsigned told = what_is_ready(c, events);

	if (told != 0)
		c->cb(c, told, c->user);
	else if (c->armed != 0 && events_of(c) == 0)
		conn_disarm(c);
	if (!c->closed)
		conn_rearm(c);
}

static void
conn_ready(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;

	/* libuv calls an error on the socket EBADF and stops: let the owner find it by
	 * trying. */
	if (status < 0) {
		events = UV_READABLE | UV_WRITABLE;
		c->armed = 0;
	}
	conn_happened(c, (unsigned)events);
}

/* What the socket cannot tell, or nobody listens to it: trying shows. */
static void
on_nudge(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	conn_happened(c, c->watched ? event_to_read(c) : UV_READABLE | UV_WRITABLE);
}
