/*
 * Work over whole files that moves no byte over the network: HASH reads one, SITE CPTO
 * copies one to another. It is done by the thread pool that all sessions share, a piece
 * at a time, so that a large file takes its turn like every small one. The descriptors
 * come from an agent; which files they are and what their session is work does not know.
 */
#ifndef FERRYD_WORKER_WORK_H
#define FERRYD_WORKER_WORK_H

#include <stdint.h>
#include <uv.h>

struct digest;
struct work;

/* So many at once in one worker; more are refused, so that they cannot take the pool from
 * the transfers. */
#define WORKS_MAX 32

enum work_end {
	WORK_DONE,
	WORK_CANCELLED, /* work_cancel() */
	WORK_UNREAD,    /* error, or 0: the file has become shorter */
	WORK_UNWRITTEN, /* error */
};

/* Called once, from the loop. The work may be freed in the call. */
typedef void work_end_cb(struct work *k, enum work_end end, int error, void *user);

struct work_plan {
	uv_loop_t *loop;
	int from;              /* to read; the work's from here on, whatever happens */
	int to;                /* a copy is written there, at its position; also the
				  work's. -1: none */
	uint64_t offset;       /* of the first byte of `from` */
	uint64_t length;       /* bytes, not one less or more */
	struct digest *digest; /* is fed; the work's, readable until it is freed. NULL:
				  none */
	unsigned *count;       /* how many works there are: kept up to date */
	work_end_cb *on_end;
	void *user;
};

/* NULL: out of memory (descriptors and digest are gone). */
struct work *work_start(const struct work_plan *plan);
/* Bytes dealt with so far. */
uint64_t work_bytes(const struct work *k);
/* Ends it behind the piece that a thread has now. */
void work_cancel(struct work *k);
/* Silent end; a thread that still works for it is waited for in the background. NULL is
 * accepted. */
void work_free(struct work *k);

#endif
