/*
 * An answer to a worker while it is being made: numbers, a text, perhaps a descriptor. On
 * failure the text is the cause, for the user: short, printable, and about nothing
 * outside the grant's root.
 */
#ifndef FERRYD_AGENT_ANSWER_H
#define FERRYD_AGENT_ANSWER_H

#include <sys/stat.h>

#include "buf.h"
#include "msg.h"

struct answer {
	struct msg_worker_answer body; /* its text is set from `text` when it is sent */
	struct buf text;
	int fd; /* goes to the worker, or -1 */
};

void answer_init(struct answer *a);
/* Frees the text and closes the descriptor. */
void answer_clear(struct answer *a);

/* Type, size and times. */
void answer_stat(struct answer *a, const struct stat *st);

/* Makes it a failure: error is an errno, positive or negative. Returns 0 always: a failed
 * request is a normal answer. Foreign text goes in as it is: what is not printable is
 * escaped here. */
int answer_fail(struct answer *a, int error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what the file system said about path: names the component at fault,
 * walking the path inside root. */
int answer_fail_path(struct answer *a, int error, int root, const char *path);

/* "no space is left", ...: what an errno means to a user. Static. */
const char *answer_cause(int error);

#endif
