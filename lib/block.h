/*
 * Block mode, RFC 959 3.4.2: a file as blocks, each with a descriptor and a count, so
 * that one data connection carries any number of files and says itself where each ends.
 * Serves the server, the client, the tests and the fuzzer. Sans I/O: the same files
 * however the bytes are cut.
 *
 * - The descriptor has four bits. Any other bit is no block header: the two ends are out
 * of step, or the peer sends a plain stream, and nothing behind that byte can be
 * understood.
 * - A block may carry data and end a record and the file at once: the data comes first.
 * - The bytes of a restart marker are no data: they are skipped.
 * - Memory: the struct alone. A count promises at most 65535 bytes and reserves none.
 */
#ifndef FERRY_LIB_BLOCK_H
#define FERRY_LIB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define BLOCK_HEADER_LEN 3
#define BLOCK_DATA_MAX 65535 /* bytes in one block */

enum block_flags {
	BLOCK_EOR = 0x80,     /* the data ends a record */
	BLOCK_EOF = 0x40,     /* the data ends the file */
	BLOCK_SUSPECT = 0x20, /* errors are suspected in the data */
	BLOCK_MARKER = 0x10,  /* the data is a restart marker */
};

/* The header of a block with n bytes of data, n <= BLOCK_DATA_MAX. */
void block_header(uint8_t out[BLOCK_HEADER_LEN], unsigned flags, size_t n);

enum block_event {
	BLOCK_MORE,   /* all input was taken, nothing more to tell */
	BLOCK_DATA,   /* *ret_data: bytes of the file, in the caller's input */
	BLOCK_RECORD, /* a record ended */
	BLOCK_MARK,   /* a restart marker was skipped */
	BLOCK_END,    /* the file ended; block_suspect() tells whether to believe it */
};

struct block_reader {
	uint8_t header[BLOCK_HEADER_LEN];
	uint8_t have;  /* bytes of header */
	uint8_t due;   /* flags whose event comes when left is 0 */
	uint16_t left; /* bytes of this block's data still to come */
	bool suspect;  /* some block of this file had BLOCK_SUSPECT */
	bool begun;    /* a byte of this file has come */
};

#define BLOCK_READER_INIT ((struct block_reader){0})

/* Takes bytes up to and including the next event; *ret_used of the n were taken. To be
 * called until it says BLOCK_MORE: an event may be due when all input is used, n may be
 * 0. 0, or -FERRY_EPROTO: no block header, and the connection is of no use any more. */
int block_feed(struct block_reader *r, const uint8_t *p, size_t n, size_t *ret_used,
    enum block_event *ret_event, struct bytes *ret_data);

/* Were errors suspected in the file that ended, or that goes on? Until the next one
 * begins. */
bool block_suspect(const struct block_reader *r);

/* Has a file begun that has not ended? The end of the connection is then the loss of a
 * file. */
bool block_pending(const struct block_reader *r);

#endif
