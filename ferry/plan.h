/*
 * What is still to be done of a tree: directories to go into and files to move, made of
 * listings. Pure: no network, no disk. What a server names here is checked here: only
 * plain names without control characters come in, no deeper and no more than the limits
 * say, and links never do.
 */
#ifndef FERRY_PLAN_H
#define FERRY_PLAN_H

#include <ferry/ferry.h>

#define PLAN_DEPTH_MAX 100     /* a tree that leads back into itself ends here */
#define PLAN_PATH_MAX 4000     /* bytes of a path below the top */
#define PLAN_COUNT_MAX 1000000 /* entries that wait */

struct plan_item {
	char *path;          /* below the top: "" or "a/b" */
	int64_t size, mtime; /* or -1 and INT64_MIN */
	char *trail;    /* of a directory: the server's marks ("unique") of it and those
			   above it, each between line feeds; or NULL */
	unsigned tries; /* that have failed */
	void *folder;   /* the caller's, or NULL */
	size_t index;
};

struct plan_queue {
	struct plan_item *at;
	size_t head, count, room;
};

struct plan {
	struct plan_queue directories, files;
};

enum plan_verdict {
	PLAN_TAKEN,
	PLAN_LINK,    /* left out: where it leads is the server's business */
	PLAN_SPECIAL, /* left out: no file and no directory */
	PLAN_LOOP,    /* left out: a directory that this one is in */
	/* refused, which is a failure */
	PLAN_NAME,
	PLAN_DEEP,
	PLAN_MANY,
	PLAN_MEMORY,
};

/* The entry of a listing of that directory goes where it belongs. */
enum plan_verdict plan_add(
    struct plan *p, const struct plan_item *directory, const struct ferry_entry *e);
/* Notes the server's mark of a directory; NULL: it has none. false: out of memory. */
bool plan_mark(struct plan_item *directory, const char *trail_above, const char *unique);
/* Neither taken nor refused. */
static inline bool
plan_is_left_out(enum plan_verdict v)
{
	return v == PLAN_LINK || v == PLAN_SPECIAL || v == PLAN_LOOP;
}

/* Why it was not taken, in words; NULL for PLAN_TAKEN. */
const char *plan_why(enum plan_verdict v);
/* May this be the name of a local file? */
bool plan_name_is_good(const char *name);
/* "a" and "b" become "a/b", "" and "b" become "b". NULL when out of memory; free(). */
char *plan_join(const char *directory, const char *name);

/* Takes over what item holds; false when out of memory or too many. */
bool plan_push(struct plan_queue *q, struct plan_item item);
/* The first or the last; false when there is none. */
bool plan_take(struct plan_queue *q, struct plan_item *ret);
bool plan_take_last(struct plan_queue *q, struct plan_item *ret);
/* Everything of one goes into the other. false: not all of it. */
bool plan_move(struct plan *to, struct plan *from);
void plan_item_clear(struct plan_item *item);
void plan_clear(struct plan *p);

#endif
