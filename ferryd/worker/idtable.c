/*
 * Open addressing with linear probing; a taken row's followers move up, so that no marks
 * of the dead stay behind. Knows nothing of what the numbers mean.
 */
#include "idtable.h"

#include <ferry/ferry.h>
#include <stdlib.h>

struct idtable_row {
	uint32_t id; /* 0: free */
	void *thing;
};

#define IDTABLE_FIRST_CAP 16

/* Ids are handed out one after the other: a multiplication spreads them. */
static size_t
home_of(const struct idtable *t, uint32_t id)
{
	return (size_t)(id * 2654435769u) & (t->cap - 1);
}

/* The row that holds id, or the free one where it belongs. The table has rows, and free
 * ones. */
static struct idtable_row *
row_of(const struct idtable *t, uint32_t id)
{
	size_t i = home_of(t, id);

	while (t->rows[i].id != 0 && t->rows[i].id != id)
		i = (i + 1) & (t->cap - 1);
	return &t->rows[i];
}

void
idtable_free(struct idtable *t)
{
	free(t->rows);
	*t = (struct idtable){0};
}

static int
grow(struct idtable *t)
{
	struct idtable bigger = {.cap = t->cap > 0 ? t->cap * 2 : IDTABLE_FIRST_CAP};

	bigger.rows = calloc(bigger.cap, sizeof(*bigger.rows));
	if (bigger.rows == NULL)
		return -FERRY_ENOMEM;
	for (size_t i = 0; i < t->cap; i++) {
		if (t->rows[i].id != 0)
			*row_of(&bigger, t->rows[i].id) = t->rows[i];
	}
	bigger.count = t->count;
	free(t->rows);
	*t = bigger;
	return 0;
}

int
idtable_put(struct idtable *t, uint32_t id, void *thing)
{
	if ((t->count + 1) * 2 > t->cap) {
		int r = grow(t);
		if (r < 0)
			return r;
	}
	*row_of(t, id) = (struct idtable_row){.id = id, .thing = thing};
	t->count++;
	return 0;
}

void *
idtable_get(const struct idtable *t, uint32_t id)
{
	if (t->count == 0 || id == 0)
		return NULL;
	return row_of(t, id)->thing;
}

/* Row i is free now: whoever was pushed past it by a collision moves up. */
static void
close_gap(struct idtable *t, size_t gap)
{
	size_t mask = t->cap - 1;

	for (size_t i = (gap + 1) & mask; t->rows[i].id != 0; i = (i + 1) & mask) {
		size_t home = home_of(t, t->rows[i].id);

		/* May it stand in the gap? Only if its home is not between gap and i. */
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			t->rows[gap] = t->rows[i];
			gap = i;
		}
	}
	t->rows[gap] = (struct idtable_row){0};
}

void *
idtable_take(struct idtable *t, uint32_t id)
{
	void *thing = idtable_get(t, id);

	if (thing != NULL) {
		close_gap(t, (size_t)(row_of(t, id) - t->rows));
		t->count--;
	}
	return thing;
}

void *
idtable_any(const struct idtable *t)
{
	for (size_t i = 0; i < t->cap; i++) {
		if (t->rows[i].id != 0)
			return t->rows[i].thing;
	}
	return NULL;
}
