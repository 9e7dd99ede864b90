/*
 * The prompt's command line. Only what the user typed comes here, never a server's text.
 */
#include "words.h"

#include "own.h"

#include <ferry/ferry.h>

static const char blanks[] = " \t\r\n\v\f";

/* Copies one word from *in to *out. -1 for an open quote. */
static int
word_copy(const char **in, char **out)
{
	const char *p = *in;
	char *o = *out;
	bool quoted = false;

	for (; *p != '\0' && (quoted || strchr(blanks, *p) == NULL); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		*o++ = *p;
	}
	*o++ = '\0';
	*in = p;
	*out = o;
	return quoted ? -1 : 0;
}

int
words_split(const char *line, struct words *ret, const char **ret_why)
{
	/* every word takes at most its own length and a NUL; a word of "" takes two bytes
	 */
	_cleanup_free_ char *text = malloc(strlen(line) + 2);
	struct words w = {.n = 0};
	char *out = text;

	if (text == NULL)
		return -FERRY_ENOMEM;
	while (line += strspn(line, blanks), *line != '\0') {
		if (w.n + 1 >= WORDS_MAX) {
			*ret_why = "too many words";
			return -FERRY_EINVAL;
		}
		w.word[w.n++] = out;
		if (word_copy(&line, &out) < 0) {
			*ret_why = "a quote is not closed";
			return -FERRY_EINVAL;
		}
	}
	w.text = text;
	text = NULL;
	*ret = w;
	return 0;
}

void
words_clear(struct words *w)
{
	free(w->text);
	*w = (struct words){.n = 0};
}

char *
words_join(size_t n, char *const *word)
{
	size_t len = 1;
	char *text;

	for (size_t i = 0; i < n; i++)
		len += strlen(word[i]) + 1;
	text = malloc(len);
	if (text == NULL)
		return NULL;
	char *p = text;
	*p = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*p++ = ' ';
		p = stpcpy(p, word[i]);
	}
	return text;
}

char *
words_quote(const char *word)
{
	char *text = malloc(2 * strlen(word) + 1), *out = text;

	if (text == NULL)
		return NULL;
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\' || strchr(blanks, *word) != NULL)
			*out++ = '\\';
		*out++ = *word;
	}
	*out = '\0';
	return text;
}
