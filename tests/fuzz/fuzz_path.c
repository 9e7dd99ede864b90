/*
 * Any bytes as directory, path, pattern and name: a joined path is in its one normal
 * form, and the matcher agrees with a slow one that is written the other way round.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/ferry.h>

#include "path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- joining */

static void
check_normal(const char *path)
{
	const char *at = path;

	assert(strlen(path) <= PATH_TEXT_MAX && path[0] == '/');
	while (path[1] != '\0' && *at == '/') {
		size_t n = strcspn(at + 1, "/");

		assert(path_name_is_plain((const uint8_t *)at + 1, n));
		at += 1 + n;
	}
	assert(path[1] == '\0' || *at == '\0');
	assert(strchr(path_base(path), '/') == NULL);
}

/* path_join() with its promises checked; the caller frees *out. */
static int
join(const char *cwd, const char *arg, size_t n, struct buf *out)
{
	int r;

	buf_init(out, 2 * PATH_TEXT_MAX + 2);
	r = path_join(cwd, (const uint8_t *)arg, n, out);
	if (r == 0)
		check_normal(buf_cstr(out));
	else
		assert(buf_len(out) == 0);
	return r;
}

static void
check_join(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct buf cwd, both, again;

	if (join("/", a, a_len, &cwd) == 0) {
		if (join(buf_cstr(&cwd), b, b_len, &both) == 0) {
			int r = join("/", buf_cstr(&both), buf_len(&both), &again);

			assert(r == 0 && strcmp(buf_cstr(&again), buf_cstr(&both)) == 0);
			buf_free(&again);
		}
		buf_free(&both);
		int r = join(buf_cstr(&cwd), "x/../.", 6, &again);

		assert(
		    r == -FERRY_ETOOBIG || strcmp(buf_cstr(&again), buf_cstr(&cwd)) == 0);
		buf_free(&again);
	}
	buf_free(&cwd);
}

/* ---------------------------------------------------------------- matching */

#define ELEMENTS_MAX 64

/* A pattern taken apart: each element is a star, or the set of bytes that it takes. */
struct element {
	bool star;
	bool wild; /* "?" or a set: not for a leading dot */
	bool takes[256];
};

/* A set behind "["; returns its length with the "]", or 0 if it has no end. */
static size_t
read_set(const char *p, struct element *e)
{
	bool negated = p[0] == '!' || p[0] == '^';
	size_t i = negated, first = i;

	memset(e, 0, sizeof(*e));
	for (; p[i] != ']' || i == first; i++) {
		unsigned char low, high;

		if (p[i] == '\\' && p[i + 1] != '\0')
			i++;
		if (p[i] == '\0')
			return 0;
		low = high = (unsigned char)p[i];
		if (p[i + 1] == '-' && p[i + 2] != ']' && p[i + 2] != '\0') {
			i += 2;
			if (p[i] == '\\' && p[i + 1] != '\0')
				i++;
			high = (unsigned char)p[i];
		}
		for (unsigned c = low; c <= high; c++)
			e->takes[c] = true;
	}
	for (unsigned c = 0; c < 256; c++)
		e->takes[c] ^= negated;
	e->wild = true;
	return i + 1;
}

static size_t
read_elements(const char *p, struct element *list)
{
	size_t n = 0;

	while (*p != '\0') {
		struct element *e = &list[n++];
		size_t set = *p == '[' ? read_set(p + 1, e) : 0;

		if (set > 0) {
			p += 1 + set;
			continue;
		}
		memset(e, 0, sizeof(*e));
		e->star = *p == '*';
		e->wild = *p == '?';
		if (e->wild)
			memset(e->takes, true, sizeof(e->takes));
		if (*p == '\\' && p[1] != '\0')
			p++;
		e->takes[(unsigned char)*p++] = true;
	}
	return n;
}

static bool
slow_match(const char *pattern, const char *name)
{
	static struct element list[ELEMENTS_MAX];
	size_t n = read_elements(pattern, list), len = strlen(name);
	bool row[ELEMENTS_MAX + 1] = {[0] = true}, next[ELEMENTS_MAX + 1];

	if (name[0] == '.' && n > 0 && (list[0].star || list[0].wild))
		return false;
	/* row[j]: the name up to here is matched by the first j elements. */
	for (size_t j = 0; j < n && list[j].star; j++)
		row[j + 1] = true;
	for (size_t i = 0; i < len; i++) {
		next[0] = false;
		for (size_t j = 0; j < n; j++)
			next[j + 1] =
			    list[j].star
				? next[j] || row[j + 1]
				: row[j] && list[j].takes[(unsigned char)name[i]];
		memcpy(row, next, sizeof(row));
	}
	return row[n];
}

static void
check_match(const char *pattern, const char *name)
{
	size_t n = strlen(name);
	char *escaped = malloc(2 * n + 1);

	assert(escaped);
	for (size_t i = 0; i < n; i++) {
		escaped[2 * i] = '\\';
		escaped[2 * i + 1] = name[i];
	}
	escaped[2 * n] = '\0';
	assert(path_match(escaped, name));
	assert(path_match("*", name) == (name[0] != '.'));
	if (strlen(pattern) < ELEMENTS_MAX)
		assert(path_match(pattern, name) == slow_match(pattern, name));
	else
		path_match(pattern, name);
	free(escaped);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	char *pattern, *name;
	size_t cut;

	if (size < 2 || size > 1 << 13)
		return 0;
	size--;
	cut = data[0] * size / 255;
	check_join(text, cut, text + cut, size - cut);
	pattern = strndup(text, cut);
	name = strndup(text + cut, size - cut);
	assert(pattern && name);
	check_match(pattern, name);
	free(pattern);
	free(name);
	return 0;
}
