/*
 * A crew's processes: starting them, handing out sessions, noticing deaths, starting
 * again.
 */
#include "crew.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "become.h"
#include "cert_user.h"
#include "fdpass.h"
#include "keychain.h"
#include "load.h"
#include "log.h"
#include "proxy_from.h"
#include "section.h"
#include "util.h"

/* A child that lives less than this before it dies is started again only after
 * RESTART_PAUSE. */
#define RESTART_SOON 1000
#define RESTART_PAUSE 1000
/* Bound sockets that wait for a worker to take them: one that asks on and does not read
 * gets no more, or it could use up our descriptors. */
#define BIND_QUEUE_MAX 64

static void worker_message(
    struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user);
static void auth_message(
    struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user);

/* ---- any child ---- */

/* The channel has ended. If the process has not, it broke a rule, and is ended for it. */
static void
child_ended(struct chan *c, const char *why, void *user)
{
	struct child *child = user;

	if (child->wanted)
		log_event(LOG_WARNING, 0,
		    "process=%s index=%u pid=%d channel=ended why=\"%s\"",
		    role_name(child->role), child->index, (int)child->pid, why);
	chan_free(c);
	child->chan = NULL;
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

static int
send_option(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	struct child *child = user;
	struct msg m = {
	    .type = MSG_OPTION,
	    .option = {.name = bytes_of(name), .value = bytes_of(value)},
	};

	return changed ? chan_send(child->chan, &m, -1) : 0;
}

struct section_options {
	struct child *child;
	const struct section *section;
};

static int
send_section_option(const char *name, const char *value, const char *def,
    const char *help, bool changed, bool honoured, void *user)
{
	const struct section_options *o = user;

	return section_sets(o->section, name)
		   ? send_option(name, value, def, help, true, honoured, o->child)
		   : 0;
}

/* Agents know of no sections: nothing that is different there is their affair. */
static int
send_sections(struct child *child, const struct conf *conf)
{
	struct section_options o = {.child = child};
	int r = 0;

	for (enum section_kind kind = 0;
	     kind < SECTION_KINDS && child->role != ROLE_AGENT; kind++) {
		for (size_t i = 1;
		     (o.section = section_get(conf, kind, i)) != NULL && r == 0; i++) {
			const struct msg m = {
			    .type = MSG_SECTION,
			    .section = {.kind = kind, .name = bytes_of(o.section->name)},
			};

			r = chan_send(child->chan, &m, -1);
			if (r == 0)
				r = conf_each(&o.section->conf, send_section_option, &o);
		}
	}
	return r;
}

static int
send_served_user(struct child *child, const struct served *served)
{
	struct msg m = {.type = MSG_AUTH_USER};

	m.auth_user = (struct msg_auth_user){
	    .user = bytes_of(served->user != NULL ? served->user : ""),
	    .password = bytes_of(served->password != NULL ? served->password : ""),
	    .uid = served->uid,
	    .gid = served->gid,
	    .anonymous = served->user == NULL,
	};
	return chan_send(child->chan, &m, -1);
}

static void
close_all(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		int fd = fds[i];

		fd_closep(&fd);
	}
}

int
child_tell(struct child *child, const struct msg *m, int fd)
{
	int r;

	if (child->chan == NULL) {
		fd_closep(&fd);
		return -FERRY_EOF;
	}
	r = chan_send(child->chan, m, fd);
	if (r == 0 || r == -FERRY_EOF || child->pid == 0)
		return r;
	log_event(LOG_ERR, 0,
	    "process=%s index=%u pid=%d killed=yes why=\"it does not take %s: %s\"",
	    role_name(child->role), child->index, (int)child->pid, msg_name(m->type),
	    ferry_strerror(r));
	kill(child->pid, SIGKILL); /* and it is reaped */
	return r;
}

int
child_start(struct child *child, const struct msg_start *start, const int *fds,
    size_t nfds, chan_msg_cb *on_msg)
{
	struct crew *crew = child->crew;
	struct msg m = {.type = MSG_START, .start = *start};
	int sock = -1, r;

	r = spawn_child(crew->programs, child->role, &child->pid, &sock);
	if (r < 0) {
		child->pid = 0;
		close_all(fds, nfds);
		return r;
	}
	LIST_INSERT_HEAD(&crew->children, child, next);
	child->started = uv_now(crew->loop);
	child->chan = chan_new(
	    crew->loop, sock, ROLE_MASTER, child->role, on_msg, child_ended, child);
	r = child->chan != NULL ? conf_each(&crew->conf, send_option, child)
				: -FERRY_ENOMEM;
	if (r == 0)
		r = send_sections(child, &crew->conf);
	if (r == 0 && child->role == ROLE_AUTH && crew->served != NULL)
		r = send_served_user(child, crew->served);
	if (r == 0)
		r = chan_send_fds(child->chan, &m, fds, nfds);
	else
		close_all(fds, nfds);
	if (r < 0)
		kill(child->pid, SIGKILL); /* and it is reaped */
	return r;
}

void
child_log(const struct msg_master_log *m)
{
	_cleanup_free_ char *text = bytes_dup(m->text);

	if (text != NULL)
		log_line(m->kind, m->level, m->session, text);
}

/* ---- auth ---- */

static void
auth_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct child *child = user;

	switch (m->type) {
	case MSG_MASTER_LOG:
		child_log(&m->master_log);
		break;
	case MSG_MASTER_VERDICT:
		login_verdict(child->crew, &m->master_verdict);
		break;
	default: /* messages.def lets nothing else through */
		break;
	}
}

/* Auth and a worker get the two ends of a new channel. Whoever starts last makes the
 * link: 0 when the other one is not there. */
static int
link_auth(struct crew *crew, struct worker *w)
{
	struct msg to_auth = {.type = MSG_AUTH_WORKER};
	struct msg to_worker = {.type = MSG_WORKER_AUTH};
	int pair[2], r;

	if (crew->auth.child.chan == NULL || w->child.chan == NULL)
		return 0;
	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	to_auth.auth_worker.worker = w->child.index;
	r = child_tell(&crew->auth.child, &to_auth, pair[0]);
	if (r == 0)
		r = child_tell(&w->child, &to_worker, pair[1]);
	else
		close(pair[1]);
	return r == -FERRY_EOF ? 0 : r;
}

/* A child without its link is of no use: it is started anew. */
static int
unlinked(struct child *child, int r)
{
	if (r < 0 && child->pid > 0)
		kill(child->pid, SIGKILL);
	return r;
}

/* Auth verifies certificates itself: a worker's word is not enough. */
static int
tell_auth_keys(struct crew *crew, size_t host)
{
	struct msg m = {.type = MSG_AUTH_KEYS, .auth_keys = {.host = (uint32_t)host}};

	if (cert_user_of(&crew->conf) == CERT_USER_NONE)
		return 0;
	int fd = keychain_seal_authorities(crew->keys, host);
	return fd >= 0 ? child_tell(&crew->auth.child, &m, fd) : fd;
}

static int
auth_start(struct crew *crew)
{
	struct msg_start start = {0};
	int r;

	crew->auth.life++;
	crew->auth.child =
	    (struct child){.crew = crew, .role = ROLE_AUTH, .wanted = true};
	r = child_start(&crew->auth.child, &start, NULL, 0, auth_message);
	for (size_t i = 0; i < keychain_size(crew->keys) && r == 0; i++)
		r = tell_auth_keys(crew, i);
	for (size_t i = 0; i < crew->workers && r == 0; i++)
		r = link_auth(crew, &crew->worker[i]);
	return unlinked(&crew->auth.child, r);
}

/* ---- workers ---- */

static int
dup_cloexec(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

struct session *
worker_session(struct worker *w, uint32_t id)
{
	struct session *s = w->session[id % w->slots];

	return s != NULL && s->id == id ? s : NULL;
}

/* Its slot is free again. */
static void
session_displace(struct session *s)
{
	calls_forget(s->worker->child.crew->peers, s);
	s->worker->session[s->id % s->worker->slots] = NULL;
	s->worker->sessions--;
}

static void
session_free(struct session *s)
{
	struct worker *w = s->worker;

	login_end(s);
	session_displace(s);
	w->child.crew->on_closed(w->child.crew, s, w->child.crew->user);
	fd_closep(&s->fd);
	free(s);
}

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

/* ---- clients of proxies ---- */

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
		child_ended(
		    w->child.chan, "it makes up where a client comes from", &w->child);
		return;
	}
	peer.port = m->master_peer.port;
	s->told = true;
	fd_closep(&s->fd); /* it has been read from: no other worker could begin anew */
	answer.worker_peer.error = (uint32_t)move_session(crew, s, &peer);
	child_tell(&w->child, &answer, -1);
}

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
		child_ended(
		    w->child.chan, "it logs about another worker's session", &w->child);
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

static void
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

/* ---- TLS ---- */

static int
tell_keys(struct worker *w, size_t host)
{
	struct msg m = {.type = MSG_WORKER_KEYS, .worker_keys = {.host = (uint32_t)host}};
	int fd = keychain_seal(w->child.crew->keys, host);

	return fd >= 0 ? child_tell(&w->child, &m, fd) : fd;
}

static int
tell_all_keys(struct worker *w)
{
	size_t hosts = keychain_size(w->child.crew->keys);
	int r = 0;

	for (size_t i = 0; i < hosts && r == 0; i++)
		r = tell_keys(w, i);
	return r;
}

void
crew_renew_keys(struct crew *crew)
{
	size_t hosts = keychain_size(crew->keys);

	for (size_t host = 0; host < hosts; host++) {
		if (!keychain_renew(crew->keys, &crew->conf, host))
			continue;
		(void)tell_auth_keys(crew, host);
		for (size_t i = 0; i < crew->workers; i++)
			(void)tell_keys(&crew->worker[i], host);
	}
}

/* ---- the start of a worker ---- */

static int
worker_start(struct crew *crew, unsigned index)
{
	struct worker *w = &crew->worker[index];
	struct msg_start start = {.index = index, .slots = (uint32_t)w->slots};
	int fds[2];
	size_t nfds = 0;
	int r;

	w->child = (struct child){
	    .crew = crew, .role = ROLE_WORKER, .index = index, .wanted = true};
	if (geteuid() == 0) {
		const struct passwd *pw = getpwnam(crew->conf.nopriv_user);

		if (pw == NULL) {
			log_event(LOG_ERR, 0, "nopriv_user=%s: no such account",
			    crew->conf.nopriv_user);
			return -FERRY_EINVAL;
		}
		start.user = bytes_of(crew->conf.nopriv_user);
		start.uid = pw->pw_uid;
		start.gid = pw->pw_gid;
		start.empty_root = 1;
		fds[nfds++] = become_empty_dir();
	} else {
		start.uid = geteuid();
		start.gid = getegid();
	}
	fds[nfds++] = dup_cloexec(w->board_fd);
	if (fds[0] < 0 || fds[nfds - 1] < 0) {
		close_all(fds, nfds);
		return -FERRY_ESYS;
	}
	r = child_start(&w->child, &start, fds, nfds, worker_message);
	if (r == 0)
		r = tell_all_keys(w);
	if (r == 0)
		r = link_auth(crew, w);
	return unlinked(&w->child, r);
}

static int
worker_init(struct worker *w, size_t slots)
{
	w->slots = slots;
	w->turn = 1; /* no id is 0 */
	w->session = calloc(slots, sizeof(*w->session));
	w->board_fd = scoreboard_create(slots);
	if (w->session == NULL || w->board_fd < 0)
		return -FERRY_ENOMEM;
	return scoreboard_map(w->board_fd, slots, 0, &w->board);
}

/* ---- handing out ---- */

static bool
has_room(const struct worker *w)
{
	return w->child.chan != NULL && w->sessions < w->slots;
}

static struct worker *
least_busy(struct crew *crew)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < crew->workers; i++) {
		struct worker *w = &crew->worker[i];

		if (has_room(w) && (best == NULL || w->sessions < best->sessions))
			best = w;
	}
	return best;
}

/* With one passive port: must one worker have all sessions of that kind, since a call's
 * address does not tell whose it is? */
static bool
gathers(const struct crew *crew, const struct endpoint *from)
{
	return conf_trusts_resumed(&crew->conf) || conf_trusts_proxy(&crew->conf, from);
}

bool
crew_is_crowded(const struct crew *crew, const struct peer *who)
{
	size_t network = section_find_network(&crew->conf, &who->address);
	const struct conf *conf = section_view(&crew->conf, 0, network);
	uint64_t most = conf != NULL ? conf->max_per_ip : crew->conf.max_per_ip;

	return most > 0 && who->sessions > most;
}

/* Who serves a client of that address. */
static struct worker *
worker_for(struct crew *crew, const struct peer *who)
{
	unsigned home = gathers(crew, &who->address) ? 0 : who->home;

	if (conf_one_passive_port(&crew->conf) && home < crew->workers &&
	    has_room(&crew->worker[home]))
		return &crew->worker[home];
	return least_busy(crew);
}

bool
crew_offer_call(struct crew *crew, const struct endpoint *from, int fd)
{
	const struct msg m = {.type = MSG_WORKER_CALL};

	if (!gathers(crew, from) || crew->worker[0].child.chan == NULL)
		return false;
	(void)child_tell(&crew->worker[0].child, &m, fd);
	return true;
}

/* Numbers are 32 bits wide: after the last turn that fits, the first one. */
static uint32_t
turn_after(const struct worker *w, uint32_t turn)
{
	return turn < UINT32_MAX / (w->slots * w->child.crew->workers) - 1 ? turn + 1 : 1;
}

static void
next_slot(struct worker *w)
{
	if (++w->search < w->slots)
		return;
	w->search = 0;
	w->turn = turn_after(w, w->turn);
}

/* A free slot of a worker, with an id that was not used for a very long
 * time, and the client's socket to that worker. A worker that does not get it is dying,
 * and its death places the session anew. */
static int
session_place(struct crew *crew, struct session *s)
{
	struct msg m = {.type = MSG_WORKER_SESSION};
	struct worker *w = worker_for(crew, s->who);
	int copy;

	if (w == NULL)
		return -FERRY_ESTATE;
	copy = dup_cloexec(s->fd);
	if (copy < 0)
		return -FERRY_ESTATE;
	while (w->session[w->search] != NULL)
		next_slot(w);
	s->id =
	    (w->turn * (uint32_t)crew->workers + w->child.index) * (uint32_t)w->slots +
	    (uint32_t)w->search;
	s->worker = w;
	s->who->home = w->child.index;
	w->session[w->search] = s;
	w->sessions++;
	m.worker_session.session = s->id;
	m.worker_session.slot = (uint32_t)w->search;
	m.worker_session.implicit = s->implicit;
	next_slot(w);
	(void)child_tell(&w->child, &m, copy);
	return 0;
}

static void
read_local(int fd, struct endpoint *ret)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)endpoint_from_sockaddr((struct sockaddr *)&ss, ret);
}

int
crew_take(struct crew *crew, int *fd, const struct endpoint *peer, struct peer *who,
    bool implicit)
{
	struct session *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -FERRY_ENOMEM;
	s->fd = *fd;
	s->peer = *peer;
	s->who = who;
	s->implicit = implicit;
	read_local(s->fd, &s->local);
	r = session_place(crew, s);
	if (r < 0)
		free(s);
	else
		*fd = -1;
	return r;
}

/* Everything that hung on a worker that died. What it had not taken yet is left in
 * orphans. */
static void
worker_died(struct worker *w, struct agent_sessions *orphans)
{
	struct crew *crew = w->child.crew;
	struct agent *agent;

	for (size_t i = 0; i < w->slots && w->sessions > 0; i++) {
		struct session *s = w->session[i];

		if (s != NULL && s->fd >= 0) {
			assert(s->grant.state ==
			       GRANT_NONE); /* login_verdict() sees to it */
			session_displace(s);
			TAILQ_INSERT_TAIL(orphans, s, by_agent);
		} else if (s != NULL) {
			session_free(s);
		}
	}
	LIST_FOREACH(agent, &crew->agents, next)
		agent_unlink(agent, w->child.index);
}

static void
place_orphans(struct crew *crew, struct agent_sessions *orphans)
{
	struct session *s;

	while ((s = TAILQ_FIRST(orphans)) != NULL) {
		TAILQ_REMOVE(orphans, s, by_agent);
		if (session_place(crew, s) == 0)
			continue;
		crew->on_closed(crew, s, crew->user);
		close(s->fd);
		free(s);
	}
}

/* ---- the crew ---- */

static void
restart_later(uv_timer_t *timer)
{
	struct crew *crew = timer->data;

	if (crew->retired)
		return;
	if (crew->auth.child.pid == 0 && auth_start(crew) < 0)
		uv_timer_start(timer, restart_later, RESTART_PAUSE, 0);
	for (unsigned i = 0; i < crew->workers; i++) {
		if (crew->worker[i].child.pid == 0 && worker_start(crew, i) < 0)
			uv_timer_start(timer, restart_later, RESTART_PAUSE, 0);
	}
}

int
crew_start(struct crew *crew, uv_loop_t *loop, const struct programs *programs,
    const struct served *served, struct peers *peers, const struct conf *conf,
    size_t workers, size_t slots,
    void (*on_closed)(struct crew *, const struct session *, void *), void *user)
{
	int r;

	*crew = (struct crew){
	    .loop = loop,
	    .programs = programs,
	    .served = served,
	    .peers = peers,
	    .worker = calloc(workers, sizeof(*crew->worker)),
	    .on_closed = on_closed,
	    .user = user,
	};
	if (crew->worker == NULL)
		return -FERRY_ENOMEM;
	uv_timer_init(loop, &crew->restart);
	crew->restart.data = crew;
	r = conf_copy(conf, &crew->conf);
	if (r == 0)
		r = keychain_load(&crew->conf, &crew->keys, load_tell_log, NULL);
	for (; crew->workers < workers && r == 0; crew->workers++)
		r = worker_init(&crew->worker[crew->workers], slots);
	if (r == 0)
		r = auth_start(crew);
	for (unsigned i = 0; i < workers && r == 0; i++)
		r = worker_start(crew, i);
	if (r < 0) {
		int saved = errno;

		log_event(LOG_ERR, 0, "start=failed why=\"%s\"",
		    r == -FERRY_ESYS ? strerror(saved) : ferry_strerror(r));
	}
	return r;
}

void
crew_continue(struct crew *crew, const struct crew *last)
{
	uint32_t turn = 0;

	for (size_t i = 0; i < last->workers; i++) {
		if (last->worker[i].turn > turn)
			turn = last->worker[i].turn;
	}
	for (size_t i = 0; i < crew->workers; i++)
		crew->worker[i].turn = turn_after(&crew->worker[i], turn);
}

size_t
crew_sessions(const struct crew *crew)
{
	size_t n = 0;

	for (size_t i = 0; i < crew->workers; i++)
		n += crew->worker[i].sessions;
	return n;
}

/* The workers of a retired crew have gone: nobody needs auth and the agents any more. */
static void
dismiss_rest(struct crew *crew)
{
	struct agent *agent;

	for (size_t i = 0; i < crew->workers; i++) {
		if (crew->worker[i].child.pid > 0)
			return;
	}
	crew->auth.child.wanted = false;
	chan_free(crew->auth.child.chan);
	crew->auth.child.chan = NULL;
	LIST_FOREACH(agent, &crew->agents, next) {
		agent->child.wanted = false;
		chan_free(agent->child.chan);
		agent->child.chan = NULL;
	}
}

void
crew_retire(struct crew *crew, unsigned seconds)
{
	struct msg m = {.type = MSG_WORKER_DRAIN, .worker_drain = {.seconds = seconds}};

	crew->retired = true;
	uv_timer_stop(&crew->restart);
	for (size_t i = 0; i < crew->workers; i++) {
		crew->worker[i].child.wanted = false;
		child_tell(&crew->worker[i].child, &m, -1);
	}
	dismiss_rest(crew); /* if there is no worker just now, no death comes to do it */
}

static void
log_death(const struct child *child, pid_t pid, bool wanted, int status)
{
	int level = wanted ? LOG_ERR : LOG_DEBUG;

	if (WIFSIGNALED(status))
		log_event(level, 0, "process=%s index=%u pid=%d ended=signal signal=%d%s",
		    role_name(child->role), child->index, (int)pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS
			? " why=\"a system call its sandbox forbids\""
			: "");
	else
		log_event(level, 0, "process=%s index=%u pid=%d ended=exit status=%d",
		    role_name(child->role), child->index, (int)pid, WEXITSTATUS(status));
}

/* What a dead child still said counts: sessions that it took, lines that tell why it
 * died. */
static void
last_words(struct child *child)
{
	child->pid = 0;
	child->wanted = false; /* the end of its channel is no news */
	if (child->chan != NULL)
		chan_drain(child->chan);
	chan_free(child->chan);
	child->chan = NULL;
}

bool
crew_reap(struct crew *crew, pid_t pid, int status)
{
	struct child *child;
	struct agent_sessions orphans = TAILQ_HEAD_INITIALIZER(orphans);
	bool wanted, again, soon;

	LIST_FOREACH(child, &crew->children, next) {
		if (child->pid == pid)
			break;
	}
	if (child == NULL)
		return false;
	LIST_REMOVE(child, next);
	wanted = child->wanted;
	last_words(child);
	log_death(child, pid, wanted, status);
	again = wanted && !crew->retired;
	soon = uv_now(crew->loop) - child->started < RESTART_SOON;
	if (child->role == ROLE_AGENT) {
		agent_died((struct agent *)child);
		agent_free((struct agent *)child);
		again = false; /* the next login that needs one starts one */
	} else if (child->role == ROLE_WORKER) {
		worker_died((struct worker *)child, &orphans);
	}
	if (again && soon)
		uv_timer_start(&crew->restart, restart_later, RESTART_PAUSE, 0);
	else if (again)
		restart_later(&crew->restart);
	place_orphans(crew, &orphans);
	if (crew->retired)
		dismiss_rest(crew);
	return true;
}

bool
crew_is_gone(const struct crew *crew)
{
	return crew->retired && LIST_EMPTY(&crew->children);
}

void
crew_kill(struct crew *crew)
{
	struct child *child;

	crew->retired = true;
	LIST_FOREACH(child, &crew->children, next) {
		child->wanted = false;
		kill(child->pid, SIGKILL);
	}
}

void
crew_free(struct crew *crew)
{
	for (size_t i = 0; i < crew->workers; i++) {
		scoreboard_unmap(&crew->worker[i].board);
		fd_closep(&crew->worker[i].board_fd);
		free(crew->worker[i].session);
	}
	free(crew->worker);
	advertise_forget(crew);
	keychain_free(crew->keys);
	conf_free(&crew->conf);
}
