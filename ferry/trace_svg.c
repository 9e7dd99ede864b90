/*
 * The diagram as one picture. Lines are broken here, by the number of characters, because
 * a picture cannot do that itself: with the fonts that are likely, nothing is cut.
 */
#include "trace.h"

#include "markup.h"
#include "own.h"

#include <stdarg.h>

#define WIDTH 1240
#define TIME_X 66
#define LEFT 140
#define RIGHT 760
#define NOTES 840
#define NOTE_COLUMNS 56
#define NOTE_HEIGHT 17
#define LABEL_COLUMNS 70
#define TITLE_COLUMNS 110
#define ADVICE_COLUMNS 120
#define LINE 19
#define BROKEN 0.62 /* how far a call gets that nobody takes */

/* clang-format off */
static const char style[] =
	":root{--paper:#fff;--ink:#1c2430;--soft:#5a6675;--rule:#c9d1db;--control:#1f5fa8;--data:#8a3ab9;--good:#176b38;--bad:#b3261e}"
	"@media(prefers-color-scheme:dark){:root{--paper:#14181e;--ink:#e4e9ef;--soft:#9aa7b6;--rule:#3a4552;--control:#7db4f0;"
	"--data:#cf9bf0;--good:#7ed09a;--bad:#ff9189}}"
	"text{font:14px system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:var(--ink)}"
	".paper{fill:var(--paper)}.soft{fill:var(--soft);font-size:12px}.time,.port{fill:var(--soft);font-size:11.5px}"
	".time,.ours{text-anchor:end}.h1{font-size:22px;font-weight:650}.h2{font-size:15.5px;font-weight:650}"
	".code{font:12.5px ui-monospace,'DejaVu Sans Mono',monospace}.mid{text-anchor:middle}.right{text-anchor:end}"
	".life{stroke:var(--rule);stroke-width:2}.open .life{stroke:var(--data);stroke-width:6}"
	".hidden{stroke:var(--rule);stroke-width:2;stroke-dasharray:5 5}"
	".shaft{stroke:var(--control);stroke-width:1.5;fill:none}.reply .shaft{stroke-dasharray:5 4}.head{fill:var(--control)}"
	".data .shaft{stroke:var(--data)}.data .head{fill:var(--data)}.call .shaft{stroke-width:4}"
	".bytes .shaft{stroke-width:8;opacity:.6}.call .name{font-weight:650;fill:var(--control)}"
	".call.data .name,.bytes .name{font-weight:650;fill:var(--data)}"
	".broken-call .shaft{stroke:var(--bad);stroke-width:4;stroke-dasharray:9 6}.broken-call .cross{stroke:var(--bad);stroke-width:4}"
	".broken-call .name{font-weight:650;fill:var(--bad)}.actor{fill:var(--paper);stroke:var(--rule);stroke-width:1.5}"
	".done .h2{fill:var(--good)}.failed .h2{fill:var(--bad)}.name{paint-order:stroke;stroke:var(--paper);stroke-width:5px}";
/* clang-format on */

struct sheet {
	FILE *out; /* NULL: only measured */
	double y;
	const struct story *s;
};

__attribute__((format(printf, 2, 3))) static void
put(struct sheet *p, const char *format, ...)
{
	va_list ap;

	if (p->out == NULL)
		return;
	va_start(ap, format);
	vfprintf(p->out, format, ap);
	va_end(ap);
}

static void
put_text(
    struct sheet *p, double x, double y, const char *class, const char *text, size_t n)
{
	put(p, "<text class=\"%s\" x=\"%.0f\" y=\"%.0f\">", class, x, y);
	if (p->out != NULL)
		markup_bytes(p->out, text, n);
	put(p, "</text>\n");
}

/* Broken into lines from y on; returns the y behind the last one. */
static double
put_lines(struct sheet *p, double x, double y, const char *class, const char *text,
    size_t columns, double height)
{
	for (size_t n; (n = markup_line(text, columns)) > 0;
	     text += n, text += strspn(text, " \n"), y += height)
		put_text(p, x, y, class, text, n);
	return y;
}

static void
put_line(struct sheet *p, const char *class, double x1, double y1, double x2, double y2)
{
	put(p, "<line class=\"%s\" x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\"/>\n",
	    class, x1, y1, x2, y2);
}

static void
lifelines(struct sheet *p, double from, double to)
{
	put_line(p, "life", LEFT, from, LEFT, to);
	put_line(p, "life", RIGHT, from, RIGHT, to);
	if (p->s->has_router)
		put_line(p, "hidden", LEFT + 0.36 * (RIGHT - LEFT), from,
		    LEFT + 0.36 * (RIGHT - LEFT), to);
}

/* ---------------------------------------------------------------- arrows */

static void
head(struct sheet *p, double x, double y, bool inward, double size)
{
	double back = inward ? x + size * 1.6 : x - size * 1.6;

	put(p, "<path class=\"head\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1fZ\"/>\n", x, y,
	    back, y - size, back, y + size);
}

static void
shaft(struct sheet *p, const struct story_row *row, double y)
{
	double from = row->arrow.inward ? RIGHT - 4 : LEFT + 4;
	double to = row->arrow.inward ? LEFT + 4 : RIGHT - 4;
	double size = row->kind == STORY_MESSAGE ? 5 : 8;
	double back = row->arrow.inward ? size : -size;

	if (row->kind != STORY_BROKEN) {
		put_line(p, "shaft", from, y, to + back, y);
		head(p, to, y, row->arrow.inward, size);
		return;
	}
	/* a stranger comes from elsewhere, and as far as our door */
	if (row->arrow.stranger)
		from = LEFT + BROKEN * (RIGHT - LEFT);
	to = row->arrow.stranger ? LEFT + 14 : from + BROKEN * (to - from);
	put_line(p, "shaft", from, y, to, y);
	put_line(p, "cross", to - 8, y - 8, to + 8, y + 8);
	put_line(p, "cross", to - 8, y + 8, to + 8, y - 8);
}

static void
put_port(struct sheet *p, const char *class, double x, double y, unsigned port)
{
	char text[16];

	if (port == 0)
		return;
	snprintf(text, sizeof text, ":%u", port);
	put_text(p, x, y, class, text, strlen(text));
}

/* Label above the shaft, ports outside of the two lines. */
static double
arrow(struct sheet *p, const struct story_row *row, double y)
{
	const char *class = row->kind == STORY_MESSAGE ? "name code" : "name";
	char buffer[96], side[32];
	double x = row->arrow.inward ? RIGHT - 16 : LEFT + 16;

	snprintf(side, sizeof side, "%s%s", class, row->arrow.inward ? " right" : "");
	y = put_lines(p, x, y + 16, side, trace_label(row, buffer), LABEL_COLUMNS, LINE);
	y -= LINE - 12;
	shaft(p, row, y);
	put_port(p, "port ours", LEFT - 9, y + 4, row->arrow.ours);
	put_port(p, "port", RIGHT + 9, y + 4, row->arrow.theirs);
	return y + 12;
}

static double
step(struct sheet *p, const struct story_row *row, double y)
{
	if (row->text == NULL)
		return y;
	return put_lines(p, LEFT + 16, y + 18, "name", row->text, LABEL_COLUMNS, LINE) -
	       LINE + 12;
}

/* ---------------------------------------------------------------- rows */

static double
row_body(struct sheet *p, const struct story_row *row, double y)
{
	double end = story_is_arrow(row) ? arrow(p, row, y) : step(p, row, y);
	double note = y + 16;
	char when[32];

	markup_seconds(row->time, when);
	put_text(p, TIME_X, y + 16, "time", when, strlen(when));
	for (size_t i = 0; i < row->n_notes; i++)
		note = put_lines(p, NOTES, note, "soft", row->notes[i].text, NOTE_COLUMNS,
			   NOTE_HEIGHT) +
		       3;
	return note - 8 > end ? note - 8 : end;
}

/* Measured first: the lines down the page lie below what is between them. */
static void
row_svg(struct sheet *p, const struct story_row *row)
{
	struct sheet measure = {.out = NULL, .s = p->s};
	double end = row_body(&measure, row, p->y);

	if (p->out != NULL) {
		put(p, "<g");
		trace_attributes(row, p->out);
		put(p, ">\n");
	}
	lifelines(p, p->y, end);
	p->y = row_body(p, row, p->y);
	put(p, "</g>\n");
}

static void
actor(struct sheet *p, double x, const char *name, const char *address)
{
	double width = 7.4 * (double)markup_columns(address) + 28;

	if (width < 116)
		width = 116;
	put(p,
	    "<rect class=\"actor\" x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"44\" "
	    "rx=\"6\"/>\n",
	    x - width / 2, p->y, width);
	put_text(p, x, p->y + 18, "soft mid", name, strlen(name));
	put_text(p, x, p->y + 36, "mid", address, strlen(address));
}

static void
actors(struct sheet *p, const struct story_row *ends)
{
	char router[64];

	p->y += 10;
	actor(p, LEFT, "YOU", ends->you);
	if (p->s->has_router) {
		trace_router(p->s, router, sizeof router);
		actor(p, LEFT + 0.36 * (RIGHT - LEFT), "YOUR ROUTER", router);
	}
	actor(p, RIGHT, "SERVER", ends->server);
	p->y += 44;
}

static void
title(struct sheet *p, const char *text)
{
	p->y += 26;
	put_line(p, "hidden", 20, p->y, WIDTH - 20, p->y);
	p->y = put_lines(p, 20, p->y + 28, "h2", text, TITLE_COLUMNS, 22) - 8;
}

static void
outcome(struct sheet *p, const struct story_row *row)
{
	put(p, "<g class=\"%s\" data-kind=\"%s\">\n", story_word(row), story_word(row));
	p->y = put_lines(p, 20, p->y + 34, "h2", row->text, TITLE_COLUMNS, 22);
	for (size_t i = 0; i < row->n_notes; i++) {
		const struct story_note *n = &row->notes[i];
		if (n->label != NULL)
			put_text(p, 20, p->y, "name", n->label, strlen(n->label));
		p->y = put_lines(p, 190, p->y, "name", n->text, ADVICE_COLUMNS, LINE) + 4;
	}
	p->y -= 10;
	put(p, "</g>\n");
}

static void
draw_row(struct sheet *p, const struct story_row *row)
{
	switch (row->kind) {
	case STORY_TITLE:
		title(p, row->text);
		break;
	case STORY_ENDS:
		actors(p, row);
		break;
	case STORY_GOOD:
	case STORY_BAD:
		outcome(p, row);
		break;
	default:
		row_svg(p, row);
	}
}

static void
heading(struct sheet *p)
{
	char text[512], date[32], took[32];

	snprintf(text, sizeof text, "FTP session with %.300s", trace_host(p->s));
	p->y = put_lines(p, 20, 40, "h1", text, 80, 28);
	markup_date(p->s->began, date);
	snprintf(text, sizeof text,
	    "%s%srecorded by ferry %s, %s long. Passwords are not recorded.", date,
	    *date == '\0' ? "" : ", ", ferry_version(),
	    markup_seconds(p->s->seconds, took));
	put_text(p, 20, p->y - 4, "soft", text, strlen(text));
}

static void
sheet(struct sheet *p)
{
	heading(p);
	for (size_t i = 0; i < p->s->n; i++)
		draw_row(p, &p->s->rows[i]);
	p->y += 30;
}

void
trace_draw_svg(const struct story *s, FILE *out)
{
	struct sheet measure = {.out = NULL, .s = s}, real = {.out = out, .s = s};

	sheet(&measure);
	fprintf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" "
	    "width=\"%d\" height=\"%.0f\" role=\"img\" aria-labelledby=\"t\">\n<title "
	    "id=\"t\">FTP session with ",
	    WIDTH, measure.y, WIDTH, measure.y);
	markup_text(out, trace_host(s));
	fprintf(out,
	    "</title>\n<style>%s</style>\n<rect class=\"paper\" width=\"%d\" "
	    "height=\"%.0f\"/>\n",
	    style, WIDTH, measure.y);
	sheet(&real);
	fputs("</svg>\n", out);
}
