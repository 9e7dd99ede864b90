/*
 * Calls of which only TLS can tell whose they are, by the session that they resume: those
 * to the one passive port for all (ferryd/master/calls.h), and those from other addresses
 * than the client's (data_peer=resumed). For worker.c and data.c.
 */
#ifndef FERRYD_WORKER_CALLER_H
#define FERRYD_WORKER_CALLER_H

#include <stdint.h>

struct endpoint;
struct worker;

/* Takes fd, a connected socket, whose other end is peer's. session: it came to a port of
 * this one; 0: to the one for all. */
void caller_new(struct worker *w, int fd, const struct endpoint *peer, uint32_t session);
/* Closes all that are there. */
void callers_end(struct worker *w);

#endif
