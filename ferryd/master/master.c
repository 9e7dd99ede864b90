/*
 * The master: binds, accepts, spawns. It reads configuration and keys, and never a byte
 * that a client sent: an accepted socket goes to a worker unread.
 */
#include "master.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "crew.h"
#include "load.h"
#include "log.h"
#include "logfile.h"
#include "peers.h"
#include "proxy_from.h"
#include "sandbox.h"
#include "util.h"

/* Clients taken per wake-up, so that signals and messages are not starved by a flood. */
#define ACCEPT_TURN 64
/* Data connections taken before the next session is told the port: all that fit into the
 * queue, unless they come faster than that. */
#define COLLECT_TURN 1024
/* No descriptors left: try again after this many milliseconds instead of spinning. */
#define ACCEPT_PAUSE 100
/* How often certificates are looked at for changes, and turns at the shared passive port
 * for their end; in milliseconds. */
#define LOOK_PAUSE 2000
/* At the end: how long transfers may go on, and when the rest is killed. Seconds. */
#define END_SECONDS 5

/* Descriptors of a worker without sessions, and while a call is taken. */
#define WORKER_DESCRIPTORS 32

/* Strangers at the shared passive port that are logged between two looks around. */
#define STRANGERS_LOGGED 5

struct listener {
	uv_poll_t poll;
	struct master *master;
	int fd;
	bool implicit; /* its clients begin with a TLS handshake */
	void (*take)(const struct listener *l, int fd, const struct endpoint *peer);
};

struct master {
	uv_loop_t loop;
	struct programs programs;
	const struct master_plan *plan;
	LIST_HEAD(, crew) crews; /* the first one works, the others are retired */
	struct listener listener[LISTEN_MAX];
	size_t listeners;
	struct listener *passive[LISTEN_MAX]; /* of the port that serves all sessions */
	size_t passives;
	uint64_t passive_port; /* 0: there is none */
	unsigned strangers;
	struct peers peers;
	size_t sessions;
	size_t descriptors;
	uv_timer_t pause; /* accepting again */
	uv_timer_t last;  /* killing what does not end */
	uv_timer_t look;  /* looking around */
	uv_timer_t names; /* looking pasv_address up again */
	uv_signal_t on_child, on_term, on_int, on_hup, on_usr1;
	bool ending;
};

static void call_ready(uv_poll_t *poll, int status, int events);

/* ---- clients ---- */

/* A client that is not served is told why; nothing is read from it, nothing waits for it.
 */
static void
turn_away(int fd, const struct endpoint *peer, bool implicit, const char *text)
{
	char where[ENDPOINT_TEXT_MAX];

	endpoint_format(peer, where);
	log_event(LOG_NOTICE, 0, "refused peer=%s why=\"%s\"", where, text + 4);
	if (implicit) /* it would not understand it */
		return;
	if (send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		(void)send(fd, "\r\n", 2, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
session_closed(struct crew *crew, const struct session *s, void *user)
{
	struct master *m = user;

	if (s->fd >= 0) /* its worker died, and there is no other one */
		turn_away(s->fd, &s->peer, s->implicit,
		    "421 The server is busy, please try again in a moment.");
	peers_remove(&m->peers, s->who);
	m->sessions--;
}

static void
take_client(const struct listener *l, int client, const struct endpoint *peer)
{
	struct master *m = l->master;
	struct crew *crew = LIST_FIRST(&m->crews);
	bool implicit = l->implicit || crew->conf.implicit_ssl;
	_cleanup_close_ int fd = client;
	struct peer *who;

	if (crew->conf.max_clients > 0 && m->sessions >= crew->conf.max_clients) {
		turn_away(fd, peer, implicit,
		    "421 There are too many connected users, please try later.");
		return;
	}
	who = peers_add(&m->peers, peer);
	m->sessions++;
	/* Whom a proxy brings is counted when it has told who that is. */
	if (who != NULL && crew_is_crowded(crew, who) &&
	    !conf_trusts_proxy(&crew->conf, peer))
		turn_away(fd, peer, implicit,
		    "421 There are too many connections from your internet address.");
	else if (who != NULL && crew_take(crew, &fd, peer, who, implicit) == 0)
		return;
	else
		turn_away(fd, peer, implicit,
		    "421 The server is busy, please try again in a moment.");
	if (who != NULL)
		peers_remove(&m->peers, who);
	m->sessions--;
}

/* The crew for a call whose address does not tell whose it is: a retired one only if it
 * alone has told the port to somebody. */
static struct crew *
crew_called(struct master *m, const struct endpoint *peer)
{
	struct crew *crew;

	LIST_FOREACH(crew, &m->crews, next) {
		if (crew_awaits_call(crew, peer))
			return crew;
	}
	return LIST_FIRST(&m->crews);
}

/* A data connection, for whoever expects it. */
static void
take_call(const struct listener *l, int fd, const struct endpoint *peer)
{
	struct master *m = l->master;
	struct crew *crew = LIST_FIRST(&m->crews);
	char where[ENDPOINT_TEXT_MAX];

	/* A proxy's own address tells nothing, even if it has sessions itself. */
	if ((!conf_trusts_proxy(&crew->conf, peer) &&
		calls_hand_over(&m->peers, peer, fd)) ||
	    crew_offer_call(crew_called(m, peer), peer, fd))
		return;
	close(fd);
	if (m->strangers++ >= STRANGERS_LOGGED)
		return;
	endpoint_format(peer, where);
	log_event(LOG_NOTICE, 0, "stranger peer=%s port=%llu: closed unread", where,
	    (unsigned long long)m->passive_port);
}

static void
accept_again(uv_timer_t *timer)
{
	struct master *m = timer->data;

	for (size_t i = 0; i < m->listeners; i++)
		uv_poll_start(&m->listener[i].poll, UV_READABLE, call_ready);
	for (size_t i = 0; i < m->passives; i++)
		uv_poll_start(&m->passive[i]->poll, UV_READABLE, call_ready);
}

static void
accept_pause(struct master *m, int error)
{
	log_event(LOG_ERR, 0, "accept=paused why=\"%s\"", strerror(error));
	for (size_t i = 0; i < m->listeners; i++)
		uv_poll_stop(&m->listener[i].poll);
	for (size_t i = 0; i < m->passives; i++)
		uv_poll_stop(&m->passive[i]->poll);
	uv_timer_start(&m->pause, accept_again, ACCEPT_PAUSE, 0);
}

/* Takes up to so many calls, if there are. */
static void
take_calls(struct listener *l, int most)
{
	for (int i = 0; i < most; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct endpoint peer;
		int fd = accept4(
		    l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				accept_pause(l->master, errno);
			else if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return;
		}
		if (endpoint_from_sockaddr((struct sockaddr *)&ss, &peer) < 0)
			close(fd);
		else
			l->take(l, fd, &peer);
	}
}

static void
call_ready(uv_poll_t *poll, int status, int events)
{
	take_calls(poll->data, ACCEPT_TURN);
}

/* What waits at the port for all: see calls.c. */
static void
collect_calls(void *collector)
{
	struct master *m = collector;

	for (size_t i = 0; i < m->passives; i++)
		take_calls(m->passive[i], COLLECT_TURN);
}

static void
watch(struct master *m, struct listener *l, int fd)
{
	l->master = m;
	l->fd = fd;
	uv_poll_init(&m->loop, &l->poll, fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, call_ready);
}

/* ---- one passive port for all ---- */

static void
on_passive_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	close(l->fd);
	free(l);
}

static void
close_passive(struct master *m)
{
	while (m->passives > 0)
		uv_close(
		    (uv_handle_t *)&m->passive[--m->passives]->poll, on_passive_closed);
	m->passive_port = 0;
}

static void
watch_passive(struct master *m, struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct listener *one = calloc(1, sizeof(*one));

		if (one == NULL) { /* the other family may do */
			close(l->fd[i]);
			continue;
		}
		one->take = take_call;
		watch(m, one, l->fd[i]);
		m->passive[m->passives++] = one;
	}
}

/* Listens where this configuration wants it. The sessions of an old crew lose their port,
 * when it is another one. */
static int
open_passive(struct master *m, const struct conf *conf)
{
	uint64_t port = conf_one_passive_port(conf) ? conf->pasv_min_port : 0;
	const char *why = NULL;
	struct listeners l;

	if (port == m->passive_port)
		return 0;
	if (port != 0 &&
	    listeners_open_passive(m->plan->listeners, (uint16_t)port, &l, &why) < 0) {
		log_event(LOG_ERR, 0, "passive=failed why=\"%s\"", why);
		return -FERRY_ESYS;
	}
	close_passive(m);
	if (port != 0)
		watch_passive(m, &l);
	m->passive_port = port;
	return 0;
}

/* ---- crews ---- */

static void
crew_timer_closed(uv_handle_t *handle)
{
	crew_free(handle->data);
	free(handle->data);
}

/* Crews that are gone are forgotten; with the last one we end. Called whenever one may
 * have become that: when a child died, and when a crew retires that had no process just
 * then. */
static void
bury(struct master *m)
{
	struct crew *crew, *next;

	for (crew = LIST_FIRST(&m->crews); crew != NULL; crew = next) {
		next = LIST_NEXT(crew, next);
		if (!crew_is_gone(crew))
			continue;
		LIST_REMOVE(crew, next);
		uv_close((uv_handle_t *)&crew->restart, crew_timer_closed);
	}
	if (LIST_EMPTY(&m->crews))
		uv_stop(&m->loop);
}

static void
look_up_names(uv_timer_t *timer)
{
	struct master *m = timer->data;
	struct crew *crew;

	LIST_FOREACH(crew, &m->crews, next)
		crew_look_up(crew);
}

/* As often as the newest crew wants it. */
static void
watch_names(struct master *m)
{
	uint64_t pause = LIST_FIRST(&m->crews)->conf.pasv_addr_refresh * 1000;

	if (pause > 0)
		uv_timer_start(&m->names, look_up_names, pause, pause);
	else
		uv_timer_stop(&m->names);
}

static size_t
worker_count(size_t wanted)
{
	cpu_set_t set;

	if (wanted > 0)
		return wanted;
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (size_t)CPU_COUNT(&set);
	return 1;
}

static int
hire(struct master *m, const struct conf *conf)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	int r;

	if (crew == NULL)
		return -FERRY_ENOMEM;
	r = open_passive(m, conf);
	if (r < 0) {
		free(crew);
		return r;
	}
	r = crew_start(crew, &m->loop, &m->programs, m->plan->served, &m->peers, conf,
	    worker_count(m->plan->workers), m->descriptors, session_closed, m);
	if (r < 0)
		crew_kill(crew); /* and it is reaped; the one that worked goes on */
	else if (!LIST_EMPTY(&m->crews))
		crew_continue(crew, LIST_FIRST(&m->crews));
	if (r < 0 && !LIST_EMPTY(&m->crews))
		LIST_INSERT_AFTER(LIST_FIRST(&m->crews), crew, next);
	else
		LIST_INSERT_HEAD(&m->crews, crew, next);
	return r;
}

static bool
same_string(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* The sockets are the ones of the start, when we may still have had the right to make
 * them. */
static void
warn_listening(const struct conf *start, const struct conf *now)
{
	if (start->listen_port != now->listen_port || start->listen != now->listen ||
	    start->listen_ipv6 != now->listen_ipv6 ||
	    start->implicit_ssl_port != now->implicit_ssl_port ||
	    !same_string(start->listen_address, now->listen_address) ||
	    !same_string(start->listen_address6, now->listen_address6))
		log_event(LOG_WARNING, 0,
		    "reload=partly why=\"listen, listen_ipv6, listen_address, "
		    "listen_address6, listen_port and implicit_ssl_port count from the "
		    "next start on, not "
		    "from a reload\"");
}

/* SIGHUP: a configuration with a mistake changes nothing. Sessions keep the one they
 * began with. */
static void
reload(uv_signal_t *handle, int signum)
{
	struct master *m = handle->data;
	struct crew *old = LIST_FIRST(&m->crews);
	const char *what = NULL;
	struct conf conf;

	if (m->ending || m->plan->cmdline == NULL)
		return;
	if (load_config(m->plan->cmdline, &conf, load_tell_log, NULL) < 0) {
		log_event(
		    LOG_ERR, 0, "reload=refused why=\"the configuration has mistakes\"");
		return;
	}
	if (load_world(&conf, load_tell_log, NULL) < 0)
		log_event(
		    LOG_ERR, 0, "reload=refused why=\"the configuration has mistakes\"");
	else if (logfile_open(&conf, m->plan->conf->background, &what) < 0)
		log_event(
		    LOG_ERR, 0, "reload=refused why=\"%s: %s\"", what, strerror(errno));
	else if (hire(m, &conf) == 0) {
		crew_retire(old, conf.idle_session_timeout > 0
				     ? (unsigned)conf.idle_session_timeout
				     : 300);
		log_event(
		    LOG_NOTICE, 0, "reload=done sessions_kept=%zu", crew_sessions(old));
		warn_listening(m->plan->conf, &conf);
		watch_names(m);
	} else {
		log_event(LOG_ERR, 0,
		    "reload=refused why=\"its processes could not be started; the old "
		    "ones go on\"");
	}
	conf_free(&conf);
	bury(m);
}

static void
write_failures(struct master *m)
{
	struct crew *crew = LIST_FIRST(&m->crews);

	if (crew != NULL)
		failures_write(&m->peers.failures, crew->conf.failures_file);
}

/* What nobody tells us about. */
static void
look_around(uv_timer_t *timer)
{
	struct master *m = timer->data;
	struct crew *crew;

	LIST_FOREACH(crew, &m->crews, next)
		crew_renew_keys(crew);
	calls_review(&m->peers, uv_now(&m->loop));
	write_failures(m);
	m->strangers = 0;
}

/* SIGUSR1: who is connected, from the scoreboard. */
static void
tell_sessions(uv_signal_t *handle, int signum)
{
	static const char *const states[] = {
	    "free", "login", "idle", "command", "receiving", "sending"};
	struct master *m = handle->data;
	struct crew *crew;

	LIST_FOREACH(crew, &m->crews, next) {
		for (size_t w = 0; w < crew->workers; w++) {
			struct worker *worker = &crew->worker[w];

			for (size_t i = 0; i < worker->slots; i++) {
				char peer[ENDPOINT_TEXT_MAX], user[256], path[1024];
				struct slot_view v;

				if (worker->session[i] == NULL ||
				    scoreboard_read(&worker->board, i, &v) < 0)
					continue;
				endpoint_format(&worker->session[i]->peer, peer);
				log_event(LOG_NOTICE, worker->session[i]->id,
				    "who peer=%s worker=%zu user=\"%s\" state=%s "
				    "verb=%.8s path=\"%s\" "
				    "bytes=%llu in=%llu out=%llu",
				    peer, w, log_quoted(v.head.user, user, sizeof(user)),
				    states[v.head.state], v.head.verb,
				    log_quoted(v.path.text, path, sizeof(path)),
				    (unsigned long long)v.head.bytes,
				    (unsigned long long)v.head.bytes_in,
				    (unsigned long long)v.head.bytes_out);
			}
		}
	}
}

/* ---- the end ---- */

static void
kill_all(uv_timer_t *timer)
{
	struct master *m = timer->data;
	struct crew *crew;

	LIST_FOREACH(crew, &m->crews, next)
		crew_kill(crew);
}

static void
end(uv_signal_t *handle, int signum)
{
	struct master *m = handle->data;
	struct crew *crew;

	if (m->ending) { /* somebody is in a hurry */
		kill_all(&m->last);
		return;
	}
	m->ending = true;
	log_event(LOG_NOTICE, 0, "ending sessions=%zu", m->sessions);
	uv_timer_stop(&m->pause);
	for (size_t i = 0; i < m->listeners; i++) {
		uv_poll_stop(&m->listener[i].poll);
		close(m->listener[i].fd);
	}
	m->listeners = 0;
	LIST_FOREACH(crew, &m->crews, next)
		crew_retire(crew, signum == SIGINT ? 0 : END_SECONDS);
	uv_timer_start(&m->last, kill_all, (END_SECONDS + 2) * 1000, 0);
	bury(m);
}

/* SIGCHLD. Several deaths may be told by one signal. */
static void
reap(uv_signal_t *handle, int signum)
{
	struct master *m = handle->data;
	struct crew *crew;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		LIST_FOREACH(crew, &m->crews, next) {
			if (crew_reap(crew, pid, status))
				break;
		}
	}
	bury(m);
}

/* ---- the beginning ---- */

static void
watch_signal(struct master *m, uv_signal_t *handle, uv_signal_cb cb, int signum)
{
	uv_signal_init(&m->loop, handle);
	handle->data = m;
	uv_signal_start(handle, cb, signum);
}

/* As many descriptors as the system lets us have, for us and, inherited, for the workers.
 * Returns how many one worker has for its sessions: a descriptor that does not fit into a
 * worker's table gets lost on its way there, so that it must never run out of them. */
static size_t
raise_descriptors(void)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur > WORKER_DESCRIPTORS ? limit.rlim_cur - WORKER_DESCRIPTORS
						   : 0;
}

static void
watch_listeners(struct master *m)
{
	for (size_t i = 0; i < m->plan->listeners->n; i++) {
		struct listener *l = &m->listener[m->listeners++];

		l->implicit = m->plan->listeners->implicit[i];
		l->take = take_client;
		watch(m, l, m->plan->listeners->fd[i]);
	}
}

static void
say_ready(const struct master_plan *plan)
{
	char where[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < plan->listeners->n; i++) {
		endpoint_format(&plan->listeners->at[i], where);
		log_event(LOG_NOTICE, 0, "listening at=%s%s version=%s sandbox=\"%s\"",
		    where, plan->listeners->implicit[i] ? " tls=implicit" : "",
		    FERRY_VERSION, sandbox_describe());
	}
	if (plan->greeting != NULL) {
		fputs(plan->greeting, stdout);
		fflush(stdout);
	}
	if (plan->ready_fd >= 0) {
		(void)!write(plan->ready_fd, "1", 1);
		close(plan->ready_fd);
	}
}

int
master_run(const struct master_plan *plan)
{
	static struct master m; /* large, and one per process */

	m = (struct master){.plan = plan, .descriptors = raise_descriptors()};
	LIST_INIT(&m.crews);
	peers_init(&m.peers);
	m.peers.collect = collect_calls;
	m.peers.collector = &m;
	failures_begin(&m.peers.failures, plan->conf->failures_file);
	if (sandbox_basics() < 0 || programs_open(&m.programs) < 0 ||
	    uv_loop_init(&m.loop) < 0)
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	uv_timer_init(&m.loop, &m.pause);
	uv_timer_init(&m.loop, &m.last);
	uv_timer_init(&m.loop, &m.look);
	uv_timer_init(&m.loop, &m.names);
	m.pause.data = m.last.data = m.look.data = m.names.data = &m;
	watch_signal(&m, &m.on_child, reap, SIGCHLD);
	watch_signal(&m, &m.on_term, end, SIGTERM);
	watch_signal(&m, &m.on_int, end, SIGINT);
	watch_signal(&m, &m.on_hup, reload, SIGHUP);
	watch_signal(&m, &m.on_usr1, tell_sessions, SIGUSR1);
	if (sandbox_master() < 0) {
		fprintf(stderr, "ferryd: the sandbox could not be set up: %s\n",
		    strerror(errno));
		return EXIT_FAILURE;
	}
	if (hire(&m, plan->conf) < 0)
		return EXIT_FAILURE;
	watch_listeners(&m);
	uv_timer_start(&m.look, look_around, LOOK_PAUSE, LOOK_PAUSE);
	watch_names(&m);
	say_ready(plan);
	uv_run(&m.loop, UV_RUN_DEFAULT);
	peers_free(&m.peers);
	log_event(LOG_NOTICE, 0, "ended");
	return EXIT_SUCCESS;
}
