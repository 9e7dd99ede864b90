/*
 * The known option that a mistyped name probably means. For the parser's messages.
 * Bounded: a name longer than any option is not looked at.
 */
#include <ctype.h>
#include <string.h>

#include "option.h"
#include "util.h"

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool
same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many letters must be added, dropped, replaced or swapped with their neighbour to
 * make b of a (Damerau-Levenshtein; no letter is touched twice). Case does not count.
 * Gives up with limit + 1. */
static size_t
distance(const char *a, const char *b, size_t limit)
{
	/* Three rows of the matrix: before the last, last, this one. */
	size_t rows[3][OPTION_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > nb + limit || nb > na + limit)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t least = row[0] = i;

		for (size_t j = 1; j <= nb; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
			    last[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
			least = row[j] < least ? row[j] : least;
		}
		/* A swap may still reach back to the row before; it costs one. */
		if (least > limit + 1)
			return limit + 1;
		size_t *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[nb];
}

static size_t
common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] != '\0' && same(a[n], b[n]))
		n++;
	return n;
}

const char *
option_nearest(const char *name)
{
	size_t len = strnlen(name, OPTION_NAME_MAX + 1);
	if (len == 0 || len > OPTION_NAME_MAX)
		return NULL;

	/* Further away than that it is another word, not a slip. */
	size_t limit = len / 3 > 2 ? len / 3 : 2;
	size_t best = limit + 1, best_prefix = 0;
	const char *nearest = NULL;

	for (size_t i = 0; i < option_count; i++) {
		const char *known = option_table[i].name;
		size_t d = distance(name, known, limit);
		size_t prefix = common_prefix(name, known);

		/* A short name is near to many: it must keep a letter of its own. */
		if (d > limit || d >= len || d > best ||
		    (d == best && prefix <= best_prefix))
			continue;
		best = d;
		best_prefix = prefix;
		nearest = known;
	}
	return nearest;
}
