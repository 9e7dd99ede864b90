/*
 * Files asked for ahead, in MODE B: while one RETR runs, the agent is asked about those
 * that wait behind it in the queue, many in one question, and their bytes are here when
 * their turn comes. For cmd_transfer.c, agentlink.c and session.c.
 *
 * Commands still run one after the other. Only plain RETRs are looked at, up to the first
 * line that is something else; only small files are taken ahead, so no descriptor waits
 * here; and what is held is bounded: two rows (row.h) in a session. A file is sent as it
 * was when it was asked for.
 */
#ifndef FERRYD_WORKER_AHEAD_H
#define FERRYD_WORKER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct msg_worker_answer;
struct session;

/* A RETR runs: asks the agent about those behind it, if there are any, and no question
 * is open. Harmless at any other time. */
void ahead_look(struct session *s);

enum ahead_found {
	AHEAD_NONE,   /* it has to be asked for alone */
	AHEAD_HERE,   /* *ret_file: its bytes, until the next call for this session */
	AHEAD_COMING, /* it has been asked for: ahead_await() */
};
/* The file of the RETR that runs, whose path is absolute. Asks for it in a row with those
 * behind it where that is likely to help. */
enum ahead_found ahead_find(struct session *s, const char *path, struct bytes *ret_file);
/* fn is called behind the answer; ahead_find() tells more then. */
void ahead_await(struct session *s, void (*fn)(struct session *s));
/* The file of the line with so many lines before it in the queue. False: not here. */
bool ahead_peek(const struct session *s, unsigned before, const char **ret_path,
    struct bytes *ret_file);

/* Is it the number of a question from here? */
bool ahead_has_asked(const struct session *s, uint32_t id);
/* Its answer. False: the agent lies. *ret_fn: what waits for it, or NULL. */
bool ahead_answered(struct session *s, const struct msg_worker_answer *a,
    void (**ret_fn)(struct session *s));

/* Forgets it all: what is not sent yet is asked for anew. Harmless when there is nothing.
 */
void ahead_free(struct session *s);

/* ---- in ahead_send.c ---- */

/* The transfer of s has its small file, of that size, and may begin: sends it at once,
 * and in the same breath those behind it that are here, with their replies. False:
 * nothing has happened (it is not MODE B, the connection is new, or full). True: the
 * transfer is over, or another one has begun. */
bool ahead_send(struct session *s, uint64_t size);

#endif
