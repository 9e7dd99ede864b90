/*
 * Which worker serves a client, under which number; and what becomes of its sessions when
 * it dies. For crew.c, requests.c and login.c. Must never give two sessions one number,
 * nor lose a client that no worker has taken yet.
 */
#include <assert.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "proxy_from.h"
#include "section.h"
#include "util.h"

/* Load is in thousandths of a processor. */
#define PROCESSOR 1000
/* So busy a worker gets no more clients while another is less so. */
#define BUSY 750
/* What a client is taken for until its worker's load has been looked at again. */
#define FRESH 2
/* Nanoseconds: fifty logins at one moment are no reason to call a worker busy. */
#define LOOK_AGAIN (1000 * 1000 * 1000)

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

void
session_free(struct session *s)
{
	struct worker *w = s->worker;

	login_end(s);
	session_displace(s);
	w->child.crew->on_closed(w->child.crew, s, w->child.crew->user);
	fd_closep(&s->fd);
	free(s);
}

/* ---- handing out ---- */

bool
worker_can_take(const struct worker *w, size_t sessions, size_t links)
{
	return (w->sessions + sessions) * SESSION_DESCRIPTORS + w->links + links <=
	       w->descriptors;
}

static bool
has_room(const struct worker *w)
{
	/* Where descriptors are too few for anybody, one session is still taken. */
	return w->child.chan != NULL && w->sessions < w->slots &&
	       (w->sessions == 0 || worker_can_take(w, 1, 0));
}

/* Nanoseconds of processor time that it has used, all threads together; 0 when there is
 * no such process. */
static uint64_t
processor_time(const struct worker *w)
{
	clockid_t clock;
	struct timespec used;

	if (w->child.pid <= 0 || clock_getcpuclockid(w->child.pid, &clock) != 0 ||
	    clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* What each worker was busy with since the last look, if that was long enough ago. */
static void
look_at_load(struct crew *crew)
{
	uint64_t now = uv_hrtime(), passed = now - crew->looked_at;

	if (now < crew->looked_at + LOOK_AGAIN)
		return;
	crew->looked_at = now;
	for (size_t i = 0; i < crew->workers; i++) {
		struct worker *w = &crew->worker[i];
		uint64_t used = processor_time(w);
		/* One that was started anew begins at zero. */
		uint64_t since = used >= w->used ? used - w->used : used;

		w->used = used;
		w->load = (unsigned)(since * PROCESSOR / passed);
	}
}

/* A worker that has always something to do never sleeps, and nobody has to wake it: the
 * same clients cost two workers a quarter more than one, and a third of the speed of
 * large files. So clients go to the first worker that is not busy, and where all are, to
 * the least busy. */
static struct worker *
not_busy(struct crew *crew)
{
	struct worker *best = NULL;

	look_at_load(crew);
	for (size_t i = 0; i < crew->workers; i++) {
		struct worker *w = &crew->worker[i];

		if (!has_room(w))
			continue;
		if (w->load < BUSY)
			return w;
		if (best == NULL || w->load < best->load)
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
	return not_busy(crew);
}

bool
crew_awaits_call(const struct crew *crew, const struct endpoint *from)
{
	return gathers(crew, from) && crew->worker[0].called > 0;
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

uint32_t
worker_turn_after(const struct worker *w, uint32_t turn)
{
	return turn < UINT32_MAX / (w->slots * w->child.crew->workers) - 1 ? turn + 1 : 1;
}

static void
next_slot(struct worker *w)
{
	if (++w->search < w->slots)
		return;
	w->search = 0;
	w->turn = worker_turn_after(w, w->turn);
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
	copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
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
	w->load += FRESH;
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

/* ---- when a worker dies ---- */

void
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

void
crew_place_orphans(struct crew *crew, struct agent_sessions *orphans)
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
