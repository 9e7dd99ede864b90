/*
 * Checksums of files: the algorithms of HASH (draft-bryan-ftpext-hash) and of the X
 * commands, over libcrypto and zlib. For cmd_hash.c. Knows no file and no session; a
 * digest may be fed by one thread after the other.
 */
#ifndef FERRYD_WORKER_DIGEST_H
#define FERRYD_WORKER_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* Names as IANA has them, in the order in which FEAT tells them. */
enum digest_kind {
	DIGEST_SHA256,
	DIGEST_SHA512,
	DIGEST_SHA1,
	DIGEST_MD5,
	DIGEST_CRC32,
	DIGEST_COUNT,
	DIGEST_DEFAULT = DIGEST_SHA256,
};

/* Hexadecimal text of the longest one, with NUL. */
#define DIGEST_TEXT_MAX (2 * 64 + 1)

const char *digest_name(enum digest_kind kind);
/* In any case of letters. False when there is no such algorithm. */
bool digest_find(struct bytes name, enum digest_kind *ret_kind);

/* Makes libcrypto ready without its configuration file. To be called before the sandbox;
 * harmless when it has been called before. */
void digest_prepare(void);

struct digest;

/* 0; -FERRY_ENOMEM also when libcrypto does not offer the algorithm (it may be forbidden
 * by policy). */
int digest_new(enum digest_kind kind, struct digest **ret);
/* NULL is accepted. */
void digest_free(struct digest *d);
int digest_add(struct digest *d, const void *p, size_t n);
/* The result in lower case; once, and nothing may be added after it. 0 or negative. */
int digest_end(struct digest *d, char out[DIGEST_TEXT_MAX]);

#endif
