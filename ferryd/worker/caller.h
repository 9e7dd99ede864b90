/*
 * Calls to the one passive port for all (ferryd/master/calls.h) that came from an address
 * of which several sessions expect one under TLS: the session that the call resumes tells
 * whose it is. For worker.c.
 */
#ifndef FERRYD_WORKER_CALLER_H
#define FERRYD_WORKER_CALLER_H

struct worker;

/* Takes fd, a connected socket. */
void caller_new(struct worker *w, int fd);
/* Closes all that are there. */
void callers_end(struct worker *w);

#endif
