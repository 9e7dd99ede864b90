/*
 * The one receiver of a handle's events: hands them to the narration, the progress bar
 * and the lines of the conversation. Decides what is shown, and makes every byte from a
 * server harmless.
 */
#ifndef FERRY_VIEW_H
#define FERRY_VIEW_H

#include "explain.h"
#include "progress.h"
#include "record.h"
#include "waynote.h"
#include "witness.h"

#include <stdbool.h>

enum view_talk {
	TALK_NONE,
	TALK_REPLIES, /* the replies a person wants to see; not those to FEAT, TYPE, SIZE,
			 ... */
	TALK_ALL,     /* every command and every reply */
};

struct view {
	FILE *out; /* commands and replies */
	enum view_talk talk;
	bool greet;       /* "Connected to HOST." */
	bool quiet;       /* for a while: nothing is shown but warnings */
	bool mute;        /* those neither (completion: somebody types) */
	bool asked;       /* the user asked for this reply: it is shown in any case */
	const char *host; /* as typed; borrowed while connecting */
	struct explain *explain; /* or NULL */
	struct record *record;   /* of everything, for --trace; or NULL */
	double record_began;     /* monotonic clock */
	FILE *progress_out;      /* or NULL */
	bool hash;               /* a "#" per hash_size bytes instead of the bar */
	uint64_t hash_size, hashed;
	struct progress progress;
	char verb[16];       /* of the last command */
	double clock;        /* time of the last event */
	double data_opened;  /* monotonic clock */
	double data_seconds; /* of the last data connection */
	uint64_t data_bytes;
	bool moved; /* did the last transfer have a data connection? */
	struct waynote way;
	struct witness *witness; /* or NULL */
};

/* A ferry_event_cb; user is the view. */
void view_event(const struct ferry_event *ev, void *user);
/* Before and after a transfer. name: what the bar shows; offset: bytes that are there
 * already. */
void view_begin(struct view *v, const char *name, uint64_t offset);
void view_end(struct view *v);
/* Begins the record. 0 or -FERRY_ENOMEM. */
int view_record(struct view *v);
/* For the narration and the record: explain_plan(), explain_many(), explain_end(). */
void view_plan(
    struct view *v, enum ferry_mode mode, const char *verb, const char *path);
void view_many(struct view *v, size_t n);
void view_outcome(struct view *v, int result, const char *text);

#endif
