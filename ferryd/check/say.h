/*
 * How ferryd check and its siblings print: wrapped text with a margin, and JSON.
 */
#ifndef FERRYD_CHECK_SAY_H
#define FERRYD_CHECK_SAY_H

#include <jansson.h>

/* Width of the margin that labels stand in. */
#define SAY_INDENT 13

/* "label        text text text", continued under the text. What is not printable is shown
 * as a question mark. */
void say_wrapped(const char *label, const char *text);
/* Prints and releases it; the second on one line. */
void say_json(json_t *value);
void say_json_line(json_t *value);

#endif
