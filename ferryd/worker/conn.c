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
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "util.h"

/* Room above the high-water mark: the largest reply, and answers to Telnet commands. */
#define CONN_MAX (CONN_HIGH_WATER + 96 * 1024)

struct conn {
	uv_poll_t poll;
	int fd;
	int armed;     /* UV_ events that libuv watches now */
	unsigned want; /* enum conn_event that the owner asked for */
	int error;     /* errno with which writing failed */
	bool corked;
	bool closed;
	struct buf out;
	conn_cb *cb;
	void *user;
};

static void conn_ready(uv_poll_t *poll, int status, int events);

static void
conn_rearm(struct conn *c)
{
	int events = 0;

	if (c->closed)
		return;
	if ((c->want & CONN_READABLE) != 0)
		events |= UV_READABLE;
	if ((c->want & CONN_WRITABLE) != 0 || (buf_len(&c->out) > 0 && !c->corked))
		events |= UV_WRITABLE;
	if (events == c->armed)
		return;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, events, conn_ready);
	c->armed = events;
}

struct conn *
conn_new(uv_loop_t *loop, int fd, conn_cb *cb, void *user)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL || uv_poll_init(loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return NULL;
	}
	c->poll.data = c;
	c->fd = fd;
	c->cb = cb;
	c->user = user;
	buf_init(&c->out, CONN_MAX);
	return c;
}

static void
conn_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
conn_free(struct conn *c)
{
	if (c == NULL || c->closed)
		return;
	c->closed = true;
	buf_free(&c->out);
	uv_close((uv_handle_t *)&c->poll, conn_closed);
	fd_closep(&c->fd);
}

void
conn_reset(struct conn *c)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (c == NULL || c->closed)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	conn_free(c);
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

int
conn_read(struct conn *c, void *p, size_t n, size_t *ret_n)
{
	ssize_t got = read(c->fd, p, n);

	if (got == 0)
		return -FERRY_EOF;
	return result(got, ret_n);
}

int
conn_send(struct conn *c, const void *p, size_t n, size_t *ret_n)
{
	return result(send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT), ret_n);
}

int
conn_sendfile(struct conn *c, int file, uint64_t *offset, size_t n, size_t *ret_n)
{
	off_t at = (off_t)*offset;
	int r = result(sendfile(c->fd, file, &at, n), ret_n);

	*offset = (uint64_t)at;
	return r;
}

void
conn_finish(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
}

size_t
conn_unconfirmed(const struct conn *c)
{
	int n = 0;

	if (ioctl(c->fd, SIOCOUTQ, &n) < 0 || n < 0)
		return 0;
	return (size_t)n;
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

/* Sends what waits; tells CONN_DRAINED when that was the last of it. */
static unsigned
conn_ready_to_write(struct conn *c)
{
	if (buf_len(&c->out) == 0)
		return c->want & CONN_WRITABLE;
	if (conn_flush(c) < 0)
		return CONN_BROKEN;
	return buf_len(&c->out) == 0 ? CONN_DRAINED : 0;
}

static void
conn_ready(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;
	unsigned told = 0;

	/* libuv calls an error on the socket EBADF and stops: let the owner find it by
	 * trying. */
	if (status < 0) {
		events = UV_READABLE | UV_WRITABLE;
		c->armed = 0;
	}
	if ((events & UV_WRITABLE) != 0)
		told |= conn_ready_to_write(c);
	if ((events & UV_READABLE) != 0)
		told |= c->want & CONN_READABLE;
	if (told != 0)
		c->cb(c, told, c->user);
	if (!c->closed)
		conn_rearm(c);
}
