/*
 * A crew's processes as a whole: starting them, linking them, noticing deaths, starting
 * again, and the end. What any child has in common is in child.c, who gets a client in
 * placing.c, what workers ask for in requests.c, logins in login.c.
 */
#include "crew.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "become.h"
#include "cert_user.h"
#include "fdpass.h"
#include "keychain.h"
#include "load.h"
#include "log.h"
#include "util.h"

/* A child that lives less than this before it dies is started again only after
 * RESTART_PAUSE. */
#define RESTART_SOON 1000
#define RESTART_PAUSE 1000
/* Sessions of one worker. */
#define SLOTS_MAX 16384

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
	fds[nfds++] = fcntl(w->board_fd, F_DUPFD_CLOEXEC, 0);
	if (fds[0] < 0 || fds[nfds - 1] < 0) {
		child_close_all(fds, nfds);
		return -FERRY_ESYS;
	}
	r = child_start(&w->child, &start, fds, nfds, worker_message);
	if (r == 0)
		r = tell_all_keys(w);
	if (r == 0)
		r = link_auth(crew, w);
	return unlinked(&w->child, r);
}

/* Some descriptors are kept for channels to agents, or a full worker could let nobody log
 * in; the second files of copies come out of them too. */
static size_t
slots_of(size_t descriptors)
{
	size_t slots = (descriptors - descriptors / 16) / SESSION_DESCRIPTORS;

	if (slots > SLOTS_MAX)
		return SLOTS_MAX;
	return slots > 0 ? slots : 1;
}

static int
worker_init(struct worker *w, size_t descriptors)
{
	size_t slots = slots_of(descriptors);

	w->descriptors = descriptors;
	w->slots = slots;
	w->turn = 1; /* no id is 0 */
	w->session = calloc(slots, sizeof(*w->session));
	w->board_fd = scoreboard_create(slots);
	if (w->session == NULL || w->board_fd < 0)
		return -FERRY_ENOMEM;
	return scoreboard_map(w->board_fd, slots, 0, &w->board);
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
    size_t workers, size_t descriptors,
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
		r = worker_init(&crew->worker[crew->workers], descriptors);
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
		crew->worker[i].turn = worker_turn_after(&crew->worker[i], turn);
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
	crew_place_orphans(crew, &orphans);
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
