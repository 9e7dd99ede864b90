/*
 * What is asked for ahead. See ahead.h. Must never run a command, answer the client, or
 * hand out a file for another command than the one it was asked for.
 */
#include "ahead.h"

#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "agentlink.h"
#include "commands.h"
#include "dispatch.h"
#include "path.h"
#include "row.h"
#include "session.h"
#include "transfer.h"

/* Behind a file that was not small so many RETRs are left alone, at most: they will most
 * likely be large as well, and would be opened twice. */
#define QUIET_MAX 16

/* Lines are known by their number in the session (input.h). */
struct row {
	uint32_t id;    /* of the question; 0: it is answered */
	unsigned first; /* its first line */
	unsigned count; /* lines it is about */
	unsigned files; /* of the first of them, once it is answered */
	struct buf paths;
	const char *path[ROW_FILES];
	uint8_t *text;
	struct bytes file[ROW_FILES];
};

struct ahead {
	struct row rows[2]; /* in their order; the last may be open */
	unsigned n;
	unsigned next;        /* the line to be looked at next */
	unsigned quiet;       /* how many were left alone the last time */
	unsigned quiet_until; /* ... up to this one */
	void (*on_answer)(struct session *s);
};

/* Numbers of lines begin again some day. */
static bool
is_before(unsigned a, unsigned b)
{
	return (int)(a - b) < 0;
}

static unsigned
running_line(const struct session *s)
{
	return s->input.taken - 1;
}

static bool
row_has(const struct row *row, unsigned line)
{
	return line - row->first < row->count;
}

static void
row_free(struct row *row)
{
	buf_free(&row->paths);
	free(row->text);
	*row = (struct row){0};
}

static void
drop_first(struct ahead *a)
{
	row_free(&a->rows[0]);
	a->rows[0] = a->rows[1];
	a->rows[1] = (struct row){0};
	a->n--;
}

/* Rows that are answered and have no line from here on. */
static void
drop_passed(struct ahead *a, unsigned line)
{
	while (a->n > 0 && a->rows[0].id == 0 &&
	       !is_before(line, a->rows[0].first + a->rows[0].count))
		drop_first(a);
}

void
ahead_free(struct session *s)
{
	if (s->ahead == NULL)
		return;
	while (s->ahead->n > 0)
		drop_first(s->ahead);
	free(s->ahead);
	s->ahead = NULL;
}

/* ---- asking ---- */

static bool
row_add(struct row *row, struct bytes path)
{
	return row->count < ROW_FILES && row_put_path(&row->paths, path) == 0 &&
	       ++row->count > 0;
}

/* Is this line a RETR that will ask for a file? */
static bool
row_add_line(const struct session *s, struct row *row, struct bytes line)
{
	_cleanup_(buf_free)
	struct buf path = BUF_INIT(PATH_TEXT_MAX + 1);
	struct command cmd;
	const char *text;

	return dispatch_check(s, line, &cmd, &text) == 0 && cmd.verb->run == cmd_retr &&
	       cmd.arg.n > 0 && cmd.arg.p[cmd.arg.n - 1] != '/' &&
	       path_join(s->cwd, cmd.arg.p, cmd.arg.n, &path) == 0 &&
	       row_add(row, bytes_of_buf(&path));
}

/* Those that wait, from this line on. */
static void
row_add_lines(const struct session *s, struct row *row, unsigned line)
{
	unsigned at = s->input.taken;
	struct bytes text;
	size_t offset = 0;

	for (; input_peek(&s->input, &offset, &text); at++) {
		if (!is_before(at, line) && !row_add_line(s, row, text))
			break;
	}
}

/* Asks for the row, which is one of a's from here on. */
static bool
row_ask(struct session *s, struct row *row)
{
	struct ahead *a = s->ahead;
	struct msg m = {.type = MSG_AGENT_ROW};
	struct bytes paths = bytes_of_buf(&row->paths);

	m.agent_row.paths = paths;
	if (row->count == 0 || agent_ask_ahead(s, &m) < 0) {
		row_free(row);
		return false;
	}
	for (unsigned i = 0; i < row->count; i++)
		(void)row_get_path(&paths, &row->path[i]);
	row->id = m.id;
	a->next = row->first + row->count;
	a->rows[a->n++] = *row;
	return true;
}

/* Another question may be asked, about RETRs. */
static bool
may_ask(struct session *s)
{
	const struct transfer *t = s->transfer;

	if (t == NULL || t->kind != TRANSFER_FILE || t->mode != CODING_BLOCK ||
	    s->aborts > 0 || input_is_empty(&s->input))
		return false;
	if (s->ahead == NULL)
		s->ahead = calloc(1, sizeof(*s->ahead));
	struct ahead *a = s->ahead;
	if (a == NULL)
		return false;
	drop_passed(a, running_line(s));
	return a->n < ARRAY_LEN(a->rows) && (a->n == 0 || a->rows[0].id == 0) &&
	       (a->quiet == 0 || !is_before(running_line(s), a->quiet_until));
}

void
ahead_look(struct session *s)
{
	struct row row = {.paths = BUF_INIT(ROW_PATHS_MAX)};

	if ((s->state != SESSION_ASKING && s->state != SESSION_TRANSFER) || !may_ask(s))
		return;
	/* All lines from the one that runs up to the next to be looked at are RETRs in
	 * rows. */
	row.first = s->ahead->n > 0 ? s->ahead->next : s->input.taken;
	row_add_lines(s, &row, row.first);
	(void)row_ask(s, &row);
}

/* The one that runs and those behind it, if there are any. */
static bool
ask_from_here(struct session *s, const char *path)
{
	struct row row = {
	    .first = running_line(s),
	    .paths = BUF_INIT(ROW_PATHS_MAX),
	};

	if (!may_ask(s) || s->ahead->n > 0 || !row_add(&row, bytes_of(path)))
		return false;
	row_add_lines(s, &row, s->input.taken);
	if (row.count > 1)
		return row_ask(s, &row);
	row_free(&row);
	return false;
}

/* ---- the answer ---- */

bool
ahead_has_asked(const struct session *s, uint32_t id)
{
	const struct ahead *a = s->ahead;

	return a != NULL && a->n > 0 && a->rows[a->n - 1].id == id;
}

/* False: they are not what was asked for. */
static bool
row_take_files(struct row *row, const struct msg_worker_answer *answer)
{
	struct bytes left;
	int r;

	row->text = (uint8_t *)bytes_dup(answer->text);
	if (row->text == NULL)
		return true;
	left = (struct bytes){.p = row->text, .n = answer->text.n};
	while (row->files < row->count &&
	       (r = row_get_file(&left, &row->file[row->files])) > 0)
		row->files++;
	/* One more can be done with: it is no file of a row. */
	return left.n == 0 && answer->size >= row->files &&
	       answer->size - row->files <= 1 && answer->size <= row->count;
}

bool
ahead_answered(struct session *s, const struct msg_worker_answer *answer,
    void (**ret_fn)(struct session *s))
{
	struct ahead *a = s->ahead;
	struct row *row = &a->rows[a->n - 1];

	*ret_fn = s->question == row->id ? a->on_answer : NULL;
	row->id = 0;
	if (answer->error == 0 && !row_take_files(row, answer))
		return false;
	/* What has not been done with is asked for again; at least one goes alone. */
	row->count = row->files;
	if (answer->size > row->files || row->files == 0)
		row->count++;
	a->next = row->first + row->count;
	if (row->files > 0) {
		a->quiet = 0;
	} else {
		a->quiet = a->quiet < QUIET_MAX ? 2 * a->quiet + 1 : a->quiet;
		a->quiet_until = a->next + a->quiet;
	}
	return true;
}

/* ---- the files ---- */

/* NULL: the line is in no row. */
static const struct row *
find_row(const struct session *s, unsigned line)
{
	const struct ahead *a = s->ahead;

	for (unsigned i = 0; a != NULL && i < a->n; i++) {
		if (row_has(&a->rows[i], line))
			return &a->rows[i];
	}
	return NULL;
}

bool
ahead_peek(const struct session *s, unsigned before, const char **ret_path,
    struct bytes *ret_file)
{
	unsigned line = s->input.taken + before;
	const struct row *row = find_row(s, line);

	if (row == NULL || line - row->first >= row->files)
		return false;
	*ret_path = row->path[line - row->first];
	*ret_file = row->file[line - row->first];
	return true;
}

enum ahead_found
ahead_find(struct session *s, const char *path, struct bytes *ret_file)
{
	unsigned line = running_line(s);
	const struct row *row = find_row(s, line);

	if (row == NULL)
		return ask_from_here(s, path) ? AHEAD_COMING : AHEAD_NONE;
	unsigned i = line - row->first;
	if (strcmp(row->path[i], path) != 0) {
		ahead_free(s);
		return AHEAD_NONE;
	}
	if (row->id != 0)
		return AHEAD_COMING;
	if (i >= row->files)
		return AHEAD_NONE;
	*ret_file = row->file[i];
	return AHEAD_HERE;
}

void
ahead_await(struct session *s, void (*fn)(struct session *s))
{
	s->ahead->on_answer = fn;
	s->question = s->ahead->rows[s->ahead->n - 1].id;
	session_enter(s, SESSION_ASKING);
}
