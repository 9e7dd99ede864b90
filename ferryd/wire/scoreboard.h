/*
 * The scoreboard: who is connected and what they do, in shared memory. One array per
 * worker, one slot per session; the worker writes its own slots, the master only reads (a
 * worker that has been taken over can lie about its own sessions, and about nobody
 * else's).
 *
 * A slot is published between two increments of seq (odd while it changes), so a reader
 * can tell a torn copy and read again. Paths lie behind all the slots: memory that idle
 * sessions never touch costs nothing.
 */
#ifndef FERRYD_WIRE_SCOREBOARD_H
#define FERRYD_WIRE_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slot_state {
	SLOT_FREE,
	SLOT_LOGIN,
	SLOT_IDLE,
	SLOT_COMMAND,
	SLOT_RECEIVING,
	SLOT_SENDING
};

/* What a slot holds of fixed size. Who the client is the master knows without it. */
struct slot_head {
	uint64_t bytes;               /* of the running transfer */
	uint64_t bytes_in, bytes_out; /* of the session */
	uint32_t session;
	uint8_t state;  /* enum slot_state */
	uint8_t pathed; /* there is a path */
	char verb[10];
	char user[64]; /* cut, NUL-terminated, as the user typed it: escape when shown */
};

struct slot_path {
	char text[256]; /* cut at the front if longer */
};

struct slot_view {
	struct slot_head head;
	struct slot_path path; /* text "" unless head.pathed */
};

struct slot {
	_Atomic uint32_t seq;
	struct slot_head head;
};

struct scoreboard {
	size_t slots;
	struct slot *slot;
	struct slot_path *path; /* as many */
	/* the owner's, between scoreboard_begin and scoreboard_end */
	struct slot_view draft;
	bool drafting;
};

/* Makes shared memory for `slots` slots: a sealed-size memfd. Descriptor or -FERRY_ESYS.
 */
int scoreboard_create(size_t slots);
/* Maps it. 0 or -FERRY_ESYS (also when the size does not fit). */
int scoreboard_map(int fd, size_t slots, int writable, struct scoreboard *ret);
void scoreboard_unmap(struct scoreboard *sb);

/* For the owner: change slot i, one at a time, between these two. What is changed is a
 * draft with the slot's content; scoreboard_end publishes it, so a reader never waits for
 * the owner. i < slots. */
struct slot_view *scoreboard_begin(struct scoreboard *sb, size_t i);
void scoreboard_end(struct scoreboard *sb, size_t i);

/* Copies slot i. 0, or -FERRY_EPROTO when no whole copy could be had (the owner died
 * while writing, or lies). Strings in *ret are always terminated. */
int scoreboard_read(const struct scoreboard *sb, size_t i, struct slot_view *ret);

#endif
