/*
 * From auth's verdict to the worker's grant: the agent of the right identity is found or
 * started, asked for the grant, and introduced to the worker.
 */
#include "crew.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdpass.h"
#include "log.h"
#include "section.h"
#include "util.h"

/* An agent that nobody needs goes after this many milliseconds: the next login of the
 * same user is likely to come soon. */
#define AGENT_IDLE 30000
/* One that could not do what it is there for goes sooner: what was wrong when it started
 * may be right now. */
#define AGENT_UNABLE_IDLE 1000

static void agent_message(
    struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user);

static bool
same_text(struct bytes b, const char *s)
{
	return b.n == strlen(s) && memcmp(b.p, s, b.n) == 0;
}

/* ---- agents ---- */

static void
agent_timer_closed(uv_handle_t *handle)
{
	struct agent *a = handle->data;

	free(a->account);
	free(a->prefix);
	free(a->link);
	free(a);
}

void
agent_free(struct agent *a)
{
	for (unsigned i = 0; a->link != NULL && i < a->child.crew->workers; i++)
		agent_unlink(a, i);
	LIST_REMOVE(a, next);
	uv_close((uv_handle_t *)&a->idle, agent_timer_closed);
}

static void
agent_idle(uv_timer_t *timer)
{
	struct agent *a = timer->data;

	a->child.wanted = false;
	chan_free(a->child.chan); /* it sees the end, leaves, and is reaped */
	a->child.chan = NULL;
}

static struct agent *
agent_find(struct crew *crew, const struct msg_master_verdict *v)
{
	struct agent *a;

	LIST_FOREACH(a, &crew->agents, next) {
		if (a->child.chan != NULL && a->uid == v->uid && a->gid == v->gid &&
		    same_text(v->account, a->account) && same_text(v->prefix, a->prefix))
			return a;
	}
	return NULL;
}

static struct agent *
agent_start(struct crew *crew, const struct msg_master_verdict *v)
{
	struct agent *a = calloc(1, sizeof(*a));
	struct msg_start start = {.uid = v->uid, .gid = v->gid, .prefix = v->prefix};
	int root = -1;

	if (a == NULL)
		return NULL;
	a->child = (struct child){
	    .crew = crew,
	    .role = ROLE_AGENT,
	    .index = ++crew->last_agent,
	    .wanted = true,
	};
	a->uid = v->uid;
	a->gid = v->gid;
	a->account = bytes_dup(v->account);
	a->prefix = bytes_dup(v->prefix);
	a->link = malloc(crew->workers * sizeof(*a->link));
	for (size_t i = 0; a->link != NULL && i < crew->workers; i++)
		a->link[i] = LINK_NONE;
	TAILQ_INIT(&a->sessions);
	uv_timer_init(crew->loop, &a->idle);
	a->idle.data = a;
	LIST_INSERT_HEAD(&crew->agents, a, next);
	start.has_root = v->root.n == 0 && crew->served != NULL;
	start.index = a->child.index;
	start.user = v->account;
	if (a->account == NULL || a->prefix == NULL || a->link == NULL ||
	    (start.has_root &&
		(root = fcntl(crew->served->root, F_DUPFD_CLOEXEC, 0)) < 0) ||
	    child_start(&a->child, &start, &root, start.has_root, agent_message) < 0) {
		log_event(LOG_ERR, 0, "agent=%u start=failed why=\"%s\"", a->child.index,
		    strerror(errno));
		a->child.wanted = false;
		chan_free(a->child.chan);
		a->child.chan = NULL;
		if (a->child.pid == 0)
			agent_free(a); /* else it is reaped */
		return NULL;
	}
	return a;
}

/* ---- grants ---- */

static void
grant_clear(struct grant *g)
{
	free(g->user);
	*g = (struct grant){.state = GRANT_NONE};
}

static void
refuse(struct session *s, const char *why)
{
	struct msg m = {
	    .type = MSG_WORKER_REFUSED,
	    .worker_refused = {.session = s->id, .why = bytes_of(why)},
	};

	child_tell(&s->worker->child, &m, -1);
}

/* The session lets go of its agent. */
static void
grant_release(struct session *s)
{
	struct agent *a = s->grant.agent;

	if (a != NULL) {
		TAILQ_REMOVE(&a->sessions, s, by_agent);
		if (TAILQ_EMPTY(&a->sessions) && a->child.chan != NULL)
			uv_timer_start(&a->idle, agent_idle, AGENT_IDLE, 0);
	}
	grant_clear(&s->grant);
}

/* Auth keeps a session open until it hears of the end of the login. */
static void
tell_auth(struct crew *crew, uint32_t worker, uint32_t session)
{
	struct msg m = {
	    .type = MSG_AUTH_END,
	    .auth_end = {.worker = worker, .session = session},
	};

	child_tell(&crew->auth.child, &m, -1);
}

void
login_end(struct session *s)
{
	struct crew *crew = s->worker->child.crew;
	struct msg m = {.type = MSG_AGENT_REVOKE, .agent_revoke = {.grant = s->grant.id}};
	unsigned auth_life = s->grant.auth_life;

	if (s->grant.state == GRANT_NONE)
		return;
	if (s->grant.agent != NULL)
		child_tell(&s->grant.agent->child, &m, -1);
	grant_release(s);
	/* A later auth could take it for the end of the next login, which it is asked
	 * about already. */
	if (auth_life == crew->auth.life)
		tell_auth(crew, s->worker->child.index, s->id);
}

void
login_logout(struct session *s)
{
	if (s->logout_due)
		s->logout_due =
		    false; /* it ended when the next login came, ahead of this */
	else
		login_end(s);
}

/* Makes the channel between the two, unless they have one: the agent gets its end now,
 * because a grant is bound to it; the worker's end waits for the first grant that it is
 * told of. */
static int
agent_introduce(struct agent *a, struct worker *w)
{
	struct msg m = {
	    .type = MSG_AGENT_WORKER, .agent_worker = {.worker = w->child.index}};
	int pair[2], r;

	if (a->link[w->child.index] != LINK_NONE)
		return 0;
	if (w->links > 0 && !worker_can_take(w, 0, 1))
		return -FERRY_ETOOBIG;
	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	r = child_tell(&a->child, &m, pair[0]);
	if (r < 0) {
		close(pair[1]);
		return r;
	}
	a->link[w->child.index] = pair[1];
	w->links++;
	return 0;
}

void
agent_unlink(struct agent *a, unsigned worker)
{
	if (a->link[worker] >= 0)
		close(a->link[worker]);
	if (a->link[worker] != LINK_NONE)
		a->child.crew->worker[worker].links--;
	a->link[worker] = LINK_NONE;
}

static int
ask_agent(struct session *s, struct agent *a, const struct msg_master_verdict *v)
{
	struct msg m = {.type = MSG_AGENT_GRANT};
	int r;

	s->grant = (struct grant){
	    .state = GRANT_PENDING,
	    .id = ++a->last_grant,
	    .agent = a,
	    .user = bytes_dup(v->user),
	    .rights = v->rights,
	    .umask = v->umask,
	    .anonymous = v->anonymous,
	    .auth_life = v->kept ? s->worker->child.crew->auth.life : 0,
	};
	TAILQ_INSERT_TAIL(&a->sessions, s, by_agent);
	uv_timer_stop(&a->idle);
	if (s->grant.user == NULL)
		return -FERRY_ENOMEM;
	r = agent_introduce(a, s->worker);
	if (r < 0)
		return r;
	m.agent_grant = (struct msg_agent_grant){
	    .grant = s->grant.id,
	    .worker = s->worker->child.index,
	    .root = v->root,
	    .cwd = v->cwd,
	    .rights = v->rights,
	    .umask = v->umask,
	    .anonymous = v->anonymous,
	};
	return child_tell(&a->child, &m, -1);
}

/* Auth decided by an address that is not the client's, and it has addresses from the
 * worker alone: to gain what only another network may do. */
static void
refuse_lie(struct session *s)
{
	struct child *worker = &s->worker->child;

	log_event(LOG_ERR, s->id,
	    "process=worker index=%u pid=%d killed=yes why=\"it gave auth a wrong "
	    "address\"",
	    worker->index, (int)worker->pid);
	if (worker->pid > 0)
		kill(worker->pid, SIGKILL); /* and it is reaped */
}

/* Nothing comes of that verdict. */
static void
verdict_drop(struct crew *crew, const struct msg_master_verdict *v)
{
	if (v->kept)
		tell_auth(crew, v->worker, v->session);
}

void
login_verdict(struct crew *crew, const struct msg_master_verdict *v)
{
	struct session *s = NULL;
	struct agent *a;

	if (v->worker < crew->workers)
		s = worker_session(&crew->worker[v->worker], v->session);
	if (s == NULL) { /* it has ended meanwhile */
		verdict_drop(crew, v);
		return;
	}
	/* Whoever asks auth about it has it: a worker that has been taken over may keep
	 * MASTER_TAKEN to itself. */
	fd_closep(&s->fd);
	if (section_find_network(&crew->conf, &s->peer) != v->network) {
		refuse_lie(s);
		verdict_drop(crew, v);
		return;
	}
	/* After REIN the next verdict, which comes by way of auth, may overtake the
	 * worker's MASTER_LOGOUT. */
	if (s->grant.state != GRANT_NONE) {
		login_end(s);
		s->logout_due = true;
	}
	a = agent_find(crew, v);
	if (a == NULL)
		a = agent_start(crew, v);
	if (a == NULL) {
		refuse(s, "the server could not start a process for this account");
		verdict_drop(crew, v);
		return;
	}
	if (ask_agent(s, a, v) < 0) {
		refuse(s, "the server could not reach the process of this account");
		login_end(s);
	}
}

/* The session of this agent that waits for grant `id`, or has it. */
static struct session *
granted_session(struct agent *a, uint32_t id)
{
	struct session *s;

	TAILQ_FOREACH_REVERSE(s, &a->sessions, agent_sessions, by_agent) {
		if (s->grant.id == id)
			return s;
	}
	return NULL;
}

static void
hand_out(struct session *s, const struct msg_master_granted *g)
{
	struct agent *a = s->grant.agent;
	struct msg m = {.type = MSG_WORKER_GRANT};
	int *link = &a->link[s->worker->child.index];

	m.worker_grant = (struct msg_worker_grant){
	    .session = s->id,
	    .grant = s->grant.id,
	    .agent = a->child.index,
	    .user = bytes_of(s->grant.user),
	    .cwd = g->cwd,
	    .rights = s->grant.rights,
	    .umask = s->grant.umask,
	    .anonymous = s->grant.anonymous,
	};
	s->grant.state = GRANT_GIVEN;
	child_tell(&s->worker->child, &m, *link);
	*link = LINK_MADE;
	free(s->grant.user);
	s->grant.user = NULL;
}

void
login_granted(struct agent *a, const struct msg_master_granted *g)
{
	struct session *s = granted_session(a, g->grant);
	char why[160], user[1024];

	if (s == NULL || s->grant.state != GRANT_PENDING || s->worker->child.chan == NULL)
		return; /* it ended while the agent was at work; the grant was revoked
			   then */
	if (g->error == 0) {
		hand_out(s, g);
		return;
	}
	/* It does not know the worker (any more): the next login introduces them anew. */
	if (g->error == EPIPE)
		agent_unlink(a, s->worker->child.index);
	snprintf(why, sizeof(why), "%s: %s",
	    g->error == EPIPE
		? "the process of this account has lost its connection, please try again"
		: "the directory of this account cannot be opened",
	    strerror((int)g->error));
	log_event(LOG_ERR, s->id, "login=failed user=\"%s\" why=\"%s\"",
	    log_quoted(s->grant.user, user, sizeof(user)), why);
	refuse(s, why);
	login_end(s);
	if (TAILQ_EMPTY(&a->sessions) && a->child.chan != NULL)
		uv_timer_start(&a->idle, agent_idle, AGENT_UNABLE_IDLE, 0);
}

void
agent_died(struct agent *a)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&a->sessions)) != NULL) {
		if (s->grant.state == GRANT_PENDING)
			refuse(
			    s, "the process of this account has ended; please try again");
		login_end(s);
	}
}

static void
agent_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct agent *a = user;

	switch (m->type) {
	case MSG_MASTER_LOG:
		child_log(&m->master_log);
		break;
	case MSG_MASTER_GRANTED:
		login_granted(a, &m->master_granted);
		break;
	default: /* messages.def lets nothing else through */
		break;
	}
}
