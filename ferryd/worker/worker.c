/*
 * What surrounds the sessions of a worker process: messages from the master and from auth
 * find their session by its number. Must never open a file, and never believe that a
 * session is still there.
 */
#include "worker.h"

#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "diagnosis.h"
#include "log.h"
#include "proxied.h"
#include "proxy_from.h"
#include "section.h"
#include "session.h"
#include "tls_identity.h"

/* Log lines that may wait for a slow master; past this they are dropped, messages that
 * matter are not. */
#define LOG_QUEUE_MAX 1024

struct session *
worker_session(const struct worker *w, uint32_t id)
{
	return idtable_get(&w->sessions, id);
}

/* Of one worker, at most. */
#define PIPES_MAX 64
#define RESTING_MAX 256

static void
worker_end(struct worker *w, const char *why)
{
	if (w->ended)
		return;
	w->ended = true;
	w->on_end(w, why, w->user);
}

static void
worker_log(enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	struct worker *w = user;
	const struct msg m = log_message(kind, level, session, text);

	/* The master writes no line of LOG_DEBUG (logfile.c): waking it for one would cost
	 * as much as a small file. */
	if (level < LOG_DEBUG && w->master != NULL &&
	    chan_queued(w->master) < LOG_QUEUE_MAX)
		chan_send(w->master, &m, -1);
}

/* To the master, who must hear it: without it a slot, a limit or a grant would stay taken
 * for ever. */
static void
worker_tell(struct worker *w, const struct msg *m)
{
	if (w->master != NULL && chan_send(w->master, m, -1) < 0)
		worker_end(w, "the master does not take messages");
}

static void
worker_closed(struct worker *w, uint32_t session)
{
	worker_tell(w, &(struct msg){
			   .type = MSG_MASTER_CLOSED,
			   .master_closed = {.session = session},
		       });
}

static void
worker_taken(struct worker *w, uint32_t session)
{
	worker_tell(w, &(struct msg){
			   .type = MSG_MASTER_TAKEN,
			   .master_taken = {.session = session},
		       });
}

/* ---- the end ---- */

static void
worker_leave_if_done(struct worker *w)
{
	if (w->draining && LIST_EMPTY(&w->all))
		worker_end(w, "drained");
}

/* The time that idle sessions were given is over; the others end when their command does.
 */
static void
on_drain(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	struct session *s, *next;

	w->leaving = true;
	for (s = LIST_FIRST(&w->all); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		session_run(s);
	}
}

static void
on_worker_drain(struct worker *w, const struct msg_worker_drain *m)
{
	w->draining = true;
	uv_timer_start(&w->drain, on_drain, (uint64_t)m->seconds * 1000, 0);
	worker_leave_if_done(w);
}

/* ---- auth ---- */

/* Passwords that are being checked will not be answered any more. */
static void
on_auth_end(struct chan *c, const char *why, void *user)
{
	struct worker *w = user;
	struct session *s, *next;

	log_event(LOG_NOTICE, 0, "auth has gone: %s", why);
	chan_free(w->auth);
	w->auth = NULL;
	for (s = LIST_FIRST(&w->all); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (s->state == SESSION_CHECKING)
			login_denied(s, true);
		session_run(s);
	}
}

/* A session whose password is with auth; NULL when it has left, or is not waiting. */
static struct session *
session_checking(const struct worker *w, uint32_t id)
{
	struct session *s = worker_session(w, id);

	return s != NULL && s->state == SESSION_CHECKING ? s : NULL;
}

static void
on_auth_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct worker *w = user;
	struct session *s = session_checking(w, m->worker_denied.session);

	if (s == NULL)
		return;
	login_denied(s, m->worker_denied.again);
	session_run(s);
}

static void
on_worker_auth(struct worker *w, int *fd)
{
	chan_free(w->auth);
	w->auth = chan_new(w->loop, fd_take(fd), ROLE_WORKER, ROLE_AUTH, on_auth_message,
	    on_auth_end, w);
}

int
worker_login(
    struct worker *w, const struct session *s, struct bytes user, struct bytes password)
{
	char peer[ENDPOINT_TEXT_MAX];
	const struct msg m = {
	    .type = MSG_AUTH_LOGIN,
	    .auth_login =
		{
		    .session = s->id,
		    .user = user,
		    .password = password,
		    .peer = {.p = (uint8_t *)peer,
			.n = endpoint_format_address(&s->peer, peer)},
		    .host = (uint32_t)s->host,
		},
	};

	return w->auth != NULL ? chan_send(w->auth, &m, -1) : -FERRY_EOF;
}

int
worker_login_certified(
    struct worker *w, const struct session *s, struct bytes user, struct bytes chain)
{
	char peer[ENDPOINT_TEXT_MAX];
	const struct msg m = {
	    .type = MSG_AUTH_CERTIFICATE,
	    .auth_certificate =
		{
		    .session = s->id,
		    .user = user,
		    .chain = chain,
		    .peer = {.p = (uint8_t *)peer,
			.n = endpoint_format_address(&s->peer, peer)},
		    .host = (uint32_t)s->host,
		},
	};

	return w->auth != NULL ? chan_send(w->auth, &m, -1) : -FERRY_EOF;
}

void
worker_logout(struct worker *w, const struct session *s)
{
	worker_tell(w, &(struct msg){
			   .type = MSG_MASTER_LOGOUT,
			   .master_logout = {.session = s->id},
		       });
}

/* ---- what the master answers ---- */

/* Asks what is answered by a message with the question's id. */
static int
ask_master(struct worker *w, const struct session *s, struct msg *m)
{
	int r;

	do {
		m->id = ++w->last_bind;
	} while (m->id == 0 || idtable_get(&w->binds, m->id) != NULL);
	r = idtable_put(&w->binds, m->id, idtable_number(s->id));
	if (r < 0)
		return r;
	r = w->master != NULL ? chan_send(w->master, m, -1) : -FERRY_EOF;
	if (r < 0)
		idtable_take(&w->binds, m->id);
	return r;
}

/* Who asked it; NULL: it has left. */
static struct session *
session_that_asked(struct worker *w, const struct msg *m)
{
	return worker_session(w, idtable_to_number(idtable_take(&w->binds, m->id)));
}

/* None for no address. */
static struct bytes
address_bytes(const struct endpoint *ep)
{
	if (ep == NULL || ep->family == 0)
		return (struct bytes){0};
	return ep->family == AF_INET
		   ? (struct bytes){(const uint8_t *)&ep->v4, sizeof(ep->v4)}
		   : (struct bytes){ep->v6.s6_addr, sizeof(ep->v6)};
}

int
worker_bind(struct worker *w, const struct session *s)
{
	struct msg m = {
	    .type = MSG_MASTER_BIND,
	    .master_bind =
		{
		    .session = s->id,
		    .address = address_bytes(&s->own),
		    .scope = s->own.scope,
		},
	};

	return ask_master(w, s, &m);
}

static void
on_worker_bound(struct worker *w, const struct msg *m, int *fd)
{
	struct session *s = session_that_asked(w, m);

	if (s == NULL)
		return;
	data_bound(s, (int)m->worker_bound.error, fd);
	session_run(s);
}

int
worker_probe(struct worker *w, const struct session *s)
{
	struct msg m = {
	    .type = MSG_MASTER_PROBE,
	    .master_probe = {.session = s->id},
	};

	return ask_master(w, s, &m);
}

static void
on_worker_probe(struct worker *w, const struct msg *m, int *fd)
{
	struct session *s = session_that_asked(w, m);

	if (s == NULL)
		return;
	probe_allowed(s, (int)m->worker_probe.error, fd);
	session_run(s);
}

int
worker_tell_peer(struct worker *w, const struct session *s)
{
	struct msg m = {
	    .type = MSG_MASTER_PEER,
	    .master_peer =
		{
		    .session = s->id,
		    .address = address_bytes(&s->peer),
		    .port = s->peer.port,
		},
	};

	return ask_master(w, s, &m);
}

static void
on_worker_peer(struct worker *w, const struct msg *m)
{
	struct session *s = session_that_asked(w, m);

	if (s != NULL)
		session_counted(s, (int)m->worker_peer.error);
}

/* ---- data connections that failed ---- */

static uint16_t
failure_port(
    const struct session *s, enum failure_cause cause, const struct endpoint *other)
{
	switch (cause) {
	case FAILURE_NAMED:
		return other->port;
	case FAILURE_FULL:
	case FAILURE_FORBIDDEN:
	case FAILURE_FORGOTTEN:
		return 0;
	default:
		return s->data.target.port;
	}
}

void
worker_failure(struct worker *w, struct session *s, enum failure_cause cause, int error,
    const struct endpoint *other)
{
	struct msg m = {
	    .type = MSG_MASTER_FAILURE,
	    .master_failure =
		{
		    .session = s->id,
		    .cause = (uint8_t)cause,
		    .error = error > 0 && error <= 4095 ? (uint32_t)error : 0,
		    .port = failure_port(s, cause, other),
		    .other = address_bytes(other),
		},
	};

	if (s->failures_told >= FAILURES_TOLD || w->master == NULL)
		return;
	s->failures_told++;
	(void)chan_send(w->master, &m, -1);
}

/* ---- one passive port for all ---- */

int
worker_expect(struct worker *w, struct session *s)
{
	struct msg m = {
	    .type = MSG_MASTER_EXPECT,
	    .master_expect = {.session = s->id, .secure = s->private},
	};
	int r;

	worker_unexpect(w, s);
	if (++w->last_call == 0)
		w->last_call = 1; /* 0 is none */
	m.id = w->last_call;
	r = w->master != NULL ? chan_send(w->master, &m, -1) : -FERRY_EOF;
	if (r < 0)
		return r;
	s->data.call = m.id;
	s->data.secure_call = s->private;
	LIST_INSERT_HEAD(&w->expecting, s, expecting);
	return 0;
}

/* Without a word to the master. */
static void
expectation_over(struct session *s)
{
	LIST_REMOVE(s, expecting);
	s->data.call = 0;
}

void
worker_unexpect(struct worker *w, struct session *s)
{
	const struct msg m = {
	    .type = MSG_MASTER_UNEXPECT,
	    .id = s->data.call,
	    .master_unexpect = {.session = s->id},
	};

	if (s->data.call == 0)
		return;
	expectation_over(s);
	worker_tell(w, &m);
}

/* NULL: it has changed its mind meanwhile. */
static struct session *
session_expecting(const struct worker *w, uint32_t call)
{
	struct session *s;

	LIST_FOREACH(s, &w->expecting, expecting) {
		if (s->data.call == call)
			return s;
	}
	return NULL;
}

static void
on_worker_expected(struct worker *w, uint32_t call)
{
	struct session *s = session_expecting(w, call);

	if (s != NULL)
		data_expected(s);
}

static void
on_worker_unexpected(struct worker *w, uint32_t call)
{
	struct session *s = session_expecting(w, call);

	if (s == NULL)
		return;
	expectation_over(s);
	data_unexpected(s);
}

/* The address says not whose it is. */
static void
call_of_somebody(struct worker *w, int fd, const struct endpoint *peer)
{
	if (conf_trusts_proxy(w->conf, peer))
		proxied_call(w, fd, peer, 0);
	else
		caller_new(w, fd, peer, 0);
}

static void
on_worker_call(struct worker *w, uint32_t call, int *fd)
{
	struct session *s;

	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint peer;

	bool known = getpeername(*fd, (struct sockaddr *)&ss, &len) == 0 &&
		     endpoint_from_sockaddr((struct sockaddr *)&ss, &peer) == 0;
	if (call == 0) {
		if (known)
			call_of_somebody(w, fd_take(fd), &peer);
		return;
	}
	s = session_expecting(w, call);
	if (s == NULL)
		return;
	expectation_over(s);
	data_called(s, fd_take(fd), known ? &peer : &s->peer);
}

/* ---- TLS ---- */

bool
worker_has_keys(const struct worker *w)
{
	return w->identity != NULL && w->identity[0] != NULL;
}

static int
identity_for(struct worker *w, size_t host, const struct keys *keys,
    struct tls_identity **ret, char why[TLS_WHY_MAX])
{
	const struct conf *conf = section_view(w->conf, host, 0);

	if (w->identity == NULL)
		w->identity = calloc(
		    section_count(w->conf, SECTION_HOST) + 1, sizeof(*w->identity));
	if (w->identity == NULL || conf == NULL)
		return -FERRY_ENOMEM;
	return tls_identity_new(conf, host, keys, ret, why);
}

static void
free_identities(struct worker *w)
{
	size_t hosts = section_count(w->conf, SECTION_HOST);

	for (size_t i = 0; w->identity != NULL && i <= hosts; i++)
		tls_identity_unref(w->identity[i]);
	free(w->identity);
	w->identity = NULL;
}

/* New certificates: connections that are open keep the ones they have. */
static void
on_worker_keys(struct worker *w, size_t host, int fd)
{
	_cleanup_(buf_wipe)
	struct buf packed = BUF_INIT(KEYS_PACKED_MAX);
	struct tls_identity *id = NULL;
	char why[TLS_WHY_MAX] = "they cannot be read";
	struct keys keys;

	int r = host <= section_count(w->conf, SECTION_HOST) ? keys_unseal(fd, &packed)
							     : -FERRY_EPROTO;
	if (r == 0)
		r = keys_parse(buf_data(&packed), buf_len(&packed), &keys);
	if (r == 0)
		r = identity_for(w, host, &keys, &id, why);
	if (r < 0) {
		log_event(LOG_ERR, 0, "tls keys=refused why=\"%s\"", why);
		return;
	}
	tls_identity_unref(w->identity[host]);
	w->identity[host] = id;
}

/* ---- the address that PASV tells ---- */

static void
on_worker_address(struct worker *w, const struct msg_worker_address *m)
{
	struct section *s =
	    m->place > 0 ? section_get(w->conf, m->place - 1, m->number) : NULL;
	_cleanup_free_ char *address = bytes_dup(m->address);

	if ((m->place > 0 && s == NULL) || address == NULL)
		return;
	(void)section_put(w->conf, s, "pasv_address", address);
	section_refresh(w->conf);
}

/* ---- messages from the master ---- */

static void
on_worker_session(struct worker *w, const struct msg_worker_session *m, int *fd)
{
	if (worker_session(w, m->session) != NULL) {
		log_event(LOG_ERR, m->session, "session=%u exists already", m->session);
		return;
	}
	/* -FERRY_ENOMEM: it never was one, so nobody else tells the master. */
	if (session_new(w, fd_take(fd), m->session, m->slot, m->implicit) ==
	    -FERRY_ENOMEM)
		worker_closed(w, m->session);
}

/* The session was told "try again" meanwhile, and stays a stranger. One that has left
 * needs no word: the master knows from MASTER_CLOSED. */
static void
refuse_grant(struct worker *w, uint32_t session)
{
	struct session *s = worker_session(w, session);

	if (s != NULL && !session_logged_in(s))
		worker_logout(w, s);
}

static void
on_worker_grant(struct worker *w, const struct msg_worker_grant *m, int *fd)
{
	struct session *s = session_checking(w, m->session);
	struct agent *a = idtable_get(&w->agents, m->agent);

	/* A channel comes with the first grant only: it is kept even if that session has
	 * left. */
	if (*fd >= 0) {
		agent_end(a, "the master has replaced it");
		a = agent_new(w, m->agent, fd_take(fd));
	}
	if (s == NULL) {
		refuse_grant(w, m->session);
		return;
	}
	if (a != NULL) {
		login_granted(s, a, m);
	} else {
		worker_logout(w, s);
		login_denied(s, true);
	}
	session_run(s);
}

static void
on_worker_refused(struct worker *w, const struct msg_worker_refused *m)
{
	struct session *s = session_checking(w, m->session);

	if (s == NULL)
		return;
	login_refused(s, m->why);
	session_run(s);
}

static void
on_master_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct worker *w = user;
	int none = -1;
	int *fd = nfds > 0 ? &fds[0] : &none;

	switch (m->type) {
	case MSG_WORKER_AUTH:
		on_worker_auth(w, fd);
		break;
	case MSG_WORKER_SESSION:
		worker_taken(w, m->worker_session.session);
		on_worker_session(w, &m->worker_session, fd);
		break;
	case MSG_WORKER_KEYS:
		on_worker_keys(w, m->worker_keys.host, *fd);
		break;
	case MSG_WORKER_ADDRESS:
		on_worker_address(w, &m->worker_address);
		break;
	case MSG_WORKER_GRANT:
		on_worker_grant(w, &m->worker_grant, fd);
		break;
	case MSG_WORKER_REFUSED:
		on_worker_refused(w, &m->worker_refused);
		break;
	case MSG_WORKER_BOUND:
		on_worker_bound(w, m, fd);
		break;
	case MSG_WORKER_PROBE:
		on_worker_probe(w, m, fd);
		break;
	case MSG_WORKER_PEER:
		on_worker_peer(w, m);
		break;
	case MSG_WORKER_EXPECTED:
		on_worker_expected(w, m->id);
		break;
	case MSG_WORKER_UNEXPECTED:
		on_worker_unexpected(w, m->id);
		break;
	case MSG_WORKER_CALL:
		on_worker_call(w, m->id, fd);
		break;
	case MSG_WORKER_DRAIN:
		on_worker_drain(w, &m->worker_drain);
		break;
	default:
		worker_end(w, "the master sent a message out of its place");
		break;
	}
}

static void
on_master_end(struct chan *c, const char *why, void *user)
{
	struct worker *w = user;

	chan_free(w->master);
	w->master = NULL;
	worker_end(w, why);
}

/* ---- sessions that end, the scoreboard ---- */

void
worker_forget(struct worker *w, struct session *s)
{
	struct slot_view *v = worker_slot_begin(w, s);

	if (v != NULL) {
		v->head = (struct slot_head){.state = SLOT_FREE};
		worker_slot_end(w, s);
	}
	idtable_take(&w->sessions, s->id);
	LIST_REMOVE(s, entry);
	worker_closed(w, s->id);
	worker_leave_if_done(w);
}

struct slot_view *
worker_slot_begin(struct worker *w, const struct session *s)
{
	return s->slot < w->board.slots ? scoreboard_begin(&w->board, s->slot) : NULL;
}

void
worker_slot_end(struct worker *w, const struct session *s)
{
	scoreboard_end(&w->board, s->slot);
}

/* ---- birth and death ---- */

int
worker_init(struct worker *w, uv_loop_t *loop, struct conf *conf,
    const struct scoreboard *board, int master_fd, worker_end_cb *on_end, void *user)
{
	*w = (struct worker){.loop = loop, .conf = conf, .on_end = on_end, .user = user};
	LIST_INIT(&w->all);
	LIST_INIT(&w->expecting);
	LIST_INIT(&w->callers);
	LIST_INIT(&w->proxied);
	if (board != NULL)
		w->board = *board;
	uv_timer_init(loop, &w->drain);
	uv_unref((uv_handle_t *)&w->drain);
	w->drain.data = w;
	w->master = chan_new(loop, master_fd, ROLE_WORKER, ROLE_MASTER, on_master_message,
	    on_master_end, w);
	if (w->master == NULL) {
		uv_close((uv_handle_t *)&w->drain, NULL);
		return -FERRY_ENOMEM;
	}
	portqueue_init(w);
	resting_init(w);
	log_to(worker_log, w);
	return 0;
}

/* A part of the sixteenth that the master leaves to a worker's channels. */
void
worker_may_use(struct worker *w, unsigned workers, size_t descriptors)
{
	size_t pipes = descriptors / 128, ports = descriptors / 64;

	w->pipes = pipes < PIPES_MAX ? (unsigned)pipes : PIPES_MAX;
	w->resting.most = ports < RESTING_MAX ? (unsigned)ports : RESTING_MAX;
	w->resting.workers = workers;
}

void
worker_free(struct worker *w)
{
	w->ended = true;
	while (!LIST_EMPTY(&w->all))
		session_end(LIST_FIRST(&w->all), "the server ends");
	callers_end(w);
	proxied_end(w);
	log_to(NULL, NULL);
	while (w->agents.count > 0)
		agent_end(idtable_any(&w->agents), "the server ends");
	chan_free(w->auth);
	chan_free(w->master);
	idtable_free(&w->binds);
	idtable_free(&w->agents);
	idtable_free(&w->sessions);
	portqueue_free(w);
	resting_free(w);
	free_identities(w);
	uv_close((uv_handle_t *)&w->drain, NULL);
}
