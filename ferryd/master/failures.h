/*
 * The last data connections that failed, by client address and verdict: a table of fixed
 * size, written to failures_file for ferryd failures to read. For the master alone.
 */
#ifndef FERRYD_MASTER_FAILURES_H
#define FERRYD_MASTER_FAILURES_H

#include <stdbool.h>

#include "failure.h"

struct failures {
	struct failure_record row[FAILURE_RECORDS];
	size_t n;
	bool changed; /* since it was written */
	bool told;    /* that it cannot be */
};

/* One more. The same client with the same verdict is counted in one row; a new one takes
 * the place of the oldest when the table is full. now: seconds since 1970. Returns the
 * verdict. */
struct failure_verdict failures_add(
    struct failures *t, const struct failure *f, int64_t now);
/* The server starts: what stands in the file is about an earlier one, and goes with the
 * next failures_write(). */
void failures_begin(struct failures *t, const char *path);
/* Writes the table, if it has changed, under a temporary name beside path, and renames
 * it. That it cannot be done is logged once. path NULL or "": nothing is written. */
void failures_write(struct failures *t, const char *path);

#endif
