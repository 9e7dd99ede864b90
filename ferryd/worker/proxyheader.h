/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy sends
 * ahead of a client's bytes to tell where they come from. Pure: bytes in, two addresses
 * out. For proxied.c, tests and the fuzzer.
 *
 *   version 1   PROXY TCP4|TCP6 <src> <dst> <srcport> <dstport> CR LF, or PROXY UNKNOWN
 * ... version 2   a signature of 12 bytes, version and command, family, length (2 bytes),
 *               addresses, then optional fields (TLVs), which are skipped
 */
#ifndef FERRYD_WORKER_PROXYHEADER_H
#define FERRYD_WORKER_PROXYHEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"

/* A line of version 1, CR LF included. */
#define PROXY_V1_MAX 107
/* What may stand behind the first 16 bytes of version 2. */
#define PROXY_V2_MAX 4096

struct proxy_header {
	bool told; /* false: LOCAL, UNKNOWN: the proxy speaks for itself (a health check)
		    */
	struct endpoint peer, local; /* of the client's connection to the proxy */
};

struct proxy_reader {
	uint8_t bytes[PROXY_V1_MAX]; /* the beginning, or all of it */
	size_t n;                    /* bytes of the header so far */
};

#define PROXY_READER_INIT ((struct proxy_reader){.n = 0})

/* Takes of the n bytes what belongs to the header: *ret_used. 0: it is whole, and *ret;
 * FERRY_AGAIN: all were taken, and more must come; -FERRY_EPROTO: it is none. */
int proxy_feed(struct proxy_reader *r, const uint8_t *p, size_t n, size_t *ret_used,
    struct proxy_header *ret);

#endif
