/*
 * One transfer, from the command to its last reply: the data connection, the pump, the
 * agent's word that an upload is safe, the log. cmd_transfer.c and cmd_list.c set it up;
 * from transfer_begin() on it runs by itself and ends with exactly one final reply.
 */
#ifndef FERRYD_WORKER_TRANSFER_H
#define FERRYD_WORKER_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "coding.h"
#include "util.h"

struct buf;
struct pump;
struct session;

enum transfer_kind {
	TRANSFER_FILE,
	TRANSFER_LISTING,
	TRANSFER_UPLOAD,
	TRANSFER_PATTERN, /* of no file: not logged */
};

struct transfer {
	enum transfer_kind kind;
	char *path; /* absolute, as the user sees it */
	int fd;     /* what the agent opened, until the pump has it */
	/* A small file: instead of fd what is in it from offset on; of an upload, what
	 * the agent has still to write. NULL: none */
	uint8_t *content;
	size_t content_n;
	bool begun_before; /* content_n bytes as they go over the wire are left, behind
			      `bytes` that have gone already */
	bool ascii;
	enum coding_mode mode;
	uint64_t offset;   /* REST, RANG */
	uint64_t length;   /* TRANSFER_FILE, _PATTERN: bytes to send from there */
	bool ranged;       /* RANG: length is also what an upload must have */
	uint32_t upload;   /* the agent's number for it; 0: none */
	struct pump *pump; /* set while bytes move */
	uint64_t begun;    /* loop time of the 1xx reply */
	uint64_t bytes;    /* moved */
	bool over;         /* the last reply is written */
	bool good;         /* the last reply is positive */
	int code;          /* the last reply, once it is known */
	char text[384];
};

/* May a transfer command run? Answers 425 when there is neither PASV nor PORT, 521 when it
 * would have to be encrypted and is not. */
bool transfer_is_possible(struct session *s);
/* The command is being looked at: s->transfer is made, with the path in buf, which stays
 * the caller's. False after having told the user that memory is out. */
bool transfer_prepare(struct session *s, enum transfer_kind kind, const struct buf *path);
/* The end of it, for the log too if it had begun: it was refused, its last reply is
 * written, or the session ends. An upload that has begun is then left to the agent, which
 * ends it with the grant. Harmless when there is none. */
void transfer_drop(struct session *s);
/* The code of the 1xx reply: 150, or 125 when the data connection has carried a file. */
int transfer_opening(struct session *s);
/* Everything is set and the 1xx reply is written: the bytes may go. */
void transfer_begin(struct session *s);
/* ... and have gone, so many of them, over the kept connection: this is its end. */
void transfer_sent(struct session *s, uint64_t bytes);
/* ABOR. Harmless when no transfer runs. */
void transfer_abort(struct session *s);
/* Bytes moved so far by the running transfer. */
uint64_t transfer_bytes(const struct session *s);

/* From data.c: the data connection is there, or could not be made (text says why). */
void transfer_opened(struct session *s);
void transfer_failed(struct session *s, const char *text);
/* The same with another code than 425. */
void transfer_refused(struct session *s, int code, const char *text);

#endif
