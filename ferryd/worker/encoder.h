/*
 * From the bytes of a file to those of a data connection, as TYPE and MODE want them:
 * line ends first, then blocks (RFC 959 3.4.2) or one zlib stream (MODE Z). Sans I/O; may
 * run in any thread, in one at a time.
 */
#ifndef FERRYD_WORKER_ENCODER_H
#define FERRYD_WORKER_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ascii.h"
#include "coding.h"

struct deflate_packer;

/* Room without which nothing can be written. */
#define ENCODER_ROOM 8

struct encoder {
	struct coding coding;
	struct ascii_encoder lines;
	struct deflate_packer *packer; /* MODE Z */
	uint8_t *text;                 /* MODE Z with TYPE A: converted, not yet packed */
	size_t text_used, text_len;
};

/* 0 or -FERRY_ENOMEM. */
int encoder_init(struct encoder *e, const struct coding *coding);
void encoder_free(struct encoder *e);

/* Takes *ret_used bytes of in, writes *ret_made to out (cap >= ENCODER_ROOM). last: the
 * file ends behind in. 0: again, with what was not used; when all was and out is not
 * full, with the next bytes. 1: the file and what ends it are written. */
int encoder_run(struct encoder *e, const uint8_t *in, size_t n, bool last,
    size_t *ret_used, uint8_t *out, size_t cap, size_t *ret_made);

/* The file cannot be read to its end: in MODE B that can be said. Bytes written to out
 * (cap
 * >= ENCODER_ROOM); 0: only breaking the connection says it. */
size_t encoder_break(const struct encoder *e, uint8_t *out);

#endif
