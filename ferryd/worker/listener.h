/*
 * The passive port of a session: opened for PASV, closed when the client has called. A
 * session that makes one file follow the other keeps it in between ("resting"): opening a
 * port is a good part of what a small file costs. A resting port lets nobody in.
 *
 * Only for a second, and only while the range has ports to spare for everybody else: see
 * listener_rest().
 */
#ifndef FERRYD_WORKER_LISTENER_H
#define FERRYD_WORKER_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

struct conn;
struct session;
struct worker;

struct listener {
	struct conn *conn; /* NULL: there is none */
	uint16_t port;
	bool resting;
	uint64_t rests_since;       /* of the loop, ms */
	LIST_ENTRY(listener) entry; /* while it rests */
};

/* All that rest in one worker. */
LIST_HEAD(listener_list, listener);
struct resting {
	struct listener_list all;
	unsigned count, most;
	unsigned workers; /* that share the range; 0: nothing rests */
	uv_timer_t timer;
};

void resting_init(struct worker *w);
void resting_free(struct worker *w);

/* The session's port is open, and no call from before waits at it: the resting one, or
 * any of the range. 0; -FERRY_ETOOBIG: the whole range is taken; -FERRY_ESYS. */
int listener_open(struct session *s);
/* The call that was waited for has come: the port rests, or is closed. */
void listener_rest(struct session *s);
/* Harmless when there is none. */
void listener_close(struct session *s);
static inline bool
listener_is_open(const struct listener *l)
{
	return l->conn != NULL && !l->resting;
}

#endif
