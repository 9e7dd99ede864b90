/*
 * The diagram as plain text of a hundred columns, for mails and tickets: the two ends are
 * two lines down the page, everything between them is drawn from one to the other.
 */
#include "trace.h"

#include "address.h"
#include "markup.h"
#include "own.h"

#define LEFT 11  /* column of our line */
#define RIGHT 97 /* column of the server's */
#define MIDDLE 54
#define PORT 7        /* ":61017 " */
#define NOTE_INDENT 9 /* behind our line */

static void
repeat(FILE *out, char c, size_t n)
{
	while (n-- > 0)
		putc(c, out);
}

/* "  12.345 s |" */
static void
begin(FILE *out, double time)
{
	char text[32];

	if (time < 0)
		fprintf(out, "%*s|", LEFT, "");
	else
		fprintf(out, "%*s |", LEFT - 1, markup_seconds(time, text));
}

/* From that column on to the server's line. */
static void
end(FILE *out, size_t at)
{
	repeat(out, ' ', at < RIGHT ? RIGHT - at : 0);
	fputs("|\n", out);
}

/* Lines of text between the two; time: of the first one, or -1. */
static void
between(FILE *out, double time, const char *text, size_t indent)
{
	size_t n;

	for (; (n = markup_line(text, RIGHT - LEFT - 2 - indent)) > 0;
	     text += n, text += strspn(text, " \n"), time = -1) {
		begin(out, time);
		fprintf(out, "%*s%.*s", (int)indent, "", (int)n, text);
		_cleanup_free_ char *shown = strndup(text, n);
		end(out, LEFT + 1 + indent + (shown == NULL ? n : markup_columns(shown)));
	}
}

static void
blank(const struct story *s, FILE *out)
{
	begin(out, -1);
	if (s->has_router)
		fprintf(out, "%*s:", MIDDLE - LEFT - 1, "");
	end(out, s->has_router ? MIDDLE + 1 : LEFT + 1);
}

/* ---------------------------------------------------------------- arrows */

struct shaft {
	char c;
	const char *tail, *head; /* of an arrow to the right */
	const char *inward_tail, *inward_head;
};

static const struct shaft shafts[] = {
    [STORY_CALL] = {'=', "====", ">", "=", "<==="},
    [STORY_MESSAGE] = {'-', "--", ">", "-", "<-"},
    [STORY_BYTES] = {'>', ">>>>", ">", "<", "<<<<"},
    [STORY_BROKEN] = {' ', "=======X", " ", "X=======", "    "},
};

static void
port_left(FILE *out, unsigned port)
{
	char text[PORT + 1] = "";

	if (port != 0)
		snprintf(text, sizeof text, ":%u", port);
	fprintf(out, "%-*s", PORT, text);
}

static const char *
port_right(unsigned port, char *out)
{
	*out = '\0';
	if (port != 0)
		snprintf(out, PORT + 1, " :%u", port);
	return out;
}

/* The first line of the text on the shaft, the others below it. */
static void
arrow(const struct story_row *row, FILE *out)
{
	const struct shaft *shaft = &shafts[row->kind];
	bool in = row->arrow.inward;
	const char *left = in ? shaft->inward_head : shaft->tail;
	const char *right = in ? shaft->inward_tail : shaft->head;
	char buffer[96], port[PORT + 1];
	size_t room = RIGHT - LEFT - 1 - PORT - strlen(left) - 2 - strlen(right) -
		      strlen(port_right(row->arrow.theirs, port));
	const char *text = trace_label(row, buffer);
	size_t n = markup_line(text, room - 2);
	_cleanup_free_ char *shown = strndup(text, n);
	char fill = row->kind == STORY_BYTES && in ? '<' : shaft->c;
	size_t width = shown == NULL ? n : markup_columns(shown);

	begin(out, row->time);
	port_left(out, row->arrow.ours);
	fprintf(out, "%s %.*s ", left, (int)n, text);
	repeat(out, fill, room - width);
	fprintf(out, "%s%s|\n", right, port);
	if (text[n] != '\0')
		between(out, -1, text + n + strspn(text + n, " "), NOTE_INDENT + 3);
}

/* Replies of many lines are there in full, one behind the other. */
static void
all_lines(const struct story_row *row, FILE *out)
{
	_cleanup_free_ char *flat = NULL;
	const char *p = row->lines;
	size_t n;
	FILE *f = p == NULL ? NULL : open_memstream(&flat, &n);

	if (f == NULL)
		return;
	for (const char *lf; (lf = strchr(p, '\n')) != NULL; p = lf + 1) {
		p += strspn(p, " ");
		fprintf(f, "%s%.*s", p == row->lines ? "" : " / ",
		    (int)(lf > p ? lf - p : 0), p);
	}
	if (fclose(f) == 0)
		between(out, -1, flat, NOTE_INDENT);
}

/* ---------------------------------------------------------------- rows */

static void
paragraph(FILE *out, const char *text, size_t first, size_t indent)
{
	for (size_t n; (n = markup_line(text, RIGHT + 1 - indent)) > 0;
	     text += n, text += strspn(text, " \n"), first = indent)
		fprintf(out, "%*s%.*s\n", (int)first, "", (int)n, text);
}

static void
outcome(const struct story_row *row, FILE *out)
{
	putc('\n', out);
	paragraph(out, row->text, 2, 6);
	for (size_t i = 0; i < row->n_notes; i++) {
		const struct story_note *note = &row->notes[i];
		if (note->label != NULL)
			fprintf(out, "\n  %s\n", note->label);
		paragraph(out, note->text, 6, 6);
	}
}

static void
ends(const struct story *s, const struct story_row *row, FILE *out)
{
	char router[ADDRESS_TEXT_MAX] = "";
	size_t right = markup_columns(row->server);
	size_t start = right >= 12 ? RIGHT + 1 - right : RIGHT - 6;

	if (s->has_router)
		trace_router(s, router, sizeof router);
	fprintf(out, "\n%*sYOU%*s%-*s%s\n", LEFT, "", MIDDLE - LEFT - 8, "",
	    RIGHT - MIDDLE, s->has_router ? "YOUR ROUTER" : "", "SERVER");
	fprintf(out, "%*s%-*s%-*s%s\n", LEFT, "", MIDDLE - LEFT - 5, row->you,
	    (int)(start - MIDDLE + 5), router, row->server);
	blank(s, out);
}

static void
draw_row(const struct story *s, const struct story_row *row, FILE *out)
{
	switch (row->kind) {
	case STORY_TITLE:
		fprintf(out, "\n--- %s\n", row->text);
		break;
	case STORY_ENDS:
		ends(s, row, out);
		break;
	case STORY_GOOD:
	case STORY_BAD:
		outcome(row, out);
		putc('\n', out);
		return;
	case STORY_STEP:
		between(out, row->time, row->text == NULL ? "" : row->text, PORT);
		break;
	default:
		arrow(row, out);
		all_lines(row, out);
	}
	for (size_t i = 0; i < row->n_notes; i++)
		between(out, -1, row->notes[i].text, NOTE_INDENT);
	if (row->n_notes > 0)
		blank(s, out);
}

void
trace_draw_text(const struct story *s, FILE *out)
{
	char date[32], took[32];

	fprintf(out, "FTP session with %s\n", trace_host(s));
	markup_date(s->began, date);
	fprintf(out, "%s%srecorded by ferry %s, %s long\n", date,
	    *date == '\0' ? "" : ", ", ferry_version(), markup_seconds(s->seconds, took));
	for (size_t i = 0; i < s->n; i++)
		draw_row(s, &s->rows[i], out);
}
