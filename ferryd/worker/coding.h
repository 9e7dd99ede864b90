/*
 * How a file is written on a data connection: what TYPE, MODE and OPTS MODE Z have set
 * when its transfer begins.
 */
#ifndef FERRYD_WORKER_CODING_H
#define FERRYD_WORKER_CODING_H

#include <stdbool.h>

/* The letters of MODE. */
enum coding_mode {
	CODING_STREAM = 'S',  /* as it is; its end is the end of the connection */
	CODING_BLOCK = 'B',   /* in blocks; the connection outlives it */
	CODING_DEFLATE = 'Z', /* as one zlib stream, with a connection of its own */
};

struct coding {
	enum coding_mode mode;
	bool ascii; /* TYPE A: line ends are converted */
	int level;  /* MODE Z: how hard to pack, DEFLATE_LEVEL_... */
};

/* Byte for byte: nothing to do between file and connection. */
static inline bool
coding_is_plain(const struct coding *c)
{
	return c->mode == CODING_STREAM && !c->ascii;
}

#endif
