/*
 * The narration of --explain: who calls whom, from which port to which, and why; and when
 * it fails, what that means. A view of libferry's event stream: it sends nothing, asks
 * nothing and changes nothing. The caller adds only what it is about to do, and how that
 * ended.
 */
#ifndef FERRY_EXPLAIN_H
#define FERRY_EXPLAIN_H

#include <ferry/ferry.h>
#include <stdio.h>

struct explain;

struct story;

/* 0 or -FERRY_ENOMEM. out is borrowed. */
int explain_new(FILE *out, bool colour, struct explain **ret);
/* Tells a story instead, and all of it: every command and every reply, from the first call
 * on. The story is borrowed. */
int explain_to_story(struct story *story, struct explain **ret);
void explain_free(struct explain *x);

/* Takes over a session whose beginning was not narrated. */
void explain_join(struct explain *x, const struct ferry *h);
/* A transfer is about to begin: verb "RETR", "STOR", "LIST", ...; path may be NULL. mode
 * as set in the handle. Without it the title waits until the first data connection is
 * arranged. Plans made before the last one ended are ignored. */
void explain_plan(
    struct explain *x, enum ferry_mode mode, const char *verb, const char *path);
/* The planned thing is one of n files that one data connection is to carry. */
void explain_many(struct explain *x, size_t n);
/* Is a planned thing being told? Its replies need not be shown by others. */
bool explain_is_telling(const struct explain *x);
/* A ferry_event_cb's work. */
void explain_event(struct explain *x, const struct ferry_event *ev);
/* The planned thing ended: result of libferry, and ferry_error_text() or NULL. */
void explain_end(struct explain *x, int result, const char *text);

#endif
