/*
 * The progress bar of a transfer on a terminal, and the numbers of its closing line.
 */
#ifndef FERRY_PROGRESS_H
#define FERRY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;  /* a terminal, or NULL: nothing is shown */
	char *name; /* harmless already */
	unsigned width;
	double began, shown; /* seconds on the handle's clock */
	uint64_t offset;     /* bytes that were there before */
	bool drawn;
};

/* One line of at most width columns, without a line feed. size -1: not known; left is
 * then not shown. out holds at least 4 * width + 1 bytes. */
void progress_line(char *out, unsigned width, const char *name, uint64_t bytes,
    int64_t size, double seconds);
/* "18.4 MB/s"; "512 B/s". out holds 32 bytes. */
const char *progress_rate(double bytes_per_second, char *out);

/* out NULL or no terminal: quiet. name is copied, and made harmless. */
void progress_begin(
    struct progress *p, FILE *out, const char *name, uint64_t offset, double now);
/* Draws at most ten times a second. */
void progress_update(struct progress *p, uint64_t bytes, int64_t size, double now);
/* Removes the bar from the screen; the next update draws it again. */
void progress_clear(struct progress *p);
/* Removes the bar for good. */
void progress_end(struct progress *p);

#endif
