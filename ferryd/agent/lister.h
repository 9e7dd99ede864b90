/*
 * Listings: LIST, NLST and MLSD as bytes in a pipe, written by a thread of their own, so
 * that a directory of any size begins to arrive at once and costs bounded memory.
 *
 * The last byte of the stream tells the worker how it ended: LIST_COMPLETE or
 * LIST_FAILED. A stream that ends without one of them has failed too. (Only the very last
 * byte counts: names may hold 0x01.)
 */
#ifndef FERRYD_AGENT_LISTER_H
#define FERRYD_AGENT_LISTER_H

#include "agent.h"
#include "answer.h"

/* Answers AGENT_LIST: what can be wrong with path is told before the listing begins; then
 * a thread writes and the answer's descriptor is the pipe's read end, non-blocking. */
int lister_start(struct channel *c, struct grant *g, const struct msg_agent_list *m,
    const char *path, struct answer *a);

#endif
