/*
 * The life of a login in auth: it waits for a process if its backend may block, is
 * checked, becomes a session if the options say so, and is granted; with a session it is
 * remembered until the master says that it has ended. Every AUTH_LOGIN and every
 * AUTH_CERTIFICATE gets one answer: MSG_WORKER_DENIED to the worker, or a verdict to the
 * master.
 *
 * A session may have two logins for a moment: after REIN the worker's next AUTH_LOGIN can
 * overtake the master's AUTH_END of the last one. The older is always the one that ends.
 */
#include "auth.h"

#include <ferry/ferry.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "certificate.h"
#include "chan.h"
#include "checker.h"
#include "endpoint.h"
#include "keys.h"
#include "log.h"
#include "section.h"

#define BUCKETS 256

enum login_state {
	LOGIN_NEW,
	LOGIN_WAITING,  /* for a process to be free: auth.waiting */
	LOGIN_CHECKING, /* its process is at work */
	LOGIN_OPENING,  /* the answer was yes; its session is being opened */
	LOGIN_GRANTED,  /* the verdict is out, a session is open. Ends with AUTH_END */
};

TAILQ_HEAD(login_list, login);

struct worker {
	LIST_ENTRY(worker) next;
	struct auth *auth;
	struct chan *chan; /* NULL: it has died; what it had is waiting for AUTH_END */
	uint32_t index;
	unsigned logins;
	struct login_list bucket[BUCKETS]; /* by session number, the older first */
};

struct login {
	TAILQ_ENTRY(login) next;    /* in its bucket */
	TAILQ_ENTRY(login) waiting; /* in auth.waiting, if LOGIN_WAITING */
	struct worker *worker;
	uint32_t session;
	enum login_state state;
	uint64_t since; /* when it began to wait, ms */
	char *user;     /* as typed; these three until it is granted */
	char *password; /* wiped as soon as it was used */
	char *peer;
	uint32_t network; /* the section that peer belongs to */
	uint32_t host;
	struct setup setup;
	struct buf chain; /* certificates instead of the password, or empty */
	const struct backend *backend;
	struct checker *checker;
	struct decision decision;
};

struct auth {
	const struct setup *setup;
	uv_loop_t *loop;
	struct chan *master;
	struct checker_pool pool;
	struct login_list waiting;
	unsigned nwaiting;
	LIST_HEAD(, worker) workers;
	X509_STORE **authorities; /* by host: who signs clients' certificates; NULL: nobody */
};

/* ---- logins as objects ---- */

static struct login_list *
bucket_of(struct worker *w, uint32_t session)
{
	return &w->bucket[session % BUCKETS];
}

/* The oldest login of that session, or the pending one only. */
static struct login *
login_find(struct worker *w, uint32_t session, bool pending)
{
	struct login *l;

	TAILQ_FOREACH(l, bucket_of(w, session), next) {
		if (l->session == session && (!pending || l->state != LOGIN_GRANTED))
			return l;
	}
	return NULL;
}

static void
forget_password(struct login *l)
{
	if (l->password != NULL)
		explicit_bzero(l->password, strlen(l->password));
	free(l->password);
	l->password = NULL;
}

/* What a granted login does not need any more. */
static void
login_shrink(struct login *l)
{
	forget_password(l);
	free(l->user);
	free(l->peer);
	buf_free(&l->chain);
	l->user = l->peer = NULL;
	decision_clear(&l->decision);
	decision_init(&l->decision);
}

static void
login_stop_waiting(struct login *l)
{
	if (l->state != LOGIN_WAITING)
		return;
	TAILQ_REMOVE(&l->worker->auth->waiting, l, waiting);
	l->worker->auth->nwaiting--;
}

static void
login_enter(struct login *l, enum login_state state)
{
	struct auth *a = l->worker->auth;

	login_stop_waiting(l);
	if (state == LOGIN_WAITING) {
		TAILQ_INSERT_TAIL(&a->waiting, l, waiting);
		a->nwaiting++;
		l->since = uv_now(a->loop);
	}
	l->state = state;
}

static void
login_free(struct login *l)
{
	login_stop_waiting(l);
	TAILQ_REMOVE(bucket_of(l->worker, l->session), l, next);
	l->worker->logins--;
	checker_leave(l->checker);
	login_shrink(l);
	free(l);
}

/* What a worker asks, with a password or with certificates. */
struct question {
	uint32_t session;
	struct bytes user, password, chain, peer;
	uint32_t host;
};

static struct login *
login_new(struct worker *w, const struct question *q)
{
	struct login *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->worker = w;
	l->session = q->session;
	l->user = bytes_dup(q->user);
	l->password = bytes_dup(q->password);
	l->peer = bytes_dup(q->peer);
	l->chain = BUF_INIT(CHAIN_MAX);
	decision_init(&l->decision);
	TAILQ_INSERT_TAIL(bucket_of(w, q->session), l, next);
	w->logins++;
	if (l->user == NULL || l->password == NULL || l->peer == NULL ||
	    buf_append(&l->chain, q->chain.p, q->chain.n) < 0) {
		login_free(l);
		return NULL;
	}
	return l;
}

/* ---- answers ---- */

static void
send_denied(struct worker *w, uint32_t session, bool again)
{
	const struct msg m = {
	    .type = MSG_WORKER_DENIED,
	    .worker_denied = {.session = session, .again = again},
	};

	if (w->chan != NULL)
		(void)chan_send(
		    w->chan, &m, -1); /* a worker that does not read waits in vain */
}

/* The true cause is for the operator alone. The address stands first: a name cannot forge
 * it. */
static void
log_denied(const struct login *l, bool again, const char *why, size_t n)
{
	char peer[256], user[1024], cause[2048];

	log_event(again ? LOG_ERR : LOG_NOTICE, l->session,
	    "login=%s peer=%s backend=%s user=\"%s\" why=\"%s\"",
	    again ? "failed" : "refused",
	    log_quoted(l->peer, peer, sizeof(peer)),
	    l->backend != NULL ? l->backend->name : "none",
	    log_quoted(l->user, user, sizeof(user)),
	    log_escape(why, n, cause, sizeof(cause)));
}

/* l is gone afterwards. */
static void
login_deny_for(struct login *l, bool again, const char *why, size_t n)
{
	log_denied(l, again, why, n);
	send_denied(l->worker, l->session, again);
	login_free(l);
}

static void
login_deny(struct login *l, bool again, const char *why)
{
	login_deny_for(l, again, why, strlen(why));
}

/* l is gone afterwards, unless there is a session to close. */
static void
login_grant(struct login *l)
{
	struct auth *a = l->worker->auth;
	const struct decision *d = &l->decision;
	const struct bytes user = {.p = buf_data(&d->user), .n = buf_len(&d->user)};
	struct msg m;

	identity_to_verdict(&d->identity, l->worker->index, l->session, user, &m);
	m.master_verdict.network = l->network;
	m.master_verdict.kept = l->checker != NULL;
	if (chan_send(a->master, &m, -1) < 0) {
		login_deny(l, true, "the verdict could not be sent to the master");
		return;
	}
	if (l->checker == NULL) {
		login_free(l);
		return;
	}
	login_shrink(l);
	login_enter(l, LOGIN_GRANTED);
}

/* ---- checking ---- */

static void
login_decided(struct login *l)
{
	const struct decision *d = &l->decision;

	if (d->answer != ANSWER_YES) {
		login_deny_for(l, d->answer == ANSWER_AGAIN,
		    (const char *)buf_data(&d->why), buf_len(&d->why));
		return;
	}
	if (l->checker != NULL && (l->backend->flags & BACKEND_SESSIONS) != 0 &&
	    l->worker->auth->setup->conf->session_support) {
		login_enter(l, LOGIN_OPENING);
		checker_open_session(l->checker);
		return;
	}
	checker_leave(l->checker);
	l->checker = NULL;
	login_grant(l);
}

static void
checker_answered(struct checker *c, struct decision *d, void *user)
{
	struct login *l = user;

	if (l->state == LOGIN_OPENING && d->answer == ANSWER_YES) {
		login_grant(l);
		return;
	}
	decision_clear(&l->decision);
	l->decision = *d;
	decision_init(d);
	login_decided(l);
}

static void
checker_gone(struct checker *c, void *user)
{
	struct login *l = user;

	log_event(LOG_WARNING, l->session,
	    "pam=gone why=\"the process of the session has died\"");
	checker_leave(l->checker);
	l->checker = NULL;
}

/* Borrowed from l. */
static struct attempt
login_attempt(const struct login *l)
{
	return (struct attempt){
	    .session = l->session,
	    .user = l->user,
	    .password = l->password,
	    .peer = l->peer,
	    .chain = {.p = buf_data(&l->chain), .n = buf_len(&l->chain)},
	    .authorities = l->worker->auth->authorities[l->host],
	};
}

static void
login_start(struct login *l)
{
	struct auth *a = l->worker->auth;
	const struct check_job job = {
	    .setup = &l->setup,
	    .backend = l->backend,
	    .attempt = login_attempt(l),
	    .worker = l->worker->index,
	};
	int r;

	login_enter(l, LOGIN_CHECKING);
	r = checker_start(&a->pool, &job, checker_answered, checker_gone, l, &l->checker);
	forget_password(l);
	if (r < 0)
		login_deny(l, true, "no process could be started to check it");
}

/* A place is free. Who has waited too long is told so: its user has been waiting as long.
 */
static void
start_waiting(void *user)
{
	struct auth *a = user;
	struct login *l;

	while (a->pool.running < a->pool.limits->running &&
	       (l = TAILQ_FIRST(&a->waiting)) != NULL) {
		if (uv_now(a->loop) - l->since > a->pool.limits->check_ms)
			login_deny(
			    l, true, "too many checks at once; it waited too long");
		else
			login_start(l);
	}
}

/* In a checking process: the other logins that it was forked with are none of its
 * business. */
static void
forget_others(void *user)
{
	struct auth *a = user;
	struct login *l;

	TAILQ_FOREACH(l, &a->waiting, waiting) {
		explicit_bzero(l->password, strlen(l->password));
	}
}

/* Certificates are read in a process of their own as well: it has a time limit, and what
 * a taken-over worker could do to it ends with it. */
static bool
needs_process(const struct login *l)
{
	return (l->backend->flags & BACKEND_BLOCKS) != 0 || buf_len(&l->chain) > 0;
}

static void
login_check(struct login *l)
{
	struct auth *a = l->worker->auth;

	l->backend = backend_choose(auth_backends, &l->setup, l->user);
	if (l->backend == NULL) {
		login_deny(l, false, "no kind of login is enabled for this name");
	} else if (!needs_process(l)) {
		const struct attempt attempt = login_attempt(l);
		void *state = NULL;

		backend_decide(l->backend, &l->setup, &attempt, &l->decision, &state);
		forget_password(l);
		login_decided(l);
	} else if (a->pool.running < a->pool.limits->running) {
		login_start(l);
	} else if (a->nwaiting < a->pool.limits->waiting) {
		login_enter(l, LOGIN_WAITING);
	} else {
		login_deny(l, true, "too many checks at once");
	}
}

/* ---- workers ---- */

static struct worker *
worker_find(struct auth *a, uint32_t index)
{
	struct worker *w;

	LIST_FOREACH(w, &a->workers, next) {
		if (w->index == index)
			return w;
	}
	return NULL;
}

/* A worker that has died and has nothing left is forgotten. */
static void
worker_release(struct worker *w)
{
	if (w->chan != NULL || w->logins > 0)
		return;
	LIST_REMOVE(w, next);
	free(w);
}

/* Its channel is over: nobody waits for an answer. Open sessions stay until AUTH_END. */
static void
worker_drop(struct worker *w)
{
	chan_free(w->chan);
	w->chan = NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct login *l = TAILQ_FIRST(&w->bucket[i]);

		while (l != NULL) {
			struct login *next = TAILQ_NEXT(l, next);

			if (l->state != LOGIN_GRANTED)
				login_free(l);
			l = next;
		}
	}
}

/* Its channel is over, and it is told to nobody else: the master sees a worker whose auth
 * has gone. */
static void
worker_expel(struct worker *w, uint32_t session, const char *why)
{
	log_event(LOG_ERR, session, "worker=%u ended=yes why=\"%s\"", w->index, why);
	worker_drop(w);
	worker_release(w);
}

/* Which options count for this login. The host is the client's to choose; whether the
 * address is the client's, the master sees. */
static int
login_place(struct login *l, uint32_t host)
{
	const struct setup *all = l->worker->auth->setup;
	struct endpoint peer;

	if (endpoint_from_text(l->peer, &peer) == 0)
		l->network = (uint32_t)section_find_network(all->conf, &peer);
	l->host = host;
	return setup_for(all, host, l->network, &l->setup);
}

/* All that a worker may send. */
static struct question
question_of(const struct msg *m)
{
	const struct msg_auth_certificate *c = &m->auth_certificate;
	const struct msg_auth_login *l = &m->auth_login;

	if (m->type == MSG_AUTH_CERTIFICATE)
		return (struct question){
		    .session = c->session,
		    .user = c->user,
		    .password = bytes_of(""),
		    .chain = c->chain,
		    .peer = c->peer,
		    .host = c->host,
		};
	return (struct question){
	    .session = l->session,
	    .user = l->user,
	    .password = l->password,
	    .peer = l->peer,
	    .host = l->host,
	};
}

/* NULL, or the rule that a sound worker never breaks. */
static const char *
broken_rule(struct worker *w, const struct question *q)
{
	if (login_find(w, q->session, true) != NULL)
		return "it asked a second time before the answer";
	if (q->host > section_count(w->auth->setup->conf, SECTION_HOST))
		return "it named a host that does not exist";
	if (q->chain.n > 0 &&
	    cert_user_of(w->auth->setup->conf) == CERT_USER_NONE)
		return "it sent a certificate, and cert_user is off";
	return NULL;
}

static void
worker_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct worker *w = user;
	const struct question q = question_of(m);
	const char *broken = broken_rule(w, &q);
	struct login *l;

	if (broken != NULL) {
		worker_expel(w, q.session, broken);
		return;
	}
	l = w->logins < w->auth->pool.limits->logins ? login_new(w, &q) : NULL;
	if (l != NULL && login_place(l, q.host) < 0) {
		login_free(l);
		l = NULL;
	}
	if (l == NULL) {
		log_event(LOG_ERR, q.session,
		    "login=failed worker=%u why=\"out of memory, or too many logins\"",
		    w->index);
		send_denied(w, q.session, true);
		return;
	}
	login_check(l);
}

static void
worker_ended(struct chan *c, const char *why, void *user)
{
	struct worker *w = user;

	log_event(LOG_INFO, 0, "worker=%u channel=ended why=\"%s\"", w->index, why);
	worker_drop(w);
	worker_release(w);
}

static struct worker *
worker_new(struct auth *a, uint32_t index)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->auth = a;
	w->index = index;
	for (size_t i = 0; i < BUCKETS; i++)
		TAILQ_INIT(&w->bucket[i]);
	LIST_INSERT_HEAD(&a->workers, w, next);
	return w;
}

/* A new worker, or a new life of one. */
static void
worker_add(struct auth *a, uint32_t index, int fd)
{
	struct worker *w = worker_find(a, index);

	if (w != NULL)
		worker_drop(w);
	else
		w = worker_new(a, index);
	if (w == NULL) {
		close(fd);
		log_event(
		    LOG_ERR, 0, "worker=%u channel=refused why=\"out of memory\"", index);
		return;
	}
	w->chan = chan_new(
	    a->loop, fd, ROLE_AUTH, ROLE_WORKER, worker_message, worker_ended, w);
	if (w->chan == NULL)
		log_event(
		    LOG_ERR, 0, "worker=%u channel=refused why=\"out of memory\"", index);
	worker_release(w);
}

/* ---- the master ---- */

static void
end_login(struct auth *a, const struct msg_auth_end *m)
{
	struct worker *w = worker_find(a, m->worker);
	struct login *l = w != NULL ? login_find(w, m->session, false) : NULL;

	/* Not found: it was refused, or its worker died while it was checked. */
	if (l == NULL)
		return;
	login_free(l);
	worker_release(w);
}

static X509_STORE *
read_authorities(int fd)
{
	_cleanup_(buf_free)
	struct buf packed = BUF_INIT(KEYS_PACKED_MAX);
	X509_STORE *store = X509_STORE_new();
	struct keys keys;

	if (store != NULL && keys_unseal(fd, &packed) == 0 &&
	    keys_parse(buf_data(&packed), buf_len(&packed), &keys) == 0 &&
	    authorities_load(store, keys.item[KEYS_AUTHORITIES], NULL, NULL) == 0)
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* Those who are gone from the file must not count any more, whatever the new one is. */
static void
take_authorities(struct auth *a, size_t host, int fd)
{
	if (host > section_count(a->setup->conf, SECTION_HOST))
		return;
	X509_STORE_free(a->authorities[host]);
	a->authorities[host] = read_authorities(fd);
	if (a->authorities[host] == NULL)
		log_event(LOG_ERR, 0,
		    "authorities=refused why=\"no certificate logs anybody in\"");
}

static void
free_authorities(struct auth *a)
{
	for (size_t i = 0; i <= section_count(a->setup->conf, SECTION_HOST); i++)
		X509_STORE_free(a->authorities[i]);
	free(a->authorities);
}

static void
master_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct auth *a = user;

	switch (m->type) {
	case MSG_AUTH_WORKER:
		worker_add(a, m->auth_worker.worker, fd_take(&fds[0]));
		break;
	case MSG_AUTH_KEYS:
		take_authorities(a, m->auth_keys.host, fds[0]);
		break;
	case MSG_AUTH_END:
		end_login(a, &m->auth_end);
		break;
	default: /* options and orders belong to the start */
		log_event(LOG_ERR, 0, "message=%s ignored=yes", msg_name(m->type));
		break;
	}
}

/* Without the master there is nobody to serve. Processes that hold sessions see our end
 * and close them. */
static void
master_ended(struct chan *c, const char *why, void *user)
{
	struct auth *a = user;

	log_to(NULL, NULL);
	chan_free(c);
	a->master = NULL;
	uv_stop(a->loop);
}

static void
log_to_master(
    enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
	struct auth *a = user;
	const struct msg m = log_message(kind, level, session, text);

	(void)chan_send(a->master, &m, -1); /* a master that does not read loses lines */
}

void
auth_early(const struct msg *m, void *user)
{
	struct single *single = user;

	if (single_set(single, &m->auth_user) < 0)
		*single = (struct single){.used = true};
}

/* Whoever serves anonymous at that host, or why nobody does. */
static void
prepare_host(const struct setup *s, size_t host, struct identity *ret, struct buf *why)
{
	const struct conf *view = section_view(s->conf, host, 0);
	struct identity_source source = s->source;

	if (view == NULL) {
		buf_append_str(why, "out of memory");
		return;
	}
	source.conf = view;
	if (s->single.used && s->single.anonymous)
		(void)identity_served(view, s->single.uid, s->single.gid, true, ret);
	else if (!s->single.used &&
		 (view->anonymous_enable ||
		     section_networks_enable(s->conf, "anonymous_enable")))
		(void)identity_anonymous(&source, ret, why);
}

int
auth_prepare(struct setup *ret, const struct conf *conf, bool root)
{
	size_t hosts = section_count(conf, SECTION_HOST) + 1;
	struct identity *anonymous = calloc(hosts, sizeof(*anonymous));
	struct buf *why = calloc(hosts, sizeof(*why));

	ret->conf = conf;
	ret->source = (struct identity_source){
	    .conf = conf,
	    .root = root,
	    .uid = geteuid(),
	    .gid = getegid(),
	    .find = account_find,
	    .shell_listed = account_shell_listed,
	    .denied = account_denied,
	};
	ret->anonymous = anonymous;
	ret->anonymous_why = why;
	if (anonymous == NULL || why == NULL) {
		free(anonymous);
		free(why);
		return -FERRY_ENOMEM;
	}
	for (size_t i = 0; i < hosts; i++) {
		buf_init(&why[i], WHY_MAX);
		prepare_host(ret, i, &anonymous[i], &why[i]);
	}
	return 0;
}

void
auth_unprepare(struct setup *s)
{
	struct identity *anonymous = (struct identity *)s->anonymous;
	struct buf *why = (struct buf *)s->anonymous_why;
	size_t hosts = section_count(s->conf, SECTION_HOST) + 1;

	for (size_t i = 0; i < hosts; i++) {
		identity_clear(&anonymous[i]);
		buf_free(&why[i]);
	}
	free(anonymous);
	free(why);
	s->anonymous = NULL;
	s->anonymous_why = NULL;
}

/* Told at the start, not at the first login. */
static void
warn_anonymous(const struct setup *s)
{
	for (size_t i = 0; i <= section_count(s->conf, SECTION_HOST); i++) {
		const struct section *host = section_get(s->conf, SECTION_HOST, i);
		const struct buf *why = &s->anonymous_why[i];
		char shown[2048];

		if (buf_len(why) > 0)
			log_event(LOG_ERR, 0,
			    "anonymous=unavailable host=\"%s\" why=\"%s\"",
			    host != NULL ? host->name : "",
			    log_escape(
				buf_data(why), buf_len(why), shown, sizeof(shown)));
	}
}

int
auth_run(const struct setup *s)
{
	uv_loop_t loop;
	struct auth a = {
	    .setup = s,
	    .loop = &loop,
	    .pool =
		{
		    .loop = &loop,
		    .limits = &auth_limits,
		    .on_room = start_waiting,
		    .in_child = forget_others,
		    .user = &a,
		},
	    .waiting = TAILQ_HEAD_INITIALIZER(a.waiting),
	};

	a.authorities = calloc(section_count(s->conf, SECTION_HOST) + 1, sizeof(*a.authorities));
	if (a.authorities == NULL)
		return -FERRY_ENOMEM;
	if (uv_loop_init(&loop) < 0)
		return -FERRY_ESYS;
	a.master = chan_new(&loop, WIRE_CHILD_FD, ROLE_AUTH, ROLE_MASTER, master_message,
	    master_ended, &a);
	if (a.master == NULL)
		return -FERRY_ENOMEM;
	log_to(log_to_master, &a);
	warn_anonymous(s);
	uv_run(&loop, UV_RUN_DEFAULT);
	log_to(NULL, NULL);
	free_authorities(&a);
	return 0;
}
