/*
 * Numbers that stand for things: sessions by their id, agents by their number, questions
 * by the id that their answer will carry. What another process sends us is a number,
 * never a pointer, and here it is looked up: there, or gone. Owns nothing it points to.
 */
#ifndef FERRYD_WORKER_IDTABLE_H
#define FERRYD_WORKER_IDTABLE_H

#include <stddef.h>
#include <stdint.h>

struct idtable {
	struct idtable_row *rows; /* NULL while nothing was ever put in */
	size_t cap;               /* a power of two, at least twice count */
	size_t count;
};

void idtable_free(struct idtable *t);

/* id is not 0 and not in the table; thing is not NULL. 0 or -FERRY_ENOMEM. */
int idtable_put(struct idtable *t, uint32_t id, void *thing);
/* NULL when it is not there (id 0 never is). */
void *idtable_get(const struct idtable *t, uint32_t id);
/* The same, and takes it out. */
void *idtable_take(struct idtable *t, uint32_t id);
/* Any one of the things in it; NULL when it is empty. */
void *idtable_any(const struct idtable *t);

/* Where a thing is nothing but the number of another (the session that asked). */
static inline void *
idtable_number(uint32_t number)
{
	return (void *)(uintptr_t)number;
}

static inline uint32_t
idtable_to_number(const void *thing)
{
	return (uint32_t)(uintptr_t)thing;
}

#endif
