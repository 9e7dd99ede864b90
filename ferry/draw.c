/*
 * Lines of the narration. One hundred columns hold everything over IPv4; IPv6 addresses
 * move what they must, and nothing is lost but the end of very long messages.
 */
#include "draw.h"

#include "own.h"
#include "safe.h"
#include "story.h"

#include <stdarg.h>

#define SENTENCE_INDENT 5
#define ADVICE_INDENT 16
#define DRAW_MIDDLE 34

static const char *const colours[] = {
    [DRAW_PLAIN] = "",
    [DRAW_TITLE] = "\033[1m",
    [DRAW_CALL] = "\033[36m",
    [DRAW_BYTES] = "\033[35m",
    [DRAW_GOOD] = "\033[1;32m",
    [DRAW_BAD] = "\033[1;31m",
};

/* Characters of UTF-8, each taken as one column. */
static size_t
columns(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
colour_on(const struct draw *d, enum draw_colour colour)
{
	if (d->colour)
		fputs(colours[colour], d->out);
}

static void
colour_off(const struct draw *d, enum draw_colour colour)
{
	if (d->colour && colour != DRAW_PLAIN)
		fputs("\033[0m", d->out);
}

static void
repeat(FILE *f, char c, size_t n)
{
	while (n-- > 0)
		putc(c, f);
}

/* Number and our port; returns the column behind them. */
static size_t
line_begin(struct draw *d, uint16_t ours)
{
	char port[8] = "      ";

	if (ours != 0)
		snprintf(port, sizeof port, ":%u", (unsigned)ours);
	return (size_t)fprintf(d->out, "%2u %s ", ++d->step, port);
}

/* Fills with c up to the right column, ends with head, and adds the server's port. */
static void
line_end(struct draw *d, size_t at, char c, const char *head, uint16_t theirs)
{
	size_t need = strlen(head) + 1;

	repeat(d->out, c, at + need + 1 < DRAW_RIGHT ? DRAW_RIGHT - need - at : 1);
	fprintf(d->out, "%s", head);
	if (theirs != 0)
		fprintf(d->out, " :%u", (unsigned)theirs);
}

void
draw_call(struct draw *d, struct draw_arrow a, const char *text)
{
	if (d->story != NULL) {
		story_arrow(d->story, STORY_CALL, d->time, a, text);
		return;
	}
	colour_on(d, DRAW_CALL);
	size_t at = line_begin(d, a.ours);
	at += (size_t)fprintf(d->out, "%s %s ", a.inward ? "<=====" : "======", text);
	line_end(d, at, '=', a.inward ? "=" : ">", a.theirs);
	colour_off(d, DRAW_CALL);
	putc('\n', d->out);
}

void
draw_broken_call(struct draw *d, struct draw_arrow a, const char *text)
{
	if (d->story != NULL) {
		story_arrow(d->story, STORY_BROKEN, d->time, a, text);
		return;
	}
	colour_on(d, DRAW_BAD);
	size_t at = line_begin(d, a.ours);
	at += (size_t)fprintf(d->out, "%s %s", a.inward ? "X=====" : "======X", text);
	if (a.theirs != 0)
		line_end(d, at, ' ', "", a.theirs);
	colour_off(d, DRAW_BAD);
	putc('\n', d->out);
}

/* Harmless, and at most max columns. NULL when out of memory. */
static char *
message_text(const char *text, size_t max, bool *ret_cut)
{
	char *safe = safe_string(text);
	size_t n = 0;

	*ret_cut = safe != NULL && columns(safe) > max;
	if (!*ret_cut)
		return safe;
	for (char *p = safe; *p != '\0'; p++) {
		n += ((unsigned char)*p & 0xc0) != 0x80;
		if (n > max - 3) {
			memcpy(p, "...", 4);
			break;
		}
	}
	return safe;
}

/* The last line of a reply of several lines stands for all. */
static const char *
last_line(const char *text)
{
	const char *lf = strrchr(text, '\n');

	return lf == NULL ? text : lf + 1;
}

bool
draw_message(struct draw *d, struct draw_arrow a, const char *text)
{
	if (d->story != NULL) {
		story_arrow(d->story, STORY_MESSAGE, d->time, a, text);
		return false;
	}
	size_t at = line_begin(d, a.ours);
	/* the arrow's head, two quotes, a blank and at least one more of the arrow at
	 * either end */
	bool cut;
	_cleanup_free_ char *shown =
	    message_text(last_line(text), DRAW_RIGHT - at - 11, &cut);

	if (shown == NULL)
		return true;
	fprintf(d->out, "%s \"%s\" ", a.inward ? "<--" : "-->", shown);
	at += 4 + columns(shown) + 3;
	line_end(d, at, '-', a.inward ? "-" : ">", a.theirs);
	putc('\n', d->out);
	return cut;
}

const char *
draw_number(uint64_t n, char *out)
{
	char digits[24], *o = out;
	size_t len =
	    (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*o++ = ' ';
		*o++ = digits[i];
	}
	*o = '\0';
	return out;
}

void
draw_bytes(struct draw *d, struct draw_arrow a, uint64_t bytes, double seconds)
{
	char number[32];
	char c = a.inward ? '<' : '>';

	if (d->story != NULL) {
		story_bytes(d->story, d->time, a, bytes, seconds);
		return;
	}
	colour_on(d, DRAW_BYTES);
	size_t at = line_begin(d, a.ours);
	repeat(d->out, c, 20);
	at += 20 + (size_t)fprintf(d->out, " %s byte%s ", draw_number(bytes, number),
		       bytes == 1 ? "" : "s");
	line_end(d, at, c, "", a.theirs);
	colour_off(d, DRAW_BYTES);
	putc('\n', d->out);
}

/* Words with single blanks between them; lines after the first begin at indent. */
static void
wrap(FILE *out, char *text, size_t at, unsigned indent)
{
	char *save = NULL;
	bool first = true;

	for (char *w = strtok_r(text, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		size_t width = columns(w);
		if (!first && at + 1 + width > DRAW_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		at += (size_t)!first + width;
		fprintf(out, "%s%s", first ? "" : " ", w);
		first = false;
	}
	putc('\n', out);
}

void
draw_step(struct draw *d, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return;
	if (d->story != NULL)
		story_row(d->story, STORY_STEP, d->time, text);
	else
		fprintf(d->out, "%2u %s\n", ++d->step, text);
}

void
draw_sentence(struct draw *d, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return;
	if (d->story != NULL) {
		story_note(d->story, d->time, NULL, text);
		return;
	}
	fprintf(d->out, "%*s", SENTENCE_INDENT, "");
	wrap(d->out, text, SENTENCE_INDENT, SENTENCE_INDENT);
}

static enum story_kind
kind_of_paragraph(enum draw_colour colour)
{
	return colour == DRAW_GOOD  ? STORY_GOOD
	       : colour == DRAW_BAD ? STORY_BAD
				    : STORY_TITLE;
}

void
draw_paragraph(
    struct draw *d, enum draw_colour colour, unsigned indent, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	size_t blanks;

	va_start(ap, format);
	text = text_of(format, ap);
	va_end(ap);
	if (text == NULL)
		return;
	if (d->story != NULL) {
		story_row(d->story, kind_of_paragraph(colour), d->time, text);
		return;
	}
	blanks = strspn(text, " ");
	colour_on(d, colour);
	fprintf(d->out, "%*s", (int)blanks, "");
	wrap(d->out, text, blanks, indent);
	colour_off(d, colour);
}

void
draw_advice(struct draw *d, const char *label, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);

	if (d->story != NULL) {
		story_note(d->story, d->time, label, text);
		return;
	}
	if (copy == NULL)
		return;
	size_t at = (size_t)fprintf(d->out, "  %-13s ", label);
	wrap(d->out, copy, at, ADVICE_INDENT);
}

/* Blanks up to that column, two at least. Returns the column. */
static size_t
go_to(FILE *out, size_t at, size_t to)
{
	size_t n = at + 2 <= to ? to - at : 2;

	repeat(out, ' ', n);
	return at + n;
}

void
draw_columns(struct draw *d, const char *you, const char *router, const char *server)
{
	size_t width = strlen("SERVER ") + strlen(server);
	size_t to = DRAW_RIGHT + width <= DRAW_WIDTH ? DRAW_RIGHT : DRAW_WIDTH - width;
	size_t at;

	if (d->story != NULL) {
		story_ends(d->story, d->time, you, router, server);
		return;
	}
	at = (size_t)fprintf(d->out, "  YOU %s", you);
	if (router != NULL) {
		at = go_to(d->out, at, DRAW_MIDDLE);
		at += (size_t)fprintf(
		    d->out, "your router%s%s", *router == '\0' ? "" : " ", router);
	}
	go_to(d->out, at, to);
	fprintf(d->out, "SERVER %s\n", server);
	d->step = 0;
}

void
draw_gap(struct draw *d)
{
	if (d->story == NULL)
		putc('\n', d->out);
}
