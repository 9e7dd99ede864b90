/*
 * Bytes of an upload that are stored as they come, in clear: the kernel moves them from
 * the socket to the file, by way of a pipe, and none passes through this process. For
 * pump_upload.c.
 */
#ifndef FERRYD_WORKER_PUMP_SPLICE_H
#define FERRYD_WORKER_PUMP_SPLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct splicer {
	unsigned *left; /* pipes that may still be made, for all; NULL: none */
	int pipe[2];    /* -1 until it is wanted */
	bool counted;   /* one of *left is its own */
	bool useless; /* the file, or the kernel, takes no splice; or there is no pipe */
};

/* left outlives it. */
void splicer_init(struct splicer *s, unsigned *left);
void splicer_free(struct splicer *s);
/* In the loop, before a thread works with it: does it have a pipe, or may it make one? */
bool splicer_may_work(struct splicer *s);

/* In the thread: has it a pipe now? */
bool splicer_prepare(struct splicer *s);
/* One piece. As read(): -1 and errno; then *ret_unwritten tells whether it was the file's
 * fault. */
ssize_t splicer_move(struct splicer *s, int socket, int file, bool *ret_unwritten);

#endif
