/*
 * The far side of the connections of a program under test, played by a script: a control
 * connection, a data connection, and what may be done with them. For fuzz_session.c,
 * where it is the client, and fuzz_client.c, where it is the server. The script's bytes
 * below 0x20 are each fuzzer's own deeds; a NUL and a byte from 0x80 on are deeds of the
 * wire (the table in far.c).
 */
#ifndef FERRY_TESTS_FUZZ_FAR_H
#define FERRY_TESTS_FUZZ_FAR_H

#include "endpoint.h"
#include "util.h"
#include "wire.h"

/* Longest text of a deed. */
#define FAR_TEXT_MAX 256

struct far {
	const uint8_t *p; /* the rest of the script */
	size_t n;
	struct endpoint stranger;
	struct wire control, data;
	struct wire last; /* the data connection before: what is known of it, closed */
	SSL_SESSION *session; /* the newest */
};

void far_begin(struct far *f, const uint8_t *script, size_t n);
void far_end(struct far *f);

uint8_t far_byte(struct far *f);
/* Up to the byte 0x07; of a longer one than `most` the rest is dropped. */
struct bytes far_text(struct far *f, size_t most);

/* ---- the play ---- */

struct fuzz; /* whoever plays: each fuzzer has its own */

/* What a byte of the script stands for: one of the two. */
struct far_deed {
	void (*run)(struct fuzz *fuzz);
	bool at_once; /* else everybody has their say before it and behind it */
	void (*far)(struct far *f);
};

struct far_rules {
	const struct far_deed *deeds; /* FAR_DEEDS of them, by their byte */
	void (*rest)(struct fuzz *fuzz);
	void (*say)(struct fuzz *fuzz, uint8_t byte);
	/* The byte behind a NUL. False: both are text. */
	bool (*escaped)(struct fuzz *fuzz, uint8_t byte);
};

#define FAR_DEEDS 0x20

/* The script to its end. */
void far_play(struct far *f, struct fuzz *fuzz, const struct far_rules *rules);

/* ---- deeds ---- */

/* Takes the call of the program under test, or calls where it listens, as who. False:
 * neither. */
bool far_connect(struct far *f, const struct endpoint *who);
/* Bytes of which no part is like another. */
void far_fill(uint8_t *p, size_t n);
void far_data_send(struct far *f);
void far_data_end(struct far *f);
void far_data_close(struct far *f);
void far_data_reset(struct far *f);

/* A deed of a wire, by the byte behind the NUL: from 0x80 on of the control connection,
 * from 0x90 on of the data connection. Some of these bytes are free, and nothing. None
 * lets time pass or reads. */
void far_do(struct far *f, uint8_t byte);

/* ---- what fuzzers measure ---- */

size_t far_descriptors(void);
/* Bytes that are allocated; 0 without ASan. */
size_t far_heap(void);
/* ... by the far side, at the most. */
size_t far_own_heap(const struct far *f);

#endif
