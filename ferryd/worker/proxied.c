/*
 * PROXY headers off the wire, and data connections that wait for theirs. See proxied.h.
 * Must never give a call to a session before the header has told whose it is, and never
 * keep more of them than PROXIED_MAX, nor longer than PROXIED_MS.
 */
#include "proxied.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/socket.h>

#include "caller.h"
#include "conn.h"
#include "log.h"
#include "session.h"
#include "util.h"

#define PROXIED_MAX 1024
#define PROXIED_MS 5000

/* ---- the header ---- */

/* A client's loopback is not ours, unless the proxy runs here: active mode and probes
 * would reach this machine's own services. */
static bool
may_be_true(const struct proxy_header *h, const struct endpoint *from)
{
	return !h->told || endpoint_scope_of(&h->peer) != SCOPE_LOOPBACK ||
	       endpoint_scope_of(from) == SCOPE_LOOPBACK;
}

int
proxied_read(struct conn *c, struct proxy_reader *r, const struct endpoint *from,
    struct proxy_header *ret)
{
	uint8_t chunk[512];
	struct proxy_header h;
	size_t used;

	ssize_t n = recv(conn_fd(c), chunk, sizeof(chunk), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? FERRY_AGAIN : -FERRY_ESYS;
	if (n == 0)
		return -FERRY_EOF;
	int e = proxy_feed(r, chunk, (size_t)n, &used, &h);
	if (recv(conn_fd(c), chunk, used, MSG_DONTWAIT) != (ssize_t)used)
		return -FERRY_ESYS;
	if (e == 0 && !may_be_true(&h, from))
		return -FERRY_EPROTO;
	if (e == 0)
		*ret = h;
	return e;
}

const char *
proxied_why(int error)
{
	switch (error) {
	case -FERRY_EPROTO:
		return "a trusted proxy must begin with a PROXY header";
	case -FERRY_EOF:
		return "the connection ended in the PROXY header";
	default:
		return "the connection failed before the PROXY header";
	}
}

/* ---- data connections ---- */

struct proxied {
	LIST_ENTRY(proxied) next;
	struct worker *worker;
	struct conn *conn;
	struct endpoint from;
	struct proxy_reader reader;
	uint32_t session; /* of no other one; or 0 */
	uint16_t port;    /* it came to */
	uint64_t turns;   /* of the worker, when it came */
	uv_timer_t timer;
};

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Its socket is closed, unless somebody has taken it. */
static void
proxied_free(struct proxied *p)
{
	conn_free(p->conn);
	LIST_REMOVE(p, next);
	p->worker->proxied_count--;
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

/* Nobody else will come for whom its port is open, or for those that came through proxies
 * and expect a call at the port for all: their 425 tells why. */
static void
blame(const struct proxied *p)
{
	struct session *s = worker_session(p->worker, p->session);

	if (s != NULL && data_listens_at(s, p->port))
		s->data.headerless++;
	if (p->session != 0)
		return;
	LIST_FOREACH(s, &p->worker->expecting, expecting) {
		if (s->proxied)
			s->data.headerless++;
	}
}

static void
refuse(struct proxied *p, const char *why)
{
	char from[ENDPOINT_TEXT_MAX];

	blame(p);
	endpoint_format(&p->from, from);
	log_event(LOG_NOTICE, p->session,
	    "proxy header=refused channel=data from=%s why=\"%s\"", from, why);
	proxied_free(p);
}

/* At the port for all, in clear: the master lets only one session of an address expect a
 * call at a time. NULL: none does, or TLS tells which. */
static struct session *
only_one_expecting(const struct worker *w, const struct endpoint *peer, uint64_t turns)
{
	struct session *s;

	LIST_FOREACH(s, &w->expecting, expecting) {
		if (data_waited(s, turns) && !s->data.secure_call &&
		    endpoint_same_address(&s->peer, peer))
			return s;
	}
	return NULL;
}

/* Takes fd. */
static void
hand_to_expecting(struct worker *w, int fd, const struct endpoint *peer, uint64_t turns)
{
	struct session *s = only_one_expecting(w, peer, turns);

	if (s == NULL) {
		caller_new(w, fd, peer, 0);
		return;
	}
	worker_unexpect(w, s);
	data_called(s, fd, peer);
}

/* The header has told who calls. */
static void
introduced(struct proxied *p, const struct endpoint *peer)
{
	struct worker *w = p->worker;
	struct session *s = worker_session(w, p->session);
	int fd = conn_take_fd(p->conn);

	if (p->session == 0)
		hand_to_expecting(w, fd, peer, p->turns);
	else if (s != NULL && data_listens_at(s, p->port))
		data_call(s, fd, peer);
	else
		close(fd);
	p->conn = NULL;
	proxied_free(p);
}

static void
on_conn(struct conn *c, unsigned events, void *user)
{
	struct proxied *p = user;
	struct proxy_header h;

	int r = proxied_read(c, &p->reader, &p->from, &h);
	if (r < 0)
		refuse(p, proxied_why(r));
	else if (r == 0)
		introduced(p, h.told ? &h.peer : &p->from);
}

static void
on_timeout(uv_timer_t *timer)
{
	refuse(timer->data, "it took too long");
}

static struct proxied *
proxied_new(struct worker *w, int fd)
{
	struct proxied *p = w->proxied_count < PROXIED_MAX ? calloc(1, sizeof(*p)) : NULL;

	if (p == NULL) {
		close(fd);
		return NULL;
	}
	p->worker = w;
	p->reader = PROXY_READER_INIT;
	p->turns = w->turns;
	uv_timer_init(w->loop, &p->timer);
	p->timer.data = p;
	LIST_INSERT_HEAD(&w->proxied, p, next);
	w->proxied_count++;
	p->conn = conn_new(w->loop, fd, on_conn, p);
	return p;
}

static uint16_t
local_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint at = {0};

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)endpoint_from_sockaddr((struct sockaddr *)&ss, &at);
	return at.port;
}

void
proxied_call(struct worker *w, int fd, const struct endpoint *from, uint32_t session)
{
	struct proxied *p = proxied_new(w, fd);

	if (p == NULL)
		return;
	p->from = *from;
	p->session = session;
	if (p->conn == NULL) {
		refuse(p, "memory is short");
		return;
	}
	p->port = local_port(fd);
	uv_timer_start(&p->timer, on_timeout, PROXIED_MS, 0);
	conn_want(p->conn, CONN_READABLE);
}

void
proxied_end(struct worker *w)
{
	while (!LIST_EMPTY(&w->proxied))
		proxied_free(LIST_FIRST(&w->proxied));
}
