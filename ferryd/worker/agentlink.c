/*
 * The worker's side of its agents' channels. Treats an agent as taken over: it can answer
 * the questions that were asked, once each, and nothing else.
 */
#include "agentlink.h"

#include <ferry/ferry.h>
#include <stdlib.h>

#include "ahead.h"
#include "chan.h"
#include "idtable.h"
#include "log.h"
#include "session.h"
#include "worker.h"

struct agent {
	struct worker *worker;
	uint32_t number;
	struct chan *chan;
	uint32_t last_id;
	struct idtable questions; /* id -> the session that asked, as a number */
};

/* What s has waited for is here: fn, or later() where it has asked for a row of files. */
static void
go_on(struct session *s, agent_answer_cb *fn, void (*later)(struct session *s),
    const struct msg *m, int *fd)
{
	s->on_answer = NULL;
	s->question = 0;
	/* 150, and 226 behind a small file, leave in one segment. */
	conn_cork(s->control);
	if (fn != NULL)
		fn(s, &m->worker_answer, fd);
	else
		later(s);
	if (s->state != SESSION_ENDED && conn_uncork(s->control) < 0)
		s->doomed = true;
	if (s->state == SESSION_ASKING && s->question == 0)
		session_done(s);
	else
		session_run(s);
}

static void
row_answered(struct agent *a, struct session *s, const struct msg *m)
{
	void (*later)(struct session * s);

	if (!ahead_answered(s, &m->worker_answer, &later)) {
		agent_end(a, "its row of files is none");
		return;
	}
	/* It has the next ones ready while these are sent. */
	ahead_look(s);
	if (later != NULL)
		go_on(s, NULL, later, m, NULL);
}

static void
agent_answered(struct agent *a, uint32_t session, const struct msg *m, int *fd)
{
	struct session *s = worker_session(a->worker, session);

	/* Gone, or told goodbye meanwhile: the master's revocation cleans up behind it.
	 */
	if (s == NULL || s->agent != a)
		return;
	if (ahead_has_asked(s, m->id))
		row_answered(a, s, m);
	else if (s->question == m->id)
		go_on(s, s->on_answer, NULL, m, fd);
}

static void
on_message(struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user)
{
	struct agent *a = user;
	int none = -1;
	void *asked = idtable_take(&a->questions, m->id);

	if (asked == NULL) {
		agent_end(a, "it answered a question that was not asked");
		return;
	}
	agent_answered(a, idtable_to_number(asked), m, nfds > 0 ? &fds[0] : &none);
}

static void
on_end(struct chan *c, const char *why, void *user)
{
	agent_end(user, why);
}

struct agent *
agent_new(struct worker *w, uint32_t number, int fd)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		close(fd);
		return NULL;
	}
	a->worker = w;
	a->number = number;
	a->chan = chan_new(w->loop, fd, ROLE_WORKER, ROLE_AGENT, on_message, on_end, a);
	if (a->chan == NULL || idtable_put(&w->agents, number, a) < 0) {
		chan_free(a->chan);
		free(a);
		return NULL;
	}
	return a;
}

void
agent_end(struct agent *a, const char *why)
{
	struct session *s, *next;

	if (a == NULL)
		return;
	struct worker *w = a->worker;
	log_event(LOG_NOTICE, 0, "agent=%u ended: %s", a->number, why);
	idtable_take(&w->agents, a->number);
	chan_free(a->chan);
	for (s = LIST_FIRST(&w->all); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		if (s->agent != a)
			continue;
		session_close(s, 421,
		    "The process that served your files has ended. Please log in again.");
		/* Whatever comes, nobody may ask it anything any more. */
		s->agent = NULL;
		session_run(s);
	}
	idtable_free(&a->questions);
	free(a);
}

static int
ask(struct agent *a, uint32_t session, struct msg *m)
{
	/* After four thousand million questions the numbers begin again: one that still
	 * waits is skipped. */
	do {
		m->id = ++a->last_id;
	} while (m->id == 0 || idtable_get(&a->questions, m->id) != NULL);
	int r = idtable_put(&a->questions, m->id, idtable_number(session));
	if (r < 0)
		return r;
	r = chan_send(a->chan, m, -1);
	if (r < 0)
		idtable_take(&a->questions, m->id);
	return r;
}

/* Every question begins with the grant. */
static void
set_grant(struct msg *m, uint32_t grant)
{
	switch (m->type) {
	case MSG_AGENT_OPEN:
		m->agent_open.grant = grant;
		break;
	case MSG_AGENT_ROW:
		m->agent_row.grant = grant;
		break;
	case MSG_AGENT_STAT:
		m->agent_stat.grant = grant;
		break;
	case MSG_AGENT_CHDIR:
		m->agent_chdir.grant = grant;
		break;
	case MSG_AGENT_LIST:
		m->agent_list.grant = grant;
		break;
	case MSG_AGENT_FACTS:
		m->agent_facts.grant = grant;
		break;
	case MSG_AGENT_STORE:
		m->agent_store.grant = grant;
		break;
	case MSG_AGENT_COMMIT:
		m->agent_commit.grant = grant;
		break;
	case MSG_AGENT_CHANGE:
		m->agent_change.grant = grant;
		break;
	case MSG_AGENT_RENAME:
		m->agent_rename.grant = grant;
		break;
	case MSG_AGENT_ROOM:
		m->agent_room.grant = grant;
		break;
	case MSG_AGENT_LINK:
		m->agent_link.grant = grant;
		break;
	default:
		break;
	}
}

void
agent_ask(struct session *s, struct msg *m, agent_answer_cb *fn)
{
	int r;

	set_grant(m, s->grant);
	r = s->agent != NULL ? ask(s->agent, s->id, m) : -FERRY_EOF;
	if (r < 0) {
		log_event(LOG_ERR, s->id, "%s could not be sent: %s", msg_name(m->type),
		    ferry_strerror(r));
		session_close(
		    s, 421, "The process that serves your files cannot be asked now.");
		return;
	}
	s->question = m->id;
	s->on_answer = fn;
	session_enter(s, SESSION_ASKING);
}

int
agent_ask_ahead(struct session *s, struct msg *m)
{
	set_grant(m, s->grant);
	return s->agent != NULL ? ask(s->agent, s->id, m) : -FERRY_EOF;
}
