/*
 * A typed line taken apart into words, and put together again for completion.
 */
#ifndef FERRY_WORDS_H
#define FERRY_WORDS_H

#include <stddef.h>

/* Most words of a line, the final NULL included. */
#define WORDS_MAX 256

struct words {
	size_t n;
	char *word[WORDS_MAX]; /* word[n] is NULL */
	char *text;            /* holds the words */
};

/* Words end at blanks. "..." and a backslash keep blanks and quotes. 0; -FERRY_EINVAL
 * with *ret_why (static) for an open quote or too many words; -FERRY_ENOMEM. */
int words_split(const char *line, struct words *ret, const char **ret_why);
void words_clear(struct words *w);
/* All words from index first on, joined by one blank: free(). NULL when out of memory. */
char *words_join(size_t n, char *const *word);
/* One word so that words_split() gives it back: free(). NULL when out of memory. */
char *words_quote(const char *word);

#endif
