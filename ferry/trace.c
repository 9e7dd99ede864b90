/*
 * Forms, and the file. The temporary file lies beside its goal and is removed when
 * anything fails.
 */
#include "trace.h"

#include "address.h"
#include "local.h"
#include "markup.h"
#include "own.h"
#include "safe.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

static const struct form {
	const char *end;
	trace_draw_fn *draw; /* NULL: the record itself */
} forms[] = {
    {".html", trace_draw_html},
    {".svg", trace_draw_svg},
    {".txt", trace_draw_text},
    {".json", NULL},
    {".mmd", trace_draw_mermaid},
};

static const struct form *
form_of(const char *file)
{
	const char *name = local_last_component(file), *end = strrchr(name, '.');

	for (size_t i = 0; end != NULL && end > name && i < ARRAY_LEN(forms); i++)
		if (strcasecmp(end, forms[i].end) == 0)
			return &forms[i];
	return NULL;
}

__attribute__((format(printf, 5, 6))) static int
fail(char *why, size_t cap, int result, const char *file, const char *format, ...)
{
	_cleanup_free_ char *safe = safe_string(file);
	va_list ap;
	int n = snprintf(why, cap, "%.400s: ", safe == NULL ? "" : safe);

	va_start(ap, format);
	if (n >= 0 && (size_t)n < cap)
		vsnprintf(why + n, cap - (size_t)n, format, ap);
	va_end(ap);
	return result;
}

static char *
directory_of(const char *file)
{
	size_t n = (size_t)(local_last_component(file) - file);

	return n == 0 ? strdup(".") : strndup(file, n);
}

int
trace_check(const char *file, char *ret_why, size_t cap)
{
	_cleanup_free_ char *dir = directory_of(file);
	struct stat st;

	if (form_of(file) == NULL)
		return fail(ret_why, cap, -FERRY_EINVAL, file,
		    "a trace is a file whose name ends in .html, .svg, .txt, .json or "
		    ".mmd");
	if (dir == NULL)
		return fail(ret_why, cap, -FERRY_ELOCAL, file, "%s", strerror(ENOMEM));
	if (access(dir, W_OK | X_OK) < 0)
		return fail(ret_why, cap, -FERRY_ELOCAL, file, "%s", strerror(errno));
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode))
		return fail(ret_why, cap, -FERRY_ELOCAL, file, "it is no file");
	return 0;
}

/* ---------------------------------------------------------------- drawing */

static void
measure(const struct record *r, struct story *s)
{
	size_t n = record_count(r);

	s->began = record_began(r);
	s->seconds = n == 0 ? 0 : record_at(r, n - 1)->ev.time;
}

static int
draw(const struct form *form, const struct record *r, FILE *out)
{
	struct story s = {.rows = NULL};
	struct explain *x = NULL;
	int rc = explain_to_story(&s, &x);

	if (rc < 0)
		return rc;
	record_play(r, x, true);
	measure(r, &s);
	if (s.incomplete)
		rc = -FERRY_ENOMEM;
	else
		form->draw(&s, out);
	explain_free(x);
	story_clear(&s);
	return rc;
}

int
trace_print(const char *file, const struct record *r, FILE *out)
{
	const struct form *form = form_of(file);

	if (form == NULL)
		return -FERRY_EINVAL;
	return form->draw == NULL ? record_write(r, out) : draw(form, r, out);
}

const char *
trace_host(const struct story *s)
{
	if (s->host != NULL && *s->host != '\0')
		return s->host;
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].kind == STORY_ENDS && s->rows[i].server != NULL)
			return s->rows[i].server;
	return "a server";
}

/* A failure behind which the same thing went well. */
static bool
is_overcome(const struct story *s, size_t i)
{
	const char *subject = s->rows[i].subject;

	for (size_t k = i + 1; subject != NULL && k < s->n; k++)
		if (s->rows[k].kind == STORY_GOOD && s->rows[k].subject != NULL &&
		    strcmp(s->rows[k].subject, subject) == 0)
			return true;
	return false;
}

const struct story_row *
trace_outcome(const struct story *s, unsigned *ret_good, unsigned *ret_bad)
{
	const struct story_row *good = NULL, *bad = NULL;

	*ret_good = *ret_bad = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct story_row *row = &s->rows[i];
		if (row->kind == STORY_GOOD) {
			good = row;
			++*ret_good;
		} else if (row->kind == STORY_BAD && !is_overcome(s, i)) {
			bad = bad == NULL ? row : bad;
			++*ret_bad;
		}
	}
	return bad != NULL ? bad : good;
}

void
trace_router(const struct story *s, char *out, size_t cap)
{
	bool known = s->router != NULL && *s->router != '\0';

	snprintf(out, cap, "%s", known ? s->router : "address not known");
}

static void
port_attribute(FILE *out, const char *name, unsigned port)
{
	if (port != 0)
		fprintf(out, " %s=\"%u\"", name, port);
}

void
trace_attributes(const struct story_row *row, FILE *out)
{
	const struct draw_arrow *a = &row->arrow;

	fprintf(out, " class=\"row %s%s%s%s\" data-kind=\"%s\" data-time=\"%.3f\"",
	    story_word(row), row->data_open ? " open" : "", a->data ? " data" : "",
	    !story_is_arrow(row) ? ""
	    : a->inward          ? " inward"
				 : " outward",
	    story_word(row), row->time);
	if (!story_is_arrow(row))
		return;
	fprintf(out, " data-channel=\"%s\" data-from=\"%s\" data-to=\"%s\"",
	    a->data ? "data" : "control", story_from(row), story_to(row));
	port_attribute(out, "data-from-port", a->inward ? a->theirs : a->ours);
	port_attribute(out, "data-to-port", a->inward ? a->ours : a->theirs);
	if (row->kind == STORY_BYTES)
		fprintf(out, " data-bytes=\"%llu\"", (unsigned long long)row->bytes);
}

const char *
trace_label(const struct story_row *row, char *out)
{
	char took[32];

	if (row->kind != STORY_BYTES)
		return row->text == NULL ? "" : row->text;
	if (row->seconds > 0)
		snprintf(
		    out, 96, "%s in %s", row->text, markup_seconds(row->seconds, took));
	else
		snprintf(out, 96, "%s", row->text);
	return out;
}

/* ---------------------------------------------------------------- the file */

/* A new file beside the goal, with the rights that others of this user get. */
static int
open_beside(const char *file, char **ret_path)
{
	_cleanup_free_ char *dir = directory_of(file), *path = NULL;
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	if (dir == NULL || asprintf(&path, "%s/.ferry-trace-XXXXXX", dir) < 0) {
		path = NULL;
		errno = ENOMEM;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -1;
	fchmod(fd, 0666 & ~mask);
	*ret_path = path;
	path = NULL;
	return fd;
}

static int
print_to(int fd, const char *file, const struct record *r)
{
	FILE *out = fdopen(fd, "w");
	int rc;

	if (out == NULL) {
		close(fd);
		return -FERRY_ELOCAL;
	}
	rc = trace_print(file, r, out);
	if (rc == -FERRY_ENOMEM)
		errno = ENOMEM;
	/* an error on the way is remembered by the stream */
	bool good = rc == 0 && !ferror(out) && fflush(out) == 0;
	int saved = errno;
	if (fclose(out) != 0 || !good) {
		errno = good ? errno : saved;
		return -FERRY_ELOCAL;
	}
	return 0;
}

int
trace_save(const char *file, const struct record *r, char *ret_why, size_t cap)
{
	_cleanup_free_ char *path = NULL;
	int fd = open_beside(file, &path), saved;

	if (fd < 0)
		return fail(ret_why, cap, -FERRY_ELOCAL, file, "%s", strerror(errno));
	if (print_to(fd, file, r) == 0 && rename(path, file) == 0)
		return 0;
	saved = errno;
	unlink(path);
	return fail(ret_why, cap, -FERRY_ELOCAL, file, "%s", strerror(saved));
}
