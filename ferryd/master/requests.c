/*
 * What workers ask of the master and tell it: sockets on the active source port, whose
 * client it is behind a proxy, calls to the one passive port, failures, lines for the
 * log. For crew.c. Must take a worker for one that lies: what is asked for is checked
 * against what the master knows of the session itself.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "crew.h"
#include "log.h"
#include "proxy_from.h"
#include "util.h"

/* Bound sockets that wait for a worker to take them: one that asks on and does not read
 * gets no more, or it could use up our descriptors. */
#define BIND_QUEUE_MAX 64

/* ---- the active source port ---- */

/* Is it the address at which the client reached us? */
static bool
same_address(const struct endpoint *local, struct bytes address)
{
	if (local->family == AF_INET)
		return address.n == sizeof(local->v4) &&
		       memcmp(address.p, &local->v4, address.n) == 0;
	return address.n == sizeof(local->v6) &&
	       memcmp(address.p, &local->v6, address.n) == 0;
}

/* A socket bound to the port that active mode dials from: what a worker has no right to.
 */
static int
bind_data_port(const struct conf *conf, const struct endpoint *local)
{
	struct endpoint ep = *local;
	struct sockaddr_storage ss;
	socklen_t len;
	_cleanup_close_ int fd = -1;
	int on = 1;

	ep.port = (uint16_t)conf->ftp_data_port;
	len = endpoint_to_sockaddr(&ep, &ss);
	fd = socket(ep.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -1;
	return fd_take(&fd);
}

static void
answer_bind(struct worker *w, const struct msg *m)
{
	const struct session *s = worker_session(w, m->master_bind.session);
	const struct conf *conf = &w->child.crew->conf;
	struct msg answer = {.type = MSG_WORKER_BOUND, .id = m->id};
	int fd = -1;

	if (s == NULL || !conf->connect_from_port_20 ||
	    !same_address(&s->local, m->master_bind.address))
		errno = EPERM;
	else if (chan_queued(w->child.chan) > BIND_QUEUE_MAX)
		errno = EAGAIN;
	else
		fd = bind_data_port(conf, &s->local);
	answer.worker_bound.error = fd < 0 ? (uint32_t)errno : 0;
	child_tell(&w->child, &answer, fd);
}

/* A probe looks like a call of active mode: from the same port, if that can be had. */
static void
answer_probe(struct worker *w, const struct msg *m)
{
	const struct session *s = worker_session(w, m->master_probe.session);
	struct crew *crew = w->child.crew;
	struct msg answer = {.type = MSG_WORKER_PROBE, .id = m->id};
	int fd = -1;

	if (s == NULL || chan_queued(w->child.chan) > BIND_QUEUE_MAX ||
	    !probes_allow(&crew->peers->probes, &s->peer, uv_now(crew->loop)))
		answer.worker_probe.error = EDQUOT;
	else if (crew->conf.connect_from_port_20)
		fd = bind_data_port(&crew->conf, &s->local);
	child_tell(&w->child, &answer, fd);
}

/* An address of that many bytes; family 0 for none. */
static struct endpoint
endpoint_of_bytes(struct bytes address)
{
	struct endpoint ep = {0};

	if (address.n == sizeof(ep.v4)) {
		ep.family = AF_INET;
		memcpy(&ep.v4, address.p, sizeof(ep.v4));
	} else if (address.n == sizeof(ep.v6)) {
		ep.family = AF_INET6;
		memcpy(&ep.v6, address.p, sizeof(ep.v6));
	}
	return ep;
}

/* ---- whose client is it? ---- */

/* The session counts at that address from here on. 0 or an errno. */
static int
move_session(struct crew *crew, struct session *s, const struct endpoint *peer)
{
	struct peer *who = peers_add(crew->peers, peer);

	if (who == NULL)
		return ENOMEM;
	calls_forget(crew->peers, s);
	peers_remove(crew->peers, s->who);
	s->who = who;
	who->home = s->worker->child.index;
	s->peer = *peer;
	return crew_is_crowded(crew, who) ? EDQUOT : 0;
}

/* The worker's word is taken where a proxy may have given it, and once. */
static void
answer_peer(struct worker *w, const struct msg *m)
{
	struct session *s = worker_session(w, m->master_peer.session);
	struct msg answer = {.type = MSG_WORKER_PEER, .id = m->id};
	struct crew *crew = w->child.crew;
	struct endpoint peer = endpoint_of_bytes(m->master_peer.address);

	if (s == NULL)
		return;
	if (s->told || !conf_trusts_proxy(&crew->conf, &s->peer) || peer.family == 0) {
		child_end(&w->child, "it makes up where a client comes from");
		return;
	}
	peer.port = m->master_peer.port;
	s->told = true;
	fd_closep(&s->fd); /* it has been read from: no other worker could begin anew */
	answer.worker_peer.error = (uint32_t)move_session(crew, s, &peer);
	child_tell(&w->child, &answer, -1);
}

/* ---- what it tells ---- */

/* Are such numbers this worker's? A line may come when its session is over. */
static bool
worker_numbers(const struct worker *w, uint32_t id)
{
	return id / w->slots % w->child.crew->workers == w->child.index;
}

static void
worker_log(struct worker *w, const struct msg_master_log *m)
{
	if (m->session == 0 || worker_numbers(w, m->session))
		child_log(m);
	else
		child_end(&w->child, "it logs about another worker's session");
}

/* messages.def has the bound as a number. */
_Static_assert(FAILURE_CAUSES == 10, "the bound of MASTER_FAILURE's cause");

/* A client's data connection failed: one line in the log, one row for ferryd failures. */
static void
note_failure(struct session *s, const struct msg_master_failure *m)
{
	const struct failure f = {
	    .cause = (enum failure_cause)m->cause,
	    .error = (int)m->error,
	    .port = m->port,
	    .peer = s->peer,
	    .other = endpoint_of_bytes(m->other),
	};
	struct failures *t = &s->worker->child.crew->peers->failures;
	struct failure_verdict v = failures_add(t, &f, time(NULL));
	char peer[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX] = "-";

	endpoint_format_address(&s->peer, peer);
	if (f.other.family != 0)
		endpoint_format_address(&f.other, other);
	log_event(LOG_NOTICE, s->id,
	    "data=failed verdict=%s certainty=%s way=%s peer=%s port=%u other=%s "
	    "error=\"%s\" why=\"%s\"",
	    failure_code_name(v.code), v.certain ? "certain" : "likely",
	    failure_is_active(f.cause) ? "active" : "passive", peer, f.port, other,
	    f.error != 0 ? strerror(f.error) : "", failure_code_means(v.code));
}

/* ---- all of it ---- */

void
worker_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct worker *w = user;
	struct session *s;

	switch (m->type) {
	case MSG_MASTER_LOG:
		worker_log(w, &m->master_log);
		break;
	case MSG_MASTER_TAKEN:
		s = worker_session(w, m->master_taken.session);
		if (s != NULL)
			fd_closep(&s->fd);
		break;
	case MSG_MASTER_BIND:
		answer_bind(w, m);
		break;
	case MSG_MASTER_PROBE:
		answer_probe(w, m);
		break;
	case MSG_MASTER_PEER:
		answer_peer(w, m);
		break;
	case MSG_MASTER_EXPECT:
		s = worker_session(w, m->master_expect.session);
		if (s != NULL && conf_one_passive_port(&w->child.crew->conf))
			calls_expect(
			    w->child.crew->peers, s, m->id, m->master_expect.secure);
		break;
	case MSG_MASTER_UNEXPECT:
		s = worker_session(w, m->master_unexpect.session);
		if (s != NULL && s->call.id == m->id)
			calls_forget(w->child.crew->peers, s);
		break;
	case MSG_MASTER_FAILURE:
		s = worker_session(w, m->master_failure.session);
		if (s != NULL)
			note_failure(s, &m->master_failure);
		break;
	case MSG_MASTER_LOGOUT:
		s = worker_session(w, m->master_logout.session);
		if (s != NULL)
			login_logout(s);
		break;
	case MSG_MASTER_CLOSED:
		s = worker_session(w, m->master_closed.session);
		if (s != NULL)
			session_free(s);
		break;
	default: /* messages.def lets nothing else through */
		break;
	}
}
