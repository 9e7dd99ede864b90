/*
 * The rows of options.def as a table, and the way problems are told: for the files of
 * this folder, the manual page and the tests. Everybody else uses conf.h
 * and section.h.
 */
#ifndef FERRYD_CONF_OPTION_H
#define FERRYD_CONF_OPTION_H

#include "conf.h"

/* Longest name, and longest value: what MSG_OPTION carries. */
#define OPTION_NAME_MAX 64
#define OPTION_VALUE_MAX 4096

enum option_type { TYPE_BOOL, TYPE_NUMBER, TYPE_OCTAL, TYPE_STRING };
/* Flags. An option may always stand before the first section. */
enum option_status {
	KNOWN = 0,
	HONOURED = 1,
	IN_HOST = 2,    /* ... and in [host NAME] */
	IN_NETWORK = 4, /* ... and in [network CIDR] */
	IN_SECTIONS = IN_HOST | IN_NETWORK,
};

struct option {
	const char *name;
	enum option_type type;
	unsigned status;    /* of enum option_status */
	size_t offset;      /* of the field in struct conf */
	uint64_t number;    /* default of all but strings */
	uint64_t min, max;  /* NUMBER and OCTAL */
	const char *string; /* default of a string, or NULL */
	const char *help;
};

extern const struct option option_table[];
extern const size_t option_count;

/* The row of that name, exactly as written, or NULL. */
const struct option *option_find(const char *name);
/* The known name that a mistyped one probably means, or NULL when none is near
 * (conf_near.c). */
const char *option_nearest(const char *name);

/* The fields of c. The row decides which one is right. */
bool *option_bool(struct conf *c, const struct option *o);
uint64_t *option_number(struct conf *c, const struct option *o);
char **option_string(struct conf *c, const struct option *o);
/* The value in from becomes to's too; strings are borrowed. */
void option_borrow(const struct conf *from, const struct option *o, struct conf *to);
/* Does c hold another value than the default? */
bool option_changed(const struct conf *c, const struct option *o);

/* Where a problem is, and who wants to know. */
struct conf_teller {
	conf_problem_cb *cb; /* or NULL */
	void *user;
	const char *file;
	unsigned line;
	bool failed; /* an error was told */
};

/* Makes one sentence (cut at some 1,000 bytes) and hands it on. Foreign text must come
 * escaped: log_escape(). */
void conf_tell(struct conf_teller *t, enum conf_severity severity, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
