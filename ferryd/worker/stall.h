/*
 * Why do the bytes of an open data connection not move any more? What the system says of
 * the connection, and the cause that follows (a pure function). For transfer.c.
 */
#ifndef FERRYD_WORKER_STALL_H
#define FERRYD_WORKER_STALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* What is seen from here. Sizes are bytes. */
struct stall {
	bool upload; /* the client sends */
	bool stood; /* nothing has moved for as long as we wait; else somebody ended it */
	bool given_up;      /* that was the system, without an answer (ETIMEDOUT) */
	uint64_t arrived;   /* here, of the file; downloads: there, handshake included */
	uint32_t packet;    /* of full size holds so many */
	uint32_t in_flight; /* packets that nobody has confirmed */
	uint32_t repeats;   /* so often in a row the first of them was sent again */
	uint32_t probes;    /* questions whether there is room again, unanswered */
	size_t waiting;     /* bytes here that have not arrived */
};

/* Asks the system about the socket, and fills in what only it knows: the rest is left as
 * it is. An upload's `arrived` is the caller's. False: it does not tell. */
bool stall_look(int fd, struct stall *s);
/* One of FAILURE_SWALLOWED, FAILURE_LOST, FAILURE_UNREAD and FAILURE_SILENT;
 * FAILURE_CAUSES: it is not the connection's doing, or cannot be told. */
enum failure_cause stall_judge(const struct stall *s);
/* Behind "No byte moved for 300 s": what the client should know; "" for none. */
const char *stall_words(enum failure_cause cause, bool upload);

#endif
