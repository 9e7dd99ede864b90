/*
 * The record of a session: every event of libferry, and what the program was about to do
 * and how that ended. Diagrams and the narration are made from it, now or from its file
 * later. What comes in is cleaned at the door: no password, nothing that a terminal
 * obeys.
 */
#ifndef FERRY_RECORD_H
#define FERRY_RECORD_H

#include "explain.h"

enum record_kind {
	RECORD_EVENT,
	RECORD_PLAN,  /* as explain_plan(): ev.mode, ev.text is the verb, ev.path */
	RECORD_FILES, /* as explain_many(): ev.count */
	RECORD_END,   /* as explain_end(): ev.error, ev.text */
	RECORD_GAP,   /* ev.count items were left out here: there were too many */
};

struct record_item {
	enum record_kind kind;
	bool quiet;            /* not shown while it happened, and not narrated */
	struct ferry_event ev; /* owns its texts; time: since the record began */
};

struct record;

/* The strings of an item, for loops over them. */
#define RECORD_TEXTS 5
const char **record_text(struct ferry_event *ev, size_t i);

/* 0 or -FERRY_ENOMEM. began: seconds since 1970 UTC, or -1. */
int record_new(int64_t began, struct record **ret);
void record_free(struct record *r);
/* A password or account that is about to be sent: it is taken out of every text, those
 * that are in the record already too, so that a server that repeats it does not bring it
 * in. One shorter than three bytes is not: stars in the place of single letters would
 * tell it. */
void record_hide(struct record *r, const char *secret);
/* The same for what a typed command would send, if it is PASS or the like. */
void record_hide_argument(struct record *r, const char *command);
/* Copies an item; its ev.time is what counts. When memory is short, or there are too
 * many, the record has a gap. */
void record_add(struct record *r, const struct record_item *item);

size_t record_count(const struct record *r);
const struct record_item *record_at(const struct record *r, size_t i);
int64_t record_began(const struct record *r);

/* Narrates it again. quiet: what was not narrated, too. */
void record_play(const struct record *r, struct explain *x, bool quiet);

/* The file, JSON: ferry-trace(5). */
int record_write(const struct record *r, FILE *out);
/* Pure; text is hostile. 0; -FERRY_EINVAL with ret_why (size cap) telling what is wrong
 * in harmless words; -FERRY_ETOOBIG; -FERRY_ENOMEM. */
int record_parse(
    const char *text, size_t n, struct record **ret, char *ret_why, size_t cap);

#endif
