/*
 * One non-blocking stream: a control connection, a data connection, or the read end of an
 * agent's pipe. Everyone above reads and writes through these functions and hears of it
 * through one callback, and a connection under TLS looks the same.
 *
 * Two ways to write: conn_send() and conn_sendfile() move what the kernel takes now (for
 * the pump, which keeps its own bytes); conn_write() takes everything into a bounded
 * buffer and sends it when there is room (for replies).
 */
#ifndef FERRYD_WORKER_CONN_H
#define FERRYD_WORKER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* Waiting output over this is too much: give it nothing new until it has drained. */
#define CONN_HIGH_WATER (64 * 1024)

enum conn_event {
	CONN_READABLE = 1 << 0, /* wanted: conn_read() will tell something */
	CONN_WRITABLE =
	    1 << 1, /* wanted: conn_send() has room, a dialled connection is decided */
	CONN_DRAINED = 1 << 2, /* all that conn_write() had kept back is on its way */
	CONN_BROKEN = 1 << 3,  /* writing failed: errno is conn_error(); or the handshake
				  did: tls_why() */
	CONN_SWITCHED = 1 << 4, /* conn_secure() or conn_clear() is done */
};

struct conn;
struct tls;
/* events: bits of enum conn_event. The connection may be freed in the call. */
typedef void conn_cb(struct conn *c, unsigned events, void *user);

/* Takes fd; it is non-blocking from the first conn_want() on. NULL: out of memory (fd is
 * closed then). */
struct conn *conn_new(uv_loop_t *loop, int fd, conn_cb *cb, void *user);
/* Closes; nothing is called back any more. NULL is accepted. */
void conn_free(struct conn *c);
/* As conn_free, but the peer sees a reset: half of something must never look like the
 * whole. */
void conn_reset(struct conn *c);
/* Gives the socket up, untouched: it is the caller's. Nothing may have been written, and
 * it is in clear. */
int conn_take_fd(struct conn *c);
/* Hands the connection to another owner. */
void conn_set_owner(struct conn *c, conn_cb *cb, void *user);
/* For a thread, which may call conn_read(), conn_read_waits_to_write() and conn_fd(),
 * while everyone else calls nothing but conn_want(), conn_free(), conn_reset() and
 * conn_fd(). What these do is done when it is taken back: until then it stays open. */
void conn_lend(struct conn *c);
void conn_take_back(struct conn *c);
/* Still the connection's: for accept4, addresses and options only. */
int conn_fd(const struct conn *c);

/* What to hear of: CONN_READABLE, CONN_WRITABLE, both or 0. Both are told again and again
 * while they last: stop wanting what you do not take. */
void conn_want(struct conn *c, unsigned events);

/* Begins TLS with the first byte behind what conn_write() has taken: CONN_SWITCHED tells
 * when the handshake is done, CONN_BROKEN that it failed. Takes t. Until then nothing is
 * read, and nothing but the handshake sent. */
void conn_secure(struct conn *c, struct tls *t);
/* Ends TLS behind what conn_write() has taken, in both directions, and goes on in clear:
 * CONN_SWITCHED or CONN_BROKEN. What the peer sends before its end of TLS breaks it. */
void conn_clear(struct conn *c);
/* NULL in clear. */
struct tls *conn_tls(const struct conn *c);
/* A TLS peer that ends without TLS's end mark has ended in order all the same (old
 * clients); conn_was_cut() then tells. */
void conn_forgive_cut(struct conn *c);
bool conn_was_cut(const struct conn *c);

/* 0 and *ret_n > 0; FERRY_AGAIN; -FERRY_EOF: the peer has ended in order; -FERRY_ESHORT:
 * under TLS, it has ended, but perhaps somebody cut the connection; -FERRY_ESYS with
 * errno. */
int conn_read(struct conn *c, void *p, size_t n, size_t *ret_n);
/* Under TLS: what the last FERRY_AGAIN of it waits for is room to write, not bytes. */
bool conn_read_waits_to_write(const struct conn *c);
/* 0 and *ret_n > 0; FERRY_AGAIN; -FERRY_ESYS. */
int conn_send(struct conn *c, const void *p, size_t n, size_t *ret_n);
/* The same for the last bytes before conn_finish() or conn_free(): in clear they wait for
 * it, and leave in one packet with the end. */
int conn_send_last(struct conn *c, const void *p, size_t n, size_t *ret_n);
/* From here on what conn_send() does not take of 64 KiB need not be given again as it
 * was: under TLS it takes all or nothing. False: it cannot be so. Not while conn_send()
 * has said FERRY_AGAIN. */
bool conn_gathers(struct conn *c);
/* Under TLS: some of what conn_send() or conn_sendfile() has taken is not with the system
 * yet. It will be, and then CONN_WRITABLE is told to who wants it. */
bool conn_has_unsent(const struct conn *c);
/* The same from a file, at *offset, which moves on. 0 with *ret_n 0: the file ends there.
 * Under TLS *ret_n may be over n, by what an earlier call has read and could not send. */
int conn_sendfile(struct conn *c, int file, uint64_t *offset, size_t n, size_t *ret_n);
/* Much is going to be sent without a pause: no segment leaves that is not full, until
 * conn_finish(). */
void conn_bulk(struct conn *c);
/* We are done sending: the peer reads an end in order. */
void conn_finish(struct conn *c);
/* Bytes (and the end) that the peer's system has not confirmed yet; under TLS, unless
 * forgiven, also the peer's own end. */
size_t conn_unconfirmed(const struct conn *c);
/* Is the peer to end TLS, and has not? Or have we not been able to? */
bool conn_owes_end(const struct conn *c);
/* The errno waiting on the socket or found while writing; 0: none. Asking takes it. */
int conn_error(struct conn *c);

/* Sends all of it, now or later. 0, -FERRY_ETOOBIG (nothing taken), -FERRY_ENOMEM,
 * -FERRY_ESYS. */
int conn_write(struct conn *c, const void *p, size_t n);
/* Between these two, conn_write() collects: a row of replies leaves in one segment. */
void conn_cork(struct conn *c);
int conn_uncork(struct conn *c);
/* Bytes that conn_write() keeps. */
size_t conn_pending(const struct conn *c);
static inline bool
conn_is_full(const struct conn *c)
{
	return conn_pending(c) >= CONN_HIGH_WATER;
}

#endif
