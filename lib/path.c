/*
 * Path names as text, for both ends. Must never be asked whether a path is allowed: where
 * one leads is decided by the agent's jail, which does not look at strings.
 */
#include "path.h"

#include <assert.h>
#include <string.h>

#include <ferry/ferry.h>

/* Takes the last component off; the root stays (as an empty text). */
static void
pop(struct buf *out)
{
	size_t n = buf_len(out);

	while (n > 0 && buf_data(out)[n - 1] != '/')
		n--;
	buf_truncate(out, n > 0 ? n - 1 : 0);
}

static int
push(struct buf *out, const uint8_t *name, size_t n)
{
	int r;

	if (n == 0 || (n == 1 && name[0] == '.'))
		return 0;
	if (n == 2 && name[0] == '.' && name[1] == '.') {
		pop(out);
		return 0;
	}
	if (n > PATH_NAME_MAX || buf_len(out) + 1 + n > PATH_TEXT_MAX)
		return -FERRY_ETOOBIG;
	r = buf_append_byte(out, '/');
	if (r < 0)
		return r;
	return buf_append(out, name, n);
}

static int
push_all(struct buf *out, const uint8_t *path, size_t n)
{
	int r = 0;

	while (n > 0 && r == 0) {
		const uint8_t *slash = memchr(path, '/', n);
		size_t len = slash ? (size_t)(slash - path) : n;
		size_t step = slash ? len + 1 : len;

		r = push(out, path, len);
		path += step;
		n -= step;
	}
	return r;
}

int
path_join(const char *cwd, const uint8_t *arg, size_t n, struct buf *out)
{
	int r = 0;

	assert(cwd[0] == '/' && buf_len(out) == 0);
	if (n == 0 || memchr(arg, '\0', n))
		return -FERRY_EINVAL;
	if (arg[0] != '/')
		r = push_all(out, (const uint8_t *)cwd, strlen(cwd));
	if (r == 0)
		r = push_all(out, arg, n);
	if (r == 0 && buf_len(out) == 0)
		r = buf_append_byte(out, '/');
	if (r < 0)
		buf_clear(out);
	return r;
}

const char *
path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool
path_name_is_plain(const uint8_t *name, size_t n)
{
	if (n == 0 || n > PATH_NAME_MAX || memchr(name, '/', n) || memchr(name, '\0', n))
		return false;
	return !(name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')));
}

/* ---------------------------------------------------------------- patterns */

/* The character at *p, a backslash before it skipped; *p moves behind it. */
static unsigned char
take_literal(const char **p)
{
	if ((*p)[0] == '\\' && (*p)[1] != '\0')
		(*p)++;
	return (unsigned char)*(*p)++;
}

/* Is c in the set whose first character, behind "[", is at p? *ret_end: behind the "]",
 * or NULL when there is none, and then the "[" is an ordinary character. */
static bool
match_set(const char *p, unsigned char c, const char **ret_end)
{
	bool negated = *p == '!' || *p == '^', found = false;
	const char *first = p += negated;

	while (*p != '\0' && (*p != ']' || p == first)) {
		unsigned char low = take_literal(&p), high = low;

		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			high = take_literal(&p);
		}
		if (low <= c && c <= high)
			found = true;
	}
	*ret_end = *p == ']' ? p + 1 : NULL;
	return found != negated;
}

/* Matches the one pattern element at *p (not "*") with c; *p moves behind it on success.
 * *unclosed: from there on every "[" is known to have no end, and is not searched again.
 */
static bool
match_one(const char **p, unsigned char c, const char **unclosed)
{
	const char *at = *p, *end = NULL;
	bool matches;

	if (*at == '\0')
		return false;
	if (*at == '?') {
		*p = at + 1;
		return true;
	}
	if (*at == '[' && (!*unclosed || at < *unclosed)) {
		matches = match_set(at + 1, c, &end);
		if (end) {
			*p = matches ? end : *p;
			return matches;
		}
		*unclosed = at;
	}
	if (take_literal(&at) != c)
		return false;
	*p = at;
	return true;
}

bool
path_match(const char *pattern, const char *name)
{
	const char *unclosed = NULL;
	/* After a "*": where the pattern goes on, and where in the name it was tried
	 * last. One star is enough to remember: a later one makes the earlier choice
	 * final. */
	const char *star = NULL, *tried = NULL;

	if (name[0] == '.' &&
	    (pattern[0] == '*' || pattern[0] == '?' || pattern[0] == '['))
		return false;
	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			tried = name;
		} else if (match_one(&pattern, (unsigned char)*name, &unclosed)) {
			name++;
		} else if (star) {
			pattern = star;
			name = ++tried;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
