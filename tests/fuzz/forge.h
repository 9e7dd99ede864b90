/*
 * TLS 1.3 records as OpenSSL would never make them: empty, padded, of any kind, with half
 * a message or several in one. For wire.c, from secrets that OpenSSL tells for debugging;
 * of TLS_AES_128_GCM_SHA256 only.
 */
#ifndef FERRY_TESTS_FUZZ_FORGE_H
#define FERRY_TESTS_FUZZ_FORGE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define FORGE_SECRET 32

enum forge_type { FORGE_ALERT = 21, FORGE_HANDSHAKE = 22, FORGE_DATA = 23 };

struct forge {
	uint8_t secret[FORGE_SECRET], key[16], iv[12];
	uint64_t records; /* made with this key */
};

/* A new secret: records are counted from 0. */
void forge_begin(struct forge *f, const uint8_t secret[FORGE_SECRET]);
/* The secret that follows it: RFC 8446 7.2. */
void forge_next(struct forge *f);
/* One record, n and padding 16 KiB at most, behind out. False: no room. */
bool forge_record(struct forge *f, uint8_t type, const void *p, size_t n, size_t padding,
    struct buf *out);

#endif
