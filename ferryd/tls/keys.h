/*
 * What the server proves itself with, on its way from the master, who may read files, to
 * the workers, who may not: certificates, keys, authorities, OCSP answers and the key of
 * the session tickets, in one sealed memory file. Bytes only; tls_identity.h makes sense
 * of them.
 */
#ifndef FERRYD_TLS_KEYS_H
#define FERRYD_TLS_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "util.h"

/* Bytes of all items together. */
#define KEYS_MAX (4 * 1024 * 1024)
/* ... and with their lengths. */
#define KEYS_PACKED_MAX (KEYS_MAX + 64)
/* What SSL_CTX_set_tlsext_ticket_keys() takes: a name and two keys. */
#define KEYS_TICKET_SIZE 80

/* Two pairs, so that old clients get RSA and new ones the shorter ECDSA. The names are
 * those of the options: either file may hold any kind of key. */
enum keys_item {
	KEYS_RSA_CERT, /* PEM: the certificate and the chain behind it */
	KEYS_RSA_KEY,  /* PEM; empty: it is with the certificate */
	KEYS_RSA_OCSP, /* DER, or empty */
	KEYS_EC_CERT,
	KEYS_EC_KEY,
	KEYS_EC_OCSP,
	KEYS_AUTHORITIES, /* PEM: who signs clients' certificates */
	KEYS_TICKET,      /* KEYS_TICKET_SIZE bytes; empty: every context its own */
	KEYS_ITEMS,
};

struct keys {
	struct bytes item[KEYS_ITEMS]; /* borrowed from where they were parsed */
};

/* All items in one row of bytes, in out (empty, of KEYS_PACKED_MAX; to be wiped). 0,
 * -FERRY_ETOOBIG, -FERRY_ENOMEM. */
int keys_pack(const struct keys *keys, struct buf *out);
/* Pure; ret's items lead into p. 0 or -FERRY_EPROTO. */
int keys_parse(const uint8_t *p, size_t n, struct keys *ret);

/* A memory file of those bytes that nobody can change any more. A descriptor, or
 * -FERRY_ESYS. */
int keys_seal(const struct buf *packed);
/* Reads one into out (empty, of KEYS_PACKED_MAX; to be wiped). 0, -FERRY_EPROTO, -FERRY_ESYS,
 * -FERRY_ENOMEM. */
int keys_unseal(int fd, struct buf *out);

#endif
