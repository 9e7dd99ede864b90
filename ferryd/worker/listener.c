/*
 * Passive ports: RFC 959 4.1.2; random ones of the configured range (RFC 2577 8). For
 * data.c. Must never leave the range, and never let a call in that came before the port
 * was told to the client.
 */
#include "listener.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "data.h"
#include "log.h"
#include "session.h"
#include "util.h"

#define BACKLOG 8
/* Milliseconds. */
#define REST_MAX 1000

/* ---- a port of the range ---- */

/* Binds and listens on the control connection's own address. A descriptor, or
 * -FERRY_ESYS. */
static int
listen_at(const struct session *s, uint16_t port)
{
	struct endpoint at = s->own;
	struct sockaddr_storage ss;
	const int on = 1;

	at.port = port;
	socklen_t len = endpoint_to_sockaddr(&at, &ss);
	_cleanup_close_ int fd =
	    socket(at.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return -FERRY_ESYS;
	/* Earlier transfers' connections on this port, alive or in TIME_WAIT, do not
	 * matter. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		return -FERRY_ESYS;
	return fd_take(&fd);
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static uint32_t
ports_in_range(const struct conf *conf)
{
	uint32_t low = (uint32_t)conf->pasv_min_port;
	uint32_t high = (uint32_t)conf->pasv_max_port;

	return high >= low ? high - low + 1 : 1;
}

/* Tries every port of the range once, in an order that cannot be guessed: from a random
 * first one in steps of a random length that has no factor in common with the range's. */
static int
listen_in_range(const struct session *s, uint16_t *ret_port)
{
	uint32_t low = (uint32_t)s->conf->pasv_min_port;
	uint32_t count = ports_in_range(s->conf);
	uint32_t dice[2] = {0, 0};
	bool busy = false;

	if (getrandom(dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		return -FERRY_ESYS;
	uint32_t at = dice[0] % count, step = 1 + dice[1] % count;
	while (gcd(step, count) != 1)
		step++;
	for (uint32_t i = 0; i < count; i++, at = (at + step) % count) {
		int fd = listen_at(s, (uint16_t)(low + at));
		if (fd >= 0) {
			*ret_port = (uint16_t)(low + at);
			return fd;
		}
		if (errno != EADDRINUSE && errno != EACCES)
			return -FERRY_ESYS;
		busy |= errno == EADDRINUSE;
	}
	/* With errno EACCES: not one of them may be had, and waiting helps nobody. */
	return busy ? -FERRY_ETOOBIG : -FERRY_ESYS;
}

/* ---- rest ---- */

/* A quarter of the range in all, and as much again for the workers that a reload is about
 * to retire: half of it is left to ports that clients have just been told. */
static bool
may_rest(const struct session *s)
{
	const struct resting *r = &s->worker->resting;

	return r->workers > 0 && !s->worker->draining && r->count < r->most &&
	       r->count < ports_in_range(s->conf) / 4 / r->workers;
}

static void
wake_up(struct session *s)
{
	struct listener *l = &s->data.listener;
	struct resting *r = &s->worker->resting;

	if (!l->resting)
		return;
	l->resting = false;
	LIST_REMOVE(l, entry);
	if (--r->count == 0)
		uv_timer_stop(&r->timer);
}

static struct session *
session_of(struct listener *l)
{
	return (struct session *)((char *)l - offsetof(struct session, data.listener));
}

static void
on_resting_timer(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	uint64_t now = uv_now(w->loop);
	struct listener *l, *next;

	for (l = LIST_FIRST(&w->resting.all); l != NULL; l = next) {
		next = LIST_NEXT(l, entry);
		if (now - l->rests_since >= REST_MAX)
			listener_close(session_of(l));
	}
}

void
listener_rest(struct session *s)
{
	struct listener *l = &s->data.listener;
	struct resting *r = &s->worker->resting;

	if (!listener_is_open(l))
		return;
	if (!may_rest(s)) {
		listener_close(s);
		return;
	}
	l->resting = true;
	l->rests_since = uv_now(s->worker->loop);
	LIST_INSERT_HEAD(&r->all, l, entry);
	if (r->count++ == 0)
		uv_timer_start(&r->timer, on_resting_timer, REST_MAX, REST_MAX);
}

/* Whoever calls a resting port was not asked to. False: nobody does. */
static bool
turn_away(struct session *s)
{
	int fd = accept4(conn_fd(s->data.listener.conn), NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	log_event(LOG_DEBUG, s->id, "call to port %u, which nobody was told: closed",
	    s->data.listener.port);
	return true;
}

static void
on_listener(struct conn *c, unsigned events, void *user)
{
	struct session *s = user;

	if (s->data.listener.resting)
		(void)turn_away(s);
	else
		data_knock(s);
}

/* ---- for data.c ---- */

/* False: there is none, or so many call it that it would never be free of them. */
static bool
wake_resting(struct session *s)
{
	unsigned calls = 0;

	if (!s->data.listener.resting)
		return false;
	wake_up(s);
	while (calls < BACKLOG && turn_away(s))
		calls++;
	if (calls == BACKLOG)
		listener_close(s);
	return calls < BACKLOG;
}

int
listener_open(struct session *s)
{
	struct listener *l = &s->data.listener;

	if (wake_resting(s))
		return 0;
	int fd = listen_in_range(s, &l->port);
	if (fd < 0)
		return fd;
	l->conn = conn_new(s->worker->loop, fd, on_listener, s);
	if (l->conn == NULL)
		return -FERRY_ESYS;
	conn_want(l->conn, CONN_READABLE);
	return 0;
}

void
listener_close(struct session *s)
{
	struct listener *l = &s->data.listener;

	wake_up(s);
	conn_free(l->conn);
	l->conn = NULL;
}

void
resting_init(struct worker *w)
{
	LIST_INIT(&w->resting.all);
	uv_timer_init(w->loop, &w->resting.timer);
	w->resting.timer.data = w;
}

void
resting_free(struct worker *w)
{
	uv_close((uv_handle_t *)&w->resting.timer, NULL);
}
