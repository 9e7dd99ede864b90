/*
 * --trace FILE: a session as a diagram. The name's end chooses the form: .html, .svg,
 * .txt and .mmd are drawn from the story of the record, .json is the record itself.
 * Drawing is pure: a record in, text out.
 */
#ifndef FERRY_TRACE_H
#define FERRY_TRACE_H

#include "record.h"
#include "story.h"

typedef void trace_draw_fn(const struct story *s, FILE *out);
trace_draw_fn trace_draw_html, trace_draw_svg, trace_draw_text, trace_draw_mermaid;

/* May a trace be written there? Asked before the session begins. 0, or -FERRY_EINVAL or
 * -FERRY_ELOCAL with ret_why telling why not, in harmless words. */
int trace_check(const char *file, char *ret_why, size_t cap);
/* Replaces the file by one rename: it is whole or it is not there. Results as above. */
int trace_save(const char *file, const struct record *r, char *ret_why, size_t cap);
/* What trace_save() writes into a file of that name. 0 or a negative FERRY_E... */
int trace_print(const char *file, const struct record *r, FILE *out);

/* For headings: what it was about, with harmless characters. */
const char *trace_host(const struct story *s);
/* The outcome to tell first: a failure, unless the same thing went well later, by another
 * way. Else the last one. NULL: there was nothing to fail. The counts are of such things.
 */
const struct story_row *trace_outcome(
    const struct story *s, unsigned *ret_good, unsigned *ret_bad);
/* Our router's address, or words instead. */
void trace_router(const struct story *s, char *out, size_t cap);
/* For HTML and SVG: data-kind, data-channel, data-from, data-to, data-from-port,
 * data-to-port, data-time, data-bytes and class, so that programs and style sheets know
 * what an element shows. */
void trace_attributes(const struct story_row *row, FILE *out);
/* "18 432 bytes in 0.020 s", or the row's text. out holds at least 96 bytes. */
const char *trace_label(const struct story_row *row, char *out);

#endif
