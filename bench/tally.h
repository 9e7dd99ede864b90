/*
 * What came of a run: operations, bytes, how long each took, and every error. For the
 * load generator.
 */
#ifndef FERRY_BENCH_TALLY_H
#define FERRY_BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Times are kept in steps of a 32nd of their size: 0 ns to more than an hour. */
#define TALLY_STEPS 32
#define TALLY_SLOTS (48 * TALLY_STEPS)
#define TALLY_WORDS 3

struct spread {
	uint64_t count;
	uint64_t slot[TALLY_SLOTS];
};

struct tally {
	uint64_t began, closed; /* ns: the window in which rates are taken */
	uint64_t ops, bytes;    /* in all, what was under way at the window's end too */
	uint64_t window_ops, window_bytes;
	uint64_t last;    /* ns: end of the last operation */
	uint64_t refused; /* a place for the data connection, with 4xx: asked for again */
	uint64_t shaken, resumed; /* TLS handshakes, and those that resumed a session */
	uint64_t errors;
	char words[TALLY_WORDS][160]; /* the first errors */
	struct spread whole, first;   /* per operation: all of it, until the first byte */
};

uint64_t now_ns(void);
void tally_moved(struct tally *t, uint64_t now, size_t n);
/* first: time to the first byte, or 0. */
void tally_op(struct tally *t, uint64_t now, uint64_t took, uint64_t first);
void tally_error(struct tally *t, const char *text);
/* The time that this part (0 to 1) of the operations did not exceed, in microseconds. */
double spread_at(const struct spread *s, double part);
/* One line of JSON. */
void tally_print(const struct tally *t, FILE *to);

#endif
