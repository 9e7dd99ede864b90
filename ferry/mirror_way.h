/*
 * The two directions of a recursive transfer, as mirror.c sees them.
 */
#ifndef FERRY_MIRROR_WAY_H
#define FERRY_MIRROR_WAY_H

#include "local.h"
#include "mirror.h"

struct mirror_way {
	const char *verb;
	/* As in struct lanes_work; user is the mirror. */
	int (*begin)(struct lane *l, void *user);
	void (*end)(struct lane *l, int result, void *user);
	/* Frees the mirror's job of that session. */
	void (*forget)(struct mirror *m, struct lane *l);
};

extern const struct mirror_way mirror_way_get, mirror_way_put;

#endif
