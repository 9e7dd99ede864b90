/*
 * What a client may conclude from a transfer: what arrived is what was sent, in order;
 * only an end in order makes a file whole. For fuzz_session.c, which tells it what the
 * agent and the client hear; what went over the wires it sees itself. It ends the program
 * on the first breach.
 */
#ifndef FERRY_TESTS_FUZZ_TRANSFER_MODEL_H
#define FERRY_TESTS_FUZZ_TRANSFER_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct far;
struct session;
struct world;

/* A file, or a listing, that the agent has opened to be sent. */
struct opened {
	bool listing;
	bool secure; /* it is sent under TLS, whatever the client does */
	bool plain;  /* it arrives as it is */
	bool block;  /* ... or in MODE B, and says itself where it ends */
	int fd;      /* or -1 */
	uint64_t offset;
};

struct transfer_model {
	const struct world *w;
	const struct far *far;
	bool forgiving;          /* an upload may end without TLS's end */
	struct opened opened[2]; /* the last two */
	unsigned commits;        /* that were looked at */
};

void transfer_model_init(struct transfer_model *m, const struct world *w,
    const struct far *far, bool forgiving);
/* The agent is about to answer this session (NULL: it has gone), with a descriptor or
 * without. */
void transfer_model_answer(
    struct transfer_model *m, const struct session *s, bool with_file);
/* The client has got the final reply to that verb, soon after it was sent. */
void transfer_model_final(const struct transfer_model *m, const char *verb, int code);

#endif
