/*
 * Names that wait to be sorted. See name_set.h.
 */
#include "name_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
name_set_add(struct name_set *s, const char *name)
{
	size_t n = strlen(name) + 1;

	if (s->n >= NAME_SET_ENTRIES || buf_room(&s->text) < n)
		return 1;
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		size_t *grown = reallocarray(s->at, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->at = grown;
		s->cap = cap;
	}
	s->at[s->n] = buf_len(&s->text);
	if (buf_append(&s->text, name, n) < 0)
		return -ENOMEM;
	s->n++;
	return 0;
}

const char *
name_set_get(const struct name_set *s, size_t i)
{
	return (const char *)buf_data(&s->text) + s->at[i];
}

static int
name_compare(const void *a, const void *b, void *text)
{
	return strcmp((const char *)text + *(const size_t *)a,
	    (const char *)text + *(const size_t *)b);
}

void
name_set_sort(struct name_set *s)
{
	if (s->n > 1)
		qsort_r(s->at, s->n, sizeof(*s->at), name_compare,
		    (void *)buf_data(&s->text));
}

void
name_set_free(struct name_set *s)
{
	buf_free(&s->text);
	free(s->at);
}
