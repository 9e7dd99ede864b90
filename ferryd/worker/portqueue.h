/*
 * Sessions that wait for a passive port. A port of the range is taken only between PASV
 * and the client's call, a few milliseconds; when hundreds of sessions begin a transfer
 * at once, a short wait in line is better than a 425.
 */
#ifndef FERRYD_WORKER_PORTQUEUE_H
#define FERRYD_WORKER_PORTQUEUE_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

/* How long one waits before the 425. */
#define PORTQUEUE_SECONDS 3
/* ... where there is one port, and the turn of others takes them a round trip each. */
#define PORTQUEUE_TURN_SECONDS 30

struct session;
struct worker;

TAILQ_HEAD(portqueue_list, session);
struct portqueue {
	struct portqueue_list waiting;
	uv_timer_t timer; /* other workers give ports back as well, and nobody tells */
};

void portqueue_init(struct worker *w);
void portqueue_free(struct worker *w);

/* Nobody may overtake those who wait. */
bool portqueue_is_empty(const struct worker *w);
/* s waits (SESSION_PORTLESS); then() is called when data_listen() has succeeded, and
 * ends the command; or the clock ends it. */
void portqueue_wait(struct session *s, void (*then)(struct session *s));
/* The same without a line: the master tells when it is the turn of s (data_expected()).
 */
void portqueue_expect(struct session *s, void (*then)(struct session *s));
/* s has its port: calls then(). */
void portqueue_go_on(struct session *s);
/* s waits no more. Harmless when it does not. */
void portqueue_leave(struct session *s);
/* A port has become free: the first in line tries. */
void portqueue_wake(struct worker *w);

#endif
