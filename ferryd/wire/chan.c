/*
 * Channels: messages.def over fdpass.c, blocking for agents' threads and for every start,
 * queued and called back for processes with an event loop. Nothing here looks into a
 * message.
 */
#include "chan.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "fdpass.h"

/* Waiting messages per channel, and descriptors with them. A peer that stops reading costs
 * no more than this; one that reads must bear all sessions of a worker ending at once. */
#define QUEUE_MAX 65536
#define QUEUE_FDS_MAX 4096
/* Messages taken per wake-up, so that one busy channel does not starve the others. */
#define TURN_MAX 64

static void
close_fds(int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++)
		fd_closep(&fds[i]);
}

/* ---- blocking ---- */

int
wire_send(int sock, enum role self, enum role peer, const struct msg *m, const int *fds,
    size_t nfds)
{
	uint8_t bytes[WIRE_MAX];
	size_t n;
	int r;

	r = msg_encode(m, self, peer, nfds, bytes, &n);
	if (r < 0)
		return r;
	r = fdpass_send(sock, bytes, n, fds, nfds, 0);
	explicit_bzero(bytes, n); /* it may have been a password */
	return r;
}

static int
receive(int sock, enum role self, enum role peer, struct wire_box *ret_box, int flags)
{
	size_t n;
	int r;

	ret_box->nfds = 0;
	ret_box->why = NULL;
	r = fdpass_recv(sock, ret_box->bytes, sizeof(ret_box->bytes), &n, ret_box->fds,
	    WIRE_MAX_FDS, &ret_box->nfds, flags);
	if (r == -FERRY_EPROTO)
		ret_box->why = "cut or surplus bytes or descriptors";
	if (r < 0)
		return r;
	r = msg_decode(
	    ret_box->bytes, n, peer, self, ret_box->nfds, &ret_box->msg, &ret_box->why);
	if (r < 0)
		wire_box_close(ret_box);
	return r;
}

int
wire_recv(int sock, enum role self, enum role peer, struct wire_box *ret_box)
{
	return receive(sock, self, peer, ret_box, 0);
}

int
wire_recv_now(int sock, enum role self, enum role peer, struct wire_box *ret_box)
{
	int r = receive(sock, self, peer, ret_box, MSG_DONTWAIT);

	return r == -FERRY_ESYS && (errno == EAGAIN || errno == EINTR) ? FERRY_AGAIN : r;
}

void
wire_box_close(struct wire_box *box)
{
	close_fds(box->fds, box->nfds);
	box->nfds = 0;
}

/* ---- with an event loop ---- */

struct parcel {
	STAILQ_ENTRY(parcel) next;
	int fds[WIRE_MAX_FDS];
	size_t nfds;
	size_t n;
	uint8_t bytes[];
};

struct chan {
	uv_poll_t poll;
	int fd;
	int armed; /* UV_ events that libuv watches now */
	enum role self, peer;
	chan_msg_cb *on_msg;
	chan_end_cb *on_end;
	void *user;
	STAILQ_HEAD(, parcel) queue;
	size_t queued, queued_fds;
	bool ended;  /* on_end was called, or must not be any more */
	bool inside; /* chan_read is on the stack: freeing waits for it */
	bool freed;  /* chan_free was called */
};

static void chan_ready(uv_poll_t *poll, int status, int events);

static void
parcel_free(struct parcel *p)
{
	close_fds(p->fds, p->nfds);
	explicit_bzero(p->bytes, p->n);
	free(p);
}

static void
chan_watch(struct chan *c)
{
	int events = UV_READABLE | (c->queued > 0 ? UV_WRITABLE : 0);

	/* Starting again what runs costs two system calls. */
	if (c->ended || events == c->armed)
		return;
	uv_poll_start(&c->poll, events, chan_ready);
	c->armed = events;
}

struct chan *
chan_new(uv_loop_t *loop, int fd, enum role self, enum role peer, chan_msg_cb *on_msg,
    chan_end_cb *on_end, void *user)
{
	struct chan *c = calloc(1, sizeof(*c));

	if (c == NULL || uv_poll_init(loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return NULL;
	}
	*c = (struct chan){
	    .poll = c->poll,
	    .fd = fd,
	    .self = self,
	    .peer = peer,
	    .on_msg = on_msg,
	    .on_end = on_end,
	    .user = user,
	};
	STAILQ_INIT(&c->queue);
	c->poll.data = c;
	chan_watch(c);
	return c;
}

static void
chan_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
chan_release(struct chan *c)
{
	struct parcel *p;

	while ((p = STAILQ_FIRST(&c->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->queue, next);
		parcel_free(p);
	}
	uv_close((uv_handle_t *)&c->poll, chan_closed);
	fd_closep(&c->fd);
}

void
chan_free(struct chan *c)
{
	if (c == NULL || c->freed)
		return;
	c->freed = true;
	c->ended = true;
	uv_poll_stop(&c->poll);
	if (!c->inside)
		chan_release(c);
}

static void
chan_end(struct chan *c, const char *why)
{
	if (c->ended)
		return;
	c->ended = true;
	uv_poll_stop(&c->poll);
	c->on_end(c, why, c->user);
}

/* One message, if one waits. False when there is nothing more to do now. */
static bool
chan_read_one(struct chan *c, uint8_t *bytes, size_t cap)
{
	int fds[WIRE_MAX_FDS];
	size_t nfds = 0, n = 0;
	const char *why = NULL;
	struct msg m;
	int r;

	r = fdpass_recv(c->fd, bytes, cap, &n, fds, WIRE_MAX_FDS, &nfds, MSG_DONTWAIT);
	if (r == -FERRY_ESYS && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (r < 0) {
		chan_end(c, r == -FERRY_EOF ? "it has ended"
			    : r == -FERRY_EPROTO
				? "it sent cut or surplus bytes or descriptors"
				: strerror(errno));
		return false;
	}
	r = msg_decode(bytes, n, c->peer, c->self, nfds, &m, &why);
	if (r < 0) {
		close_fds(fds, nfds);
		chan_end(c, why);
		return false;
	}
	c->on_msg(c, &m, fds, nfds, c->user);
	close_fds(fds, nfds);
	explicit_bzero(bytes, n);
	return !c->ended;
}

static void
chan_flush(struct chan *c)
{
	struct parcel *p;

	while ((p = STAILQ_FIRST(&c->queue)) != NULL) {
		int r = fdpass_send(c->fd, p->bytes, p->n, p->fds, p->nfds, MSG_DONTWAIT);

		if (r == -FERRY_ESYS && (errno == EAGAIN || errno == ENOBUFS))
			return;
		STAILQ_REMOVE_HEAD(&c->queue, next);
		c->queued--;
		c->queued_fds -= p->nfds;
		parcel_free(p);
		if (r < 0) {
			chan_end(c, r == -FERRY_EOF ? "it has ended" : strerror(errno));
			return;
		}
	}
}

static void
chan_read_all(struct chan *c, uint8_t *bytes, size_t cap)
{
	while (!c->ended && chan_read_one(c, bytes, cap))
		continue;
}

/* The last thing of every turn that calls back. */
static void
chan_leave(struct chan *c)
{
	c->inside = false;
	if (c->freed)
		chan_release(c);
	else
		chan_watch(c);
}

static void
chan_ready(uv_poll_t *poll, int status, int events)
{
	struct chan *c = poll->data;
	uint8_t bytes[WIRE_MAX];

	c->inside = true;
	if (status < 0) {
		/* libuv's way to say that the peer died and left something unread. It
		 * watches no more. */
		c->armed = 0;
		chan_read_all(c, bytes, sizeof(bytes));
		chan_end(c, uv_strerror(status));
	}
	if (!c->ended && (events & UV_WRITABLE) != 0)
		chan_flush(c);
	for (int i = 0; i < TURN_MAX && !c->ended; i++) {
		if (!chan_read_one(c, bytes, sizeof(bytes)))
			break;
	}
	chan_leave(c);
}

void
chan_drain(struct chan *c)
{
	uint8_t bytes[WIRE_MAX];

	c->inside = true;
	chan_read_all(c, bytes, sizeof(bytes));
	chan_leave(c);
}

static int
chan_enqueue(struct chan *c, const uint8_t *bytes, size_t n, const int *fds, size_t nfds)
{
	struct parcel *p;

	if (c->queued >= QUEUE_MAX || c->queued_fds + nfds > QUEUE_FDS_MAX)
		return -FERRY_ETOOBIG;
	p = malloc(sizeof(*p) + n);
	if (p == NULL)
		return -FERRY_ENOMEM;
	p->n = n;
	p->nfds = nfds;
	memcpy(p->bytes, bytes, n);
	if (nfds > 0)
		memcpy(p->fds, fds, sizeof(int) * nfds);
	STAILQ_INSERT_TAIL(&c->queue, p, next);
	c->queued_fds += nfds;
	if (c->queued++ == 0)
		chan_watch(c);
	return 0;
}

/* Sends at once if nothing waits before it; 1 when it must be queued. */
static int
chan_send_now(struct chan *c, const uint8_t *bytes, size_t n, const int *fds, size_t nfds)
{
	int r;

	if (c->queued > 0)
		return 1;
	r = fdpass_send(c->fd, bytes, n, fds, nfds, MSG_DONTWAIT);
	if (r == -FERRY_ESYS && (errno == EAGAIN || errno == ENOBUFS))
		return 1;
	return r;
}

int
chan_send_fds(struct chan *c, const struct msg *m, const int *fds, size_t nfds)
{
	uint8_t bytes[WIRE_MAX];
	int mine[WIRE_MAX_FDS];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < nfds && i < WIRE_MAX_FDS; i++)
		mine[i] = fds[i];
	r = c->ended ? -FERRY_EOF : msg_encode(m, c->self, c->peer, nfds, bytes, &n);
	if (r == 0)
		r = chan_send_now(c, bytes, n, mine, nfds);
	if (r == 1) {
		r = chan_enqueue(c, bytes, n, mine, nfds);
		if (r == 0)
			nfds = 0; /* the parcel owns them now */
	}
	close_fds(mine, nfds);
	explicit_bzero(bytes, n);
	return r;
}

int
chan_send(struct chan *c, const struct msg *m, int fd)
{
	return chan_send_fds(c, m, &fd, fd >= 0 ? 1 : 0);
}

size_t
chan_queued(const struct chan *c)
{
	return c->queued;
}
