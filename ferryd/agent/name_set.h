/*
 * The names of one directory, collected so that a listing can be sorted: in one buffer,
 * within bounds. A directory that does not fit is listed unsorted, so this costs a
 * session no more than the bounds.
 */
#ifndef FERRYD_AGENT_NAME_SET_H
#define FERRYD_AGENT_NAME_SET_H

#include <limits.h>

#include "buf.h"

/* Nothing of a directory is sent before so many names were read: a few milliseconds. */
#define NAME_SET_ENTRIES 5000
#define NAME_SET_BYTES (NAME_SET_ENTRIES * (NAME_MAX + 1))

struct name_set {
	struct buf text;
	size_t *at; /* where each name begins in text */
	size_t n, cap;
};

#define NAME_SET_INIT ((struct name_set){.text = BUF_INIT(NAME_SET_BYTES)})

/* 0; 1: over the bounds, not added; -ENOMEM. */
int name_set_add(struct name_set *s, const char *name);
/* By bytes. */
void name_set_sort(struct name_set *s);
/* i < s->n; valid until the next name_set_add. */
const char *name_set_get(const struct name_set *s, size_t i);
void name_set_free(struct name_set *s);

#endif
