/*
 * The diagram as Mermaid text, which GitHub, GitLab and others draw where it stands in a
 * page. It has the sentences that are about this session, not those about FTP.
 */
#include "trace.h"

#include "address.h"
#include "markup.h"
#include "own.h"

#define LINE_COLUMNS 80
#define LINES_MAX 4 /* of a label */

/* Broken into lines; of a very long text only the first ones. */
static void
label(FILE *out, const char *text)
{
	size_t n;

	for (unsigned i = 0; (n = markup_line(text, LINE_COLUMNS)) > 0; i++) {
		_cleanup_free_ char *part = strndup(text, n);
		if (i == LINES_MAX || part == NULL) {
			fputs(" ...", out);
			return;
		}
		if (i > 0)
			fputs("<br/>", out);
		markup_mermaid(out, part);
		text += n;
		text += strspn(text, " \n");
	}
}

static void
participant(FILE *out, const char *id, const char *name, const char *address)
{
	fprintf(out, "    participant %s as %s", id, name);
	if (address != NULL && *address != '\0') {
		fputs("<br/>", out);
		markup_mermaid(out, address);
	}
	putc('\n', out);
}

static void
participants(const struct story *s, FILE *out)
{
	const struct story_row *ends = NULL;
	char router[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < s->n && ends == NULL; i++)
		ends = s->rows[i].kind == STORY_ENDS ? &s->rows[i] : NULL;
	participant(out, "Y", "You", ends == NULL ? "" : ends->you);
	if (s->has_router) {
		trace_router(s, router, sizeof router);
		participant(out, "R", "Your router", router);
	}
	participant(out, "S", "Server", ends == NULL ? "" : ends->server);
}

static void
ports(FILE *out, const struct draw_arrow *a)
{
	unsigned from = a->inward ? a->theirs : a->ours;
	unsigned to = a->inward ? a->ours : a->theirs;

	if (from != 0)
		fprintf(out, "port %u ", from);
	if (to != 0)
		fprintf(out, "to port %u", to);
}

static void
arrow(const struct story_row *row, FILE *out)
{
	static const char *const heads[] = {
	    [STORY_CALL] = "->>",
	    [STORY_BROKEN] = "-x",
	    [STORY_MESSAGE] = "->>",
	    [STORY_BYTES] = "->>",
	};
	char buffer[96];
	bool in = row->arrow.inward, reply = row->kind == STORY_MESSAGE && in;

	fprintf(out, "    %s%s%s: ", in ? "S" : "Y", reply ? "-->>" : heads[row->kind],
	    in ? "Y" : "S");
	label(out, trace_label(row, buffer));
	if (row->kind == STORY_BROKEN)
		fputs(" (in vain)", out);
	if (row->kind != STORY_MESSAGE) {
		fputs("<br/>", out);
		ports(out, &row->arrow);
	}
	putc('\n', out);
}

static void
note(FILE *out, const char *over, const char *head, const char *text)
{
	fprintf(out, "    Note over %s: ", over);
	if (head != NULL) {
		markup_mermaid(out, head);
		fputs("<br/>", out);
	}
	label(out, text);
	putc('\n', out);
}

static void
draw_row(const struct story_row *row, FILE *out)
{
	if (row->kind == STORY_ENDS)
		return;
	if (story_is_arrow(row))
		arrow(row, out);
	else if (row->text != NULL)
		note(out, row->kind == STORY_STEP ? "Y" : "Y,S", NULL, row->text);
	for (size_t i = 0; i < row->n_notes; i++) {
		const struct story_note *n = &row->notes[i];
		/* what has figures in it is about this session */
		if (n->label != NULL || strpbrk(n->text, "0123456789") != NULL)
			note(out, "Y,S", n->label, n->text);
	}
}

void
trace_draw_mermaid(const struct story *s, FILE *out)
{
	char date[32];

	fprintf(out, "%%%% recorded by ferry %s %s\n", ferry_version(),
	    markup_date(s->began, date));
	fputs("sequenceDiagram\n    autonumber\n", out);
	participants(s, out);
	for (size_t i = 0; i < s->n; i++)
		draw_row(&s->rows[i], out);
}
