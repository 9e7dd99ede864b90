/*
 * Work in pieces, done by several threads and delivered in its order: one thread loads a
 * piece into a slot, whoever is free works on it, and the first thread delivers the slots
 * in the order in which it loaded them. What knows of directories is in lister.c.
 */
#ifndef FERRYD_AGENT_CONVOY_H
#define FERRYD_AGENT_CONVOY_H

#include <stdatomic.h>
#include <stdbool.h>

/* Pieces that may be on their way at once when somebody helps; alone it is one. */
#define CONVOY_SLOTS 8
/* Pieces delivered before anybody is asked to help: a small work is done sooner alone. */
#define CONVOY_ALONE 3

struct convoy {
	void *user;
	/* Fills the slot with the next piece; false: there is none. */
	bool (*load)(void *user, unsigned slot);
	/* Does the work. In any thread, several slots at once. */
	void (*work)(void *user, unsigned slot);
	/* Hands on what has come of it; false: what is left is not wanted. */
	bool (*deliver)(void *user, unsigned slot);
	/* How many threads the process may still start to help; each that is started is
	 * counted off until it ends, with the work or when there is nothing to do for a
	 * while (250 ms) because deliver takes so long. NULL: nobody helps. */
	_Atomic unsigned *spare;
};

/* Returns when all is delivered or not wanted any more; nobody works for it then. load
 * and deliver are called by the calling thread only. A thread that cannot be started is
 * done without. */
void convoy_run(const struct convoy *c);

#endif
