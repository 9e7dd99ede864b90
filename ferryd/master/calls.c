/*
 * Whose call is it? See calls.h. Must never give one session's call to another.
 */
#include "calls.h"

#include <stddef.h>

#include "crew.h"

static struct session *
session_of(struct call *c)
{
	return (struct session *)((char *)c - offsetof(struct session, call));
}

static void
tell(struct call *c, enum msg_type type)
{
	const struct msg m = {.type = type, .id = c->id};

	(void)child_tell(&session_of(c)->worker->child, &m, -1);
}

static struct worker *
worker_of(struct call *c)
{
	return session_of(c)->worker;
}

/* Behind nobody, or behind others that TLS tells from it: a worker can do that among its
 * own. (One address has sessions with several workers during a reload, and when the one
 * that has the others is full.) */
static bool
may_go_ahead(struct call *before, struct call *c)
{
	return before == NULL || (before->granted != 0 && before->secure && c->secure &&
				     worker_of(before) == worker_of(c));
}

/* The crowded list is right again: those of whom the last has to wait. */
static void
note_crowd(struct peers *p, struct peer *peer)
{
	struct call *last = TAILQ_LAST(&peer->calls, call_queue);
	bool crowded = last != NULL && last->granted == 0;

	if (crowded == peer->is_crowded)
		return;
	peer->is_crowded = crowded;
	if (crowded)
		TAILQ_INSERT_TAIL(&p->crowded, peer, crowded_next);
	else
		TAILQ_REMOVE(&p->crowded, peer, crowded_next);
}

/* Whose turn has come hears of it. */
static void
grant_due(struct peers *p, struct peer *peer, uint64_t now)
{
	struct call *before = NULL, *c;

	TAILQ_FOREACH(c, &peer->calls, next) {
		if (c->granted == 0 && !may_go_ahead(before, c))
			break;
		if (c->granted == 0) {
			c->granted = now;
			worker_of(c)->called++;
			tell(c, MSG_WORKER_EXPECTED);
		}
		before = c;
	}
	note_crowd(p, peer);
}

/* Is there somebody whose turn would come now? */
static bool
is_due(struct peer *peer)
{
	struct call *before = NULL, *c;

	TAILQ_FOREACH(c, &peer->calls, next) {
		if (c->granted == 0)
			return may_go_ahead(before, c);
		before = c;
	}
	return false;
}

/* Before somebody is told the port, all calls that are there already are taken: they
 * answer what was told earlier, or nothing. So a call that its client has given up is
 * closed, and never becomes the next session's, or its own session's next one. */
static void
grant(struct peers *p, struct peer *peer, uint64_t now)
{
	note_crowd(p, peer);
	if (!is_due(peer))
		return;
	if (!peer->is_due)
		TAILQ_INSERT_TAIL(&p->due, peer, due_next);
	peer->is_due = true;
	if (p->collecting)
		return;
	p->collecting = true;
	if (p->collect != NULL)
		p->collect(p->collector);
	p->collecting = false;
	while ((peer = TAILQ_FIRST(&p->due)) != NULL) {
		TAILQ_REMOVE(&p->due, peer, due_next);
		peer->is_due = false;
		grant_due(p, peer, now);
	}
}

static uint64_t
now_of(const struct session *s)
{
	return uv_now(s->worker->child.crew->loop);
}

/* Out of the queue; the others' turn is the caller's business. */
static void
take_out(struct peer *peer, struct call *c)
{
	TAILQ_REMOVE(&peer->calls, c, next);
	if (c->granted != 0)
		worker_of(c)->called--;
	c->expected = false;
	c->granted = 0;
}

void
calls_forget(struct peers *p, struct session *s)
{
	if (!s->call.expected)
		return;
	take_out(s->who, &s->call);
	grant(p, s->who, now_of(s));
}

void
calls_expect(struct peers *p, struct session *s, uint32_t id, bool secure)
{
	calls_forget(p, s);
	s->call = (struct call){.expected = true, .id = id, .secure = secure};
	TAILQ_INSERT_TAIL(&s->who->calls, &s->call, next);
	grant(p, s->who, now_of(s));
}

bool
calls_hand_over(struct peers *p, const struct endpoint *from, int fd)
{
	struct peer *peer = peers_find(p, from);
	struct call *c = peer != NULL ? TAILQ_FIRST(&peer->calls) : NULL;
	struct msg m = {.type = MSG_WORKER_CALL};

	if (c == NULL || c->granted == 0)
		return false;
	struct session *s = session_of(c);
	if (!c->secure) {
		m.id = c->id;
		take_out(peer, c);
	}
	(void)child_tell(&s->worker->child, &m, fd);
	grant(p, peer, now_of(s));
	return true;
}

/* The turns of one address that are over. */
static void
end_turns(struct peers *p, struct peer *peer, uint64_t now)
{
	struct call *c, *following;

	for (c = TAILQ_FIRST(&peer->calls); c != NULL && c->granted != 0; c = following) {
		following = TAILQ_NEXT(c, next);
		if (now - c->granted < CALLS_TURN)
			continue;
		tell(c, MSG_WORKER_UNEXPECTED);
		take_out(peer, c);
	}
	grant(p, peer, now);
}

void
calls_review(struct peers *p, uint64_t now)
{
	struct peer *peer, *following;

	for (peer = TAILQ_FIRST(&p->crowded); peer != NULL; peer = following) {
		following = TAILQ_NEXT(peer, crowded_next);
		end_turns(p, peer, now);
	}
}
