/*
 * Where a TLS connection's records go when many of them are made in one go: they are
 * gathered, and sent in one call instead of one each (a fifth of what a large download
 * under TLS costs). For tls.c.
 */
#ifndef FERRYD_WORKER_GATHER_H
#define FERRYD_WORKER_GATHER_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

struct gather;

/* At most so many bytes are kept, more are sent record by record. fd, non-blocking, stays
 * the caller's. NULL: out of memory. */
struct gather *gather_new(int fd, size_t most);
/* Behind its BIO's end. NULL is accepted. */
void gather_free(struct gather *g);
/* For SSL_set0_wbio(); one, which is OpenSSL's. NULL: out of memory. */
BIO *gather_bio(struct gather *g);

/* Records are kept from here on ... */
void gather_begin(struct gather *g);
/* ... until here. Sends as much as the socket takes: 0: all; FERRY_AGAIN; -FERRY_ESYS. */
int gather_flush(struct gather *g);
/* Is there something that the socket has not taken? */
bool gather_has_unsent(const struct gather *g);

#endif
