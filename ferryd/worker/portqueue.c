/*
 * The line for passive ports of one worker. For cmd_pasv.c and data.c. Must never scan
 * the range for more than the first in line at a time: a full range costs a system call
 * for each of its ports.
 */
#include "portqueue.h"

#include "session.h"

/* For ports that other workers give back. */
#define RETRY_MS 50

bool
portqueue_is_empty(const struct worker *w)
{
	return TAILQ_EMPTY(&w->ports.waiting);
}

void
portqueue_leave(struct session *s)
{
	struct portqueue *q = &s->worker->ports;

	if (s->on_port == NULL)
		return;
	s->on_port = NULL;
	if (!s->in_line)
		return;
	s->in_line = false;
	TAILQ_REMOVE(&q->waiting, s, port_entry);
	if (TAILQ_EMPTY(&q->waiting))
		uv_timer_stop(&q->timer);
}

void
portqueue_go_on(struct session *s)
{
	void (*then)(struct session *) = s->on_port;

	if (then == NULL)
		return;
	portqueue_leave(s);
	then(s);
}

static void
on_timer(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	struct session *s;

	while ((s = TAILQ_FIRST(&w->ports.waiting)) != NULL && data_listen(s) == 0)
		portqueue_go_on(s);
}

void
portqueue_expect(struct session *s, void (*then)(struct session *s))
{
	s->on_port = then;
	session_enter(s, SESSION_PORTLESS);
}

void
portqueue_wait(struct session *s, void (*then)(struct session *s))
{
	struct portqueue *q = &s->worker->ports;

	s->in_line = true;
	TAILQ_INSERT_TAIL(&q->waiting, s, port_entry);
	portqueue_expect(s, then);
	if (!uv_is_active((uv_handle_t *)&q->timer))
		uv_timer_start(&q->timer, on_timer, RETRY_MS, RETRY_MS);
}

/* Not at once: whoever gave the port back is still at work. */
void
portqueue_wake(struct worker *w)
{
	if (!portqueue_is_empty(w))
		uv_timer_start(&w->ports.timer, on_timer, 0, RETRY_MS);
}

void
portqueue_init(struct worker *w)
{
	TAILQ_INIT(&w->ports.waiting);
	uv_timer_init(w->loop, &w->ports.timer);
	w->ports.timer.data = w;
}

void
portqueue_free(struct worker *w)
{
	uv_close((uv_handle_t *)&w->ports.timer, NULL);
}
