/*
 * One entry of a directory as a line of a listing. Any thread may make lines of one
 * directory, each into a buffer of its own.
 */
#ifndef FERRYD_AGENT_LINES_H
#define FERRYD_AGENT_LINES_H

#include <time.h>

#include "facts.h"

/* What the lines of a listing have in common. */
struct lines {
	const struct grant *grant;
	uint8_t format; /* enum list_format */
	uint32_t facts; /* enum listing_fact, for MLSD */
	time_t now;
};

/* One directory of it. */
struct lines_dir {
	const struct lines *lines;
	int fd;
	const char *path;   /* as the user sees it, absolute: its links begin there */
	const char *prefix; /* what stands before each name */
	struct facts_place place;
};

/* Not there (any more), or not for us to look at: such an entry is left out and the
 * listing is whole. Anything else is a failure that the user must hear of. */
bool lines_is_missing(int error);

/* Appends the line of the entry `name`, or nothing when it is missing or a line cannot
 * carry its name. *ret_mode: what it is, 0 when nobody has looked (names alone). 0; or
 * -FERRY_E..., nothing appended: the listing is incomplete. */
int lines_put(
    const struct lines_dir *d, const char *name, struct buf *out, mode_t *ret_mode);

/* The same for what fd is open for (O_PATH), LIST and MLSD only. type: of MLSD, NULL from
 * the mode; such a line offers no right over its name. */
int lines_put_open(const struct lines *l, int fd, const char *name, const char *type,
    struct buf *out);

/* A name by itself and CR LF, for NLST. */
int lines_put_name(const char *prefix, const char *name, struct buf *out);

#endif
