/*
 * One passive port for all sessions (pasv_min_port = pasv_max_port): a call comes, and
 * whose is it? Its address tells, and the master knows who expects a call from there. In
 * clear nothing else does, so only one session per address may expect one at a time, and
 * the others' turn comes after it. Under TLS the worker finds out which session a call
 * resumes: any number of one worker's may expect one.
 *
 * Calls that are at the port already when somebody's turn comes are none of his: they are
 * taken first (peers.h, collect).
 *
 * A worker asks before it tells the port to its client (MASTER_EXPECT, WORKER_EXPECTED),
 * so no call can be quicker than the word of it. For the master alone.
 */
#ifndef FERRYD_MASTER_CALLS_H
#define FERRYD_MASTER_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "peers.h"

/* So long a session keeps the others of its address waiting, in milliseconds. */
#define CALLS_TURN 10000

struct session;

/* Part of each session. */
struct call {
	/* in peer->calls, in the order of asking, while expected */
	TAILQ_ENTRY(call) next;
	uint64_t granted; /* ms of the loop; 0: its turn has not come */
	uint32_t id;      /* of MASTER_EXPECT */
	bool expected;
	bool secure;
};

/* s expects a call, in place of what it expected before. */
void calls_expect(struct peers *p, struct session *s, uint32_t id, bool secure);
/* It expects none. Harmless when it does not. */
void calls_forget(struct peers *p, struct session *s);
/* fd, a call from that address, goes to the worker of the session that expects it. False:
 * none does, and fd is still the caller's. */
bool calls_hand_over(struct peers *p, const struct endpoint *from, int fd);
/* Turns that have lasted CALLS_TURN while others wait are over. To be called now and
 * then.
 */
void calls_review(struct peers *p, uint64_t now);

#endif
