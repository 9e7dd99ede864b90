/*
 * From the bytes of a data connection to those of a file: blocks (RFC 959 3.4.2) or one
 * zlib stream (MODE Z) first, then line ends. The other way round is encoder.h. Sans I/O.
 */
#ifndef FERRYD_WORKER_DECODER_H
#define FERRYD_WORKER_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ascii.h"
#include "block.h"
#include "coding.h"

struct deflate_unpacker;

/* Room without which nothing can be written. */
#define DECODER_ROOM 8

struct decoder {
	struct coding coding;
	struct ascii_decoder lines;
	struct block_reader blocks;
	struct deflate_unpacker *unpacker; /* MODE Z */
	bool ended; /* MODE B: the block that ends the file has come */
};

/* 0 or -FERRY_ENOMEM. */
int decoder_init(struct decoder *d, const struct coding *coding);
void decoder_free(struct decoder *d);

/* How many bytes the file has on the wire from here on, as far as one can know: at least
 * 1, and in MODE B never one that belongs to what comes behind the file. */
size_t decoder_wish(const struct decoder *d);

/* Takes *ret_used bytes of in, writes *ret_made to out (cap >= DECODER_ROOM). 0: again,
 * with what was not used; when all was and less was written than cap, with the next
 * bytes. 1: MODE B: the file has ended. -FERRY_EPROTO: what comes is not of this mode, is
 * broken or goes on behind its end; -FERRY_ENOMEM. */
int decoder_run(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made);

/* The file is at its end, or the connection is. Writes what was held back (cap >= 1). 0;
 * -FERRY_ESHORT: the mode's own end has not been seen: the file was cut off. */
int decoder_end(struct decoder *d, uint8_t *out, size_t *ret_made);

/* Did the sender mark something of this file as suspect (MODE B)? */
bool decoder_is_suspect(const struct decoder *d);

#endif
