/*
 * TLS over one socket, as its server: for conn.c, which hides it from everyone above.
 * Never blocks; where OpenSSL has to wait the result is FERRY_AGAIN and tls_waits_*()
 * tell for what. tls_read() may be called from any thread, by one at a time and nobody
 * else meanwhile (conn_lend()); everything else is the loop's.
 *
 * Whose data connection is it? A random number per control connection travels, encrypted,
 * in every session ticket that the connection hands out (and lies beside sessions that
 * are resumed by number). A data connection that resumes a session with that number was
 * made by whoever made the control connection: an address can be borrowed, a session not.
 */
#ifndef FERRYD_WORKER_TLS_H
#define FERRYD_WORKER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum tls_use {
	TLS_CONTROL,
	TLS_DOWNLOAD, /* data connections, by who sends */
	TLS_UPLOAD,
	TLS_CALL, /* ... whose session, and so whose host, its handshake tells */
};

struct conf;
struct tls;
struct tls_identity;

/* For fd, which stays the caller's. A client that asks for a host of conf by its name
 * (SNI) is shown that host's identity, another one that of `host`; identity has them by
 * number (what has come without keys is NULL, and not shown). All must outlive it. NULL:
 * out of memory. */
struct tls *tls_new(struct tls_identity *const *identity, size_t host,
    const struct conf *conf, int fd, enum tls_use use);
/* For a data connection: the identity, and the certificate, of its control connection. */
struct tls *tls_new_beside(const struct tls *control, int fd, enum tls_use use);
/* Whose identity the client was shown, after the handshake. */
size_t tls_host(const struct tls *t);
/* The name that the client asked for, as it is, or NULL. */
const char *tls_server_name(const struct tls *t);
/* NULL is accepted. Says nothing to the peer. */
void tls_free(struct tls *t);

/* 0: done; FERRY_AGAIN; -FERRY_EPROTO: tls_why() tells. */
int tls_handshake(struct tls *t);
/* 0 and *ret_n > 0; FERRY_AGAIN; -FERRY_EOF: ended in order (close_notify);
 * -FERRY_ESHORT: the connection ended without that, perhaps cut by somebody;
 * -FERRY_EPROTO; -FERRY_ESYS with errno. */
int tls_read(struct tls *t, void *p, size_t n, size_t *ret_n);
/* -FERRY_ESHORT within a record: no old client ends like that. */
bool tls_is_torn(const struct tls *t);
/* The last tls_read() left decrypted or buffered bytes: the socket will not tell. */
bool tls_has_more(const struct tls *t);
/* 0 and *ret_n > 0; FERRY_AGAIN: the same bytes have to be given again; negative as
 * above. */
int tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n);
/* From here on tls_write() takes 64 KiB whole or not at all. False: it cannot be so. Not
 * while it has said FERRY_AGAIN. */
bool tls_gathers(struct tls *t);
/* Is there something of it that the socket has not taken? It has to be flushed when there
 * is room: 0: all has left; FERRY_AGAIN; -FERRY_ESYS. */
bool tls_has_unsent(const struct tls *t);
int tls_flush(struct tls *t);
/* As conn_sendfile(). Without kernel TLS bytes that were read and could not be sent are
 * kept: *ret_n may then be up to one buffer over n. */
int tls_sendfile(struct tls *t, int file, uint64_t *offset, size_t n, size_t *ret_n);
/* Sends close_notify. 0, FERRY_AGAIN, or negative. */
int tls_end(struct tls *t);

/* What the last FERRY_AGAIN of reading (and of the handshake) and of writing waits for,
 * where it is the other direction. */
bool tls_read_waits_to_write(const struct tls *t);
bool tls_write_waits_to_read(const struct tls *t);

/* Why it failed: for the log and the reply. */
const char *tls_why(const struct tls *t);
/* Has the client proved in this very handshake, with a certificate that is good, to be
 * this user? Then true, and its certificates are in ret_chain (empty, of CHAIN_MAX). */
bool tls_client_is(const struct tls *t, const char *user, struct buf *ret_chain);
/* The number of its session, by which data connections know it: after the handshake. */
#define TLS_NUMBER 16
void tls_get_number(const struct tls *t, uint8_t ret_number[TLS_NUMBER]);
/* Does the data connection t resume the session with that number? After its handshake. */
bool tls_resumes(const struct tls *t, const uint8_t number[TLS_NUMBER]);
/* A fresh ticket for the client, with the next bytes that are sent. For a control
 * connection: clients that use a ticket once need one per data connection, and one that
 * uploads may close its data connection without reading it. */
void tls_give_ticket(struct tls *t);
/* "TLSv1.3" */
const char *tls_version(const struct tls *t);
/* "version=TLSv1.3 cipher=... resumed=yes", for the log. */
const char *tls_describe(const struct tls *t, char *out, size_t size);

#endif
