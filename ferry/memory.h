/*
 * What a session makes of the ways file: the way that worked with this server from this
 * network comes first, and what turns out otherwise is written down. It only chooses an
 * order: never a way that was not allowed. Failures to read or write cost time and are
 * not told.
 */
#ifndef FERRY_MEMORY_H
#define FERRY_MEMORY_H

#include "ways.h"

struct memory {
	char *path; /* NULL: nothing is remembered */
	bool open;  /* key is that of a session */
	struct way_key key;
	bool has_way; /* this is what the file says of it */
	struct way way;
	/* the session's own experience */
	enum ferry_mode now;
	bool moved; /* bytes began to flow in this operation */
	struct way seen;
	/* the session before, over the other family, where no way worked */
	bool left;
	bool chose; /* or it was not even tried, because the file says so */
	struct way_key left_key;
	struct way left_way;
};

/* Zero is empty; path NULL: remembers nothing. */
void memory_init(struct memory *m, char *path);
void memory_clear(struct memory *m);

/* About to connect. */
void memory_connect(struct memory *m, const char *host, uint16_t port);
/* Logged in: looks the session up and tells the handle. */
void memory_begin(struct memory *m, struct ferry *h);
/* For every event of the session. */
void memory_event(struct memory *m, const struct ferry_event *ev);
/* An operation ended so. */
void memory_settle(struct memory *m, int result);

/* Was this way tried in this session, and did it fail? */
bool memory_failed(const struct memory *m, enum ferry_mode way);
/* The session follows one that broke, in which these ways failed. */
void memory_carry(struct memory *m, const struct way *seen);

/* Does the file say that only the other family works? */
bool memory_is_elsewhere(const struct memory *m);
/* Does it say that only active mode works? */
bool memory_is_active(const struct memory *m);
/* The session over this family is given up for one over the other; tried: because no way
 * worked. */
void memory_leave(struct memory *m, bool tried);
/* That one is given up too. */
void memory_return(struct memory *m);

#endif
