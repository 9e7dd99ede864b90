/*
 * Collects the rows. Never fails visibly: what does not fit into memory is missing, and
 * the story says that it is incomplete.
 */
#include "story.h"

#include "own.h"
#include "safe.h"

static void
row_clear(struct story_row *row)
{
	free(row->text);
	free(row->lines);
	free(row->you);
	free(row->server);
	free(row->subject);
	for (size_t i = 0; i < row->n_notes; i++) {
		free(row->notes[i].label);
		free(row->notes[i].text);
	}
	free(row->notes);
}

void
story_clear(struct story *s)
{
	for (size_t i = 0; i < s->n; i++)
		row_clear(&s->rows[i]);
	for (size_t i = 0; i < s->n_said; i++)
		free(s->said[i]);
	free(s->rows);
	free(s->host);
	free(s->subject);
	free(s->router);
	*s = (struct story){.rows = NULL};
}

/* A zeroed one at the end, or NULL. Time never goes back in it: a reply may be told
 * behind the bytes that it overtook. */
static struct story_row *
row_new(struct story *s, enum story_kind kind, double time)
{
	double before = s->n == 0 ? 0 : s->rows[s->n - 1].time;

	if (s->n == s->size) {
		size_t size = s->size == 0 ? 64 : 2 * s->size;
		struct story_row *rows = reallocarray(s->rows, size, sizeof *rows);
		if (rows == NULL) {
			s->incomplete = true;
			return NULL;
		}
		s->rows = rows;
		s->size = size;
	}
	s->rows[s->n] = (struct story_row){.kind = kind,
	    .time = time < before ? before : time,
	    .data_open = s->data_open};
	return &s->rows[s->n++];
}

static void
set(struct story *s, char **field, const char *text)
{
	free(*field);
	*field = safe_string(text);
	if (*field == NULL)
		s->incomplete = true;
}

void
story_row(struct story *s, enum story_kind kind, double time, const char *text)
{
	struct story_row *row;

	if (kind != STORY_STEP)
		s->data_open = false;
	row = row_new(s, kind, time);
	if (row == NULL)
		return;
	set(s, &row->text, text);
	if ((kind == STORY_GOOD || kind == STORY_BAD) && s->subject != NULL)
		set(s, &row->subject, s->subject);
}

/* Every line of a reply, harmless. */
static char *
safe_lines(const char *text)
{
	char *out = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&out, &n);

	if (f == NULL)
		return NULL;
	safe_write(f, text, strlen(text), SAFE_LINES);
	if (fclose(f) == 0)
		return out;
	free(out);
	return NULL;
}

void
story_arrow(struct story *s, enum story_kind kind, double time, struct draw_arrow a,
    const char *text)
{
	const char *lf = strrchr(text, '\n');
	struct story_row *row;

	if (kind == STORY_CALL && a.data)
		s->data_open = true;
	row = row_new(s, kind, time);
	if (row == NULL)
		return;
	row->arrow = a;
	set(s, &row->text, lf == NULL ? text : lf + 1);
	if (lf != NULL)
		row->lines = safe_lines(text);
}

void
story_bytes(
    struct story *s, double time, struct draw_arrow a, uint64_t bytes, double seconds)
{
	char text[64], number[32];
	struct story_row *row;

	snprintf(text, sizeof text, "%s byte%s", draw_number(bytes, number),
	    bytes == 1 ? "" : "s");
	s->data_open = true; /* in block mode since a file before */
	row = row_new(s, STORY_BYTES, time);
	s->data_open = false;
	if (row == NULL)
		return;
	row->arrow = a;
	row->bytes = bytes;
	row->seconds = seconds;
	set(s, &row->text, text);
}

/* A sentence that has nothing of this moment in it need not be said for every file. */
static bool
is_said(struct story *s, const char *text)
{
	if (strpbrk(text, "0123456789") != NULL)
		return false;
	for (size_t i = 0; i < s->n_said; i++)
		if (strcmp(s->said[i], text) == 0)
			return true;
	if (s->n_said < ARRAY_LEN(s->said) && (s->said[s->n_said] = strdup(text)) != NULL)
		s->n_said++;
	return false;
}

void
story_note(struct story *s, double time, const char *label, const char *text)
{
	struct story_note *notes, *note;
	struct story_row *row;

	if (label == NULL && is_said(s, text))
		return;
	if (s->n == 0)
		row_new(s, STORY_STEP, time);
	if (s->n == 0)
		return;
	row = &s->rows[s->n - 1];
	notes = reallocarray(row->notes, row->n_notes + 1, sizeof *notes);
	if (notes == NULL) {
		s->incomplete = true;
		return;
	}
	row->notes = notes;
	note = &notes[row->n_notes++];
	*note = (struct story_note){.label = NULL};
	if (label != NULL)
		set(s, &note->label, label);
	set(s, &note->text, text);
}

void
story_ends(
    struct story *s, double time, const char *you, const char *router, const char *server)
{
	struct story_row *row;

	/* the same as before */
	for (size_t i = s->n; i-- > 0;) {
		row = &s->rows[i];
		if (row->kind != STORY_ENDS)
			continue;
		if (row->you != NULL && row->server != NULL &&
		    strcmp(row->you, you) == 0 && strcmp(row->server, server) == 0)
			return;
		break;
	}
	row = row_new(s, STORY_ENDS, time);
	if (row == NULL)
		return;
	set(s, &row->you, you);
	set(s, &row->server, server);
	row->router = router != NULL;
	s->has_router = s->has_router || row->router;
	if (router != NULL && *router != '\0')
		story_name_router(s, router);
}

void
story_name_router(struct story *s, const char *address)
{
	set(s, &s->router, address);
	s->has_router = true;
}

void
story_name_host(struct story *s, const char *host)
{
	set(s, &s->host, host);
}

void
story_name_subject(struct story *s, const char *verb, const char *path)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s %s", verb, path == NULL ? "" : path) < 0)
		text = NULL;
	set(s, &s->subject, text == NULL ? "" : text);
}

const char *
story_from(const struct story_row *row)
{
	if (!row->arrow.inward)
		return "you";
	return row->arrow.stranger ? "stranger" : "server";
}

const char *
story_to(const struct story_row *row)
{
	if (row->kind == STORY_BROKEN)
		return "nowhere";
	return row->arrow.inward ? "you" : "server";
}

bool
story_is_arrow(const struct story_row *row)
{
	return row->kind == STORY_CALL || row->kind == STORY_BROKEN ||
	       row->kind == STORY_MESSAGE || row->kind == STORY_BYTES;
}

const char *
story_word(const struct story_row *row)
{
	static const char *const words[] = {
	    [STORY_TITLE] = "title",
	    [STORY_ENDS] = "ends",
	    [STORY_CALL] = "call",
	    [STORY_BROKEN] = "broken-call",
	    [STORY_MESSAGE] = "command",
	    [STORY_BYTES] = "bytes",
	    [STORY_STEP] = "step",
	    [STORY_GOOD] = "done",
	    [STORY_BAD] = "failed",
	};

	if (row->kind == STORY_MESSAGE && row->arrow.inward)
		return "reply";
	return words[row->kind];
}
