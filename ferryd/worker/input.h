/*
 * Command lines that wait their turn, in the order they came. A line in the queue costs
 * no more than it did on the wire, so a reader who stops at input_is_full() holds at most
 * INPUT_MAX bytes.
 */
#ifndef FERRYD_WORKER_INPUT_H
#define FERRYD_WORKER_INPUT_H

#include "buf.h"
#include "util.h"

/* Longest command line: a path of PATH_MAX and a verb (PROTOCOL: not below 4 KiB plus the
 * verb). */
#define INPUT_LINE_MAX (4096 + 16)
/* Bytes read at a time. */
#define INPUT_CHUNK 4096
/* Past one of these reading stops. */
#define INPUT_FULL_BYTES (64 * 1024)
#define INPUT_FULL_LINES 512
/* What one more chunk, and the line that was unfinished before it, can add. */
#define INPUT_MAX (INPUT_FULL_BYTES + INPUT_CHUNK + INPUT_LINE_MAX + 2)

struct input {
	struct buf lines; /* length (2 bytes), then the line; INPUT_TOO_LONG for one that
			     was thrown away */
	unsigned count;
	unsigned
	    taken; /* lines that input_next() has given: the number of the next one */
};

#define INPUT_INIT ((struct input){.lines = BUF_INIT(INPUT_MAX)})

void input_free(struct input *in);

/* 0, -FERRY_ENOMEM, or -FERRY_ETOOBIG when the reader did not stop in time. */
int input_push(struct input *in, struct bytes line);
/* A line over the maximum stood here. */
int input_push_too_long(struct input *in);

/* Takes the next line; p is NULL for one that was too long. Valid until the next push.
 * False when there is none. */
bool input_next(struct input *in, struct bytes *ret_line);

/* Looks at the line at *offset (0: the next one) without taking it, and moves *offset
 * behind it. Valid as with input_next(). False when there is none. */
bool input_peek(const struct input *in, size_t *offset, struct bytes *ret_line);

bool input_is_full(const struct input *in);
static inline bool
input_is_empty(const struct input *in)
{
	return in->count == 0;
}

/* Gives the memory back, if nothing waits: an idle session keeps no queue. */
void input_rest(struct input *in);

#endif
