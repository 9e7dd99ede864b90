/*
 * Data connections whose session is not known before their TLS handshake is done. See
 * caller.h. Must never give a session a call that resumes another one's, and never keep
 * more of them than CALLERS_MAX, nor longer than a handshake may take.
 */
#include "caller.h"

#include "conn.h"
#include "diagnosis.h"
#include "endpoint.h"
#include "log.h"
#include "session.h"
#include "tls.h"
#include "util.h"

#define CALLERS_MAX 1024

struct caller {
	LIST_ENTRY(caller) next;
	struct worker *worker;
	struct conn *conn; /* NULL: a session has it */
	struct endpoint peer;
	uint32_t session; /* of no other one; or 0 */
	uint64_t turns;   /* of the worker, when it came */
	uv_timer_t timer; /* of the handshake */
};

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
caller_end(struct caller *c)
{
	conn_free(c->conn);
	LIST_REMOVE(c, next);
	c->worker->callers_count--;
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void
not_known(struct caller *c, const char *why)
{
	struct session *s = worker_session(c->worker, c->session);
	char text[ENDPOINT_TEXT_MAX];

	if (s != NULL)
		diagnosis_rejected(s, &c->peer, "tls");
	endpoint_format(&c->peer, text);
	log_event(LOG_NOTICE, 0, "tls failed channel=data peer=%s why=\"%s\"", text, why);
	caller_end(c);
}

/* By its address. */
static bool
could_be_its(const struct session *s, const struct caller *c)
{
	return data_waited(s, c->turns) && s->data.secure_call &&
	       endpoint_same_address(&s->peer, &c->peer);
}

static bool
resumes(const struct caller *c, const struct session *s)
{
	return data_waited(s, c->turns) &&
	       tls_resumes(conn_tls(c->conn), s->tls_number) &&
	       (conf_trusts_resumed(s->conf) ||
		   endpoint_same_address(&s->peer, &c->peer));
}

/* NULL: it resumes no session that expects a call. */
static struct session *
owner_of(const struct caller *c)
{
	struct session *s;

	if (c->session != 0) {
		s = worker_session(c->worker, c->session);
		return s != NULL && resumes(c, s) ? s : NULL;
	}
	LIST_FOREACH(s, &c->worker->expecting, expecting) {
		if (resumes(c, s))
			return s;
	}
	return NULL;
}

/* A call that proves nothing can only be of the one session that expects it; what is
 * missing is then told there (require_ssl_reuse). NULL: there are several, or none. */
static struct session *
only_candidate(const struct caller *c)
{
	struct session *s, *found = NULL;
	unsigned n = 0;

	LIST_FOREACH(s, &c->worker->expecting, expecting) {
		if (!could_be_its(s, c))
			continue;
		n++;
		found = s;
	}
	return n == 1 ? found : NULL;
}

static void
blame(const struct caller *c)
{
	struct session *s;

	LIST_FOREACH(s, &c->worker->expecting, expecting) {
		if (could_be_its(s, c))
			s->data.unproved++;
	}
}

static void
proved(struct caller *c)
{
	struct session *s = owner_of(c);
	struct conn *conn = c->conn;
	struct endpoint peer = c->peer;

	if (s == NULL && c->session == 0)
		s = only_candidate(c);
	if (s == NULL) {
		blame(c);
		not_known(c, "it resumes no session that expects a call");
		return;
	}
	c->conn = NULL;
	caller_end(c);
	data_called_securely(s, conn, &peer);
}

static void
on_conn(struct conn *conn, unsigned events, void *user)
{
	struct caller *c = user;

	if ((events & CONN_SWITCHED) != 0)
		proved(c);
	else if ((events & CONN_BROKEN) != 0)
		not_known(c, tls_why(conn_tls(conn)));
}

static void
on_timeout(uv_timer_t *timer)
{
	not_known(timer->data, "the handshake took too long");
}

static struct caller *
caller_make(struct worker *w, int fd, uint32_t session)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->worker = w;
	c->session = session;
	c->turns = w->turns;
	uv_timer_init(w->loop, &c->timer);
	c->timer.data = c;
	LIST_INSERT_HEAD(&w->callers, c, next);
	w->callers_count++;
	c->conn = conn_new(w->loop, fd, on_conn, c);
	return c;
}

void
caller_new(struct worker *w, int fd, const struct endpoint *peer, uint32_t session)
{
	struct tls *t;

	if (w->callers_count >= CALLERS_MAX || !worker_has_keys(w)) {
		close(fd);
		return;
	}
	struct caller *c = caller_make(w, fd, session);
	if (c == NULL)
		return;
	c->peer = *peer;
	if (c->conn == NULL ||
	    (t = tls_new(w->identity, 0, w->conf, fd, TLS_CALL)) == NULL) {
		not_known(c, "memory is short");
		return;
	}
	uv_timer_start(&c->timer, on_timeout, w->conf->ssl_handshake_timeout * 1000, 0);
	conn_want(c->conn, 0);
	conn_secure(c->conn, t);
}

void
callers_end(struct worker *w)
{
	while (!LIST_EMPTY(&w->callers))
		caller_end(LIST_FIRST(&w->callers));
}
