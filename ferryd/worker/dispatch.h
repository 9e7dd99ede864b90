/*
 * From a line to a handler, by the table lib/verbs.def. First the check, which changes
 * nothing, then the act.
 */
#ifndef FERRYD_WORKER_DISPATCH_H
#define FERRYD_WORKER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

struct session;

enum verb_state { VERB_ANY, VERB_USER };
enum verb_argument { VERB_NONE, VERB_OPT, VERB_PATH, VERB_TEXT };

struct verb {
	const char *name;
	enum verb_state state;
	enum verb_argument argument;
	void (*run)(struct session *s, struct bytes arg);
	const char *feat;
	const char *help;
};

/* The table; HELP, FEAT and the tests read the same rows. */
extern const struct verb verbs[];
extern const size_t verbs_count;
/* In any case of letters; NULL if there is none. */
const struct verb *verb_find(struct bytes name);

struct command {
	const struct verb *verb; /* NULL when nobody knows it */
	struct bytes arg;        /* p is NULL when there is none */
};

/* May s run this line now? 0, or the code of the reply that refuses it, with its words in
 * *ret_text. No side effects. */
int dispatch_check(const struct session *s, struct bytes line, struct command *ret,
    const char **ret_text);
/* Checks and runs a line; p NULL stands for a line that was too long. */
void dispatch_line(struct session *s, struct bytes line);
/* A line that has just come, before it is queued. True if it has been answered already
 * (NOOP and STAT while a transfer runs and nothing waits before them); notes an ABOR. */
bool dispatch_urgent(struct session *s, struct bytes line);
/* The protocol log hears of it (dispatch_line() does so itself). */
void dispatch_log(const struct session *s, struct bytes line);
/* Does the line hold a password? */
bool dispatch_is_secret(struct bytes line);

/* Do cmds_allowed and cmds_denied let this verb through? */
bool dispatch_permits(const struct session *s, const struct verb *v);

#endif
