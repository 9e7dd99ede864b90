/*
 * MODE Z (draft-preston-ftpext-deflate): the whole of a data connection is one zlib
 * stream (RFC 1950). Packing and unpacking, sans I/O: bytes in, bytes out, never more
 * than the caller has room for, so that a small input that unpacks to gigabytes costs
 * what the caller takes of it and no more.
 */
#ifndef FERRY_LIB_DEFLATE_H
#define FERRY_LIB_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFLATE_LEVEL_MIN 0 /* packed into a stream, but not made smaller */
#define DEFLATE_LEVEL_MAX 9
#define DEFLATE_LEVEL_DEFAULT 6

struct deflate_packer;   /* about 270 KiB */
struct deflate_unpacker; /* about 50 KiB */

/* level: DEFLATE_LEVEL_MIN to _MAX. NULL: out of memory. */
struct deflate_packer *deflate_packer_new(int level);
/* NULL is accepted by both. */
void deflate_packer_free(struct deflate_packer *p);
/* Takes *ret_used bytes of in and writes *ret_made bytes to out (cap >= 1). last: nothing
 * will come behind in. 0: call again, with what was not used, or with the next bytes when
 * all was; 1: last, and out has the end of the stream: not to be called any more. */
int deflate_pack(struct deflate_packer *p, const uint8_t *in, size_t n, bool last,
    size_t *ret_used, uint8_t *out, size_t cap, size_t *ret_made);

/* NULL: out of memory. */
struct deflate_unpacker *deflate_unpacker_new(void);
void deflate_unpacker_free(struct deflate_unpacker *u);
/* The same for what the peer has packed. 0: call again; when all was used and out is full
 * there may be more to write without further input. 1: the stream is at its end, in order
 * and with the right sum; bytes of in that were not used do not belong to it.
 * -FERRY_EPROTO: this is no zlib stream, or a broken one; -FERRY_ENOMEM. After 1 and
 * after an error it says the same for ever and uses nothing. */
int deflate_unpack(struct deflate_unpacker *u, const uint8_t *in, size_t n,
    size_t *ret_used, uint8_t *out, size_t cap, size_t *ret_made);
/* Has the end of the stream been seen? If not when the input is at its end, the stream
 * was cut off. */
bool deflate_is_complete(const struct deflate_unpacker *u);

#endif
