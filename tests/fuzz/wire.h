/*
 * One connection, seen from its far side: in clear or under TLS by a real OpenSSL, with
 * everything between the two ends in the hand of whoever plays it. Bytes leave as a whole
 * or in pieces, wait, are lost, changed, exchanged or put in between. It counts what was
 * said and heard, and knows whether what left was an honest end. For the fuzzers of whole
 * programs (far.h) and test_tls_cuts.c; knows no FTP.
 */
#ifndef FERRY_TESTS_FUZZ_WIRE_H
#define FERRY_TESTS_FUZZ_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "buf.h"
#include "forge.h"

/* Bytes on their way; what comes on top of them is not said at all. */
#define WIRE_WAITS_MAX (1 << 20)

/* A row of bytes, as its length and a sum over it. */
struct wire_sum {
	uint64_t n, sum;
};

void wire_sum_add(struct wire_sum *s, const void *p, size_t n);
bool wire_sum_same(const struct wire_sum *a, const struct wire_sum *b);

struct wire {
	int fd;      /* or -1 */
	SSL *ssl;    /* NULL: in clear, or closed */
	bool secure; /* it is, or was, under TLS */
	bool swapped;
	bool settled;        /* its handshake has left, and what follows is signed */
	bool server;         /* its side of TLS */
	SSL_SESSION **fresh; /* where the newest session goes; NULL: nowhere */
	struct buf plain;    /* said before the handshake was done */
	struct buf out;      /* on its way */
	size_t piece;        /* so many bytes in a turn ... */
	unsigned pieces;     /* ... for so many turns */
	bool held;           /* no more than `let` bytes may leave */
	size_t let;
	size_t record; /* longest record that is made; 0: what OpenSSL makes */
	/* TLS 1.3: records that OpenSSL does not make; from the first of them on it makes
	 * none, and only reads */
	struct forge forge;
	bool forgeable, forging;
	unsigned empties; /* records without a byte, in a row */
	bool ending;      /* the end is said: it leaves behind all bytes */
	bool ended;       /* it has left */
	/* what may be said about it */
	struct wire_sum said, heard; /* plain text */
	struct wire_sum gone, came;  /* as it was on the wire */
	bool spoiled;  /* something is lost, changed or put in: TLS must find it out */
	bool odd;      /* all is signed, but need not be liked */
	bool whole;    /* everything said, and the end of it, left unspoiled */
	bool reset;    /* it ends without an end */
	bool shut;     /* the end of the connection has left, behind all that is gone */
	bool broken;   /* TLS failed on this side */
	bool notified; /* the other side has ended TLS in order */
	bool over;     /* the other side has closed */
	bool unread;   /* closed here, and something that came was never read */
};

typedef void wire_sink(void *user, const uint8_t *p, size_t n);

/* Takes fd. */
void wire_open(struct wire *w, int fd);
/* The same; how bytes leave is as on the connection before. */
void wire_succeed(struct wire *w, const struct wire *before, int fd);
/* What waits never leaves. */
void wire_close(struct wire *w);
/* Begins TLS with the next byte. session: to be resumed, or NULL; ssl's certificate and
 * side come from ctx. */
void wire_secure(struct wire *w, SSL_CTX *ctx, bool server, SSL_SESSION *session);
bool wire_is_shaking(const struct wire *w);

void wire_say(struct wire *w, const void *p, size_t n);
/* Reads n bytes at most from the socket; what they say goes to sink (NULL: to nobody).
 * False when nothing came. */
bool wire_hear(struct wire *w, size_t n, wire_sink *sink, void *user);
/* Back to clear, when both sides have ended TLS; what has come behind goes to sink. */
void wire_clear(struct wire *w, wire_sink *sink, void *user);
/* Could the other side, which took it for TLS or for clear text, have heard just this
 * file (NULL: any) and the end of it? To who listens in clear all that has left is the
 * file, also a handshake or the first half of what should have been said. */
bool wire_has_brought(const struct wire *w, bool secure, const struct wire_sum *file);
/* Sends what may leave now, and goes on with the handshake. False when nothing moved. */
bool wire_turn(struct wire *w);
/* The end of TLS, with (finish) or without the end of the connection behind it. */
void wire_notify(struct wire *w);
void wire_finish(struct wire *w);

/* ---- the wire's own mischief: in clear nobody could find it out, so there is none ----
 */

/* Bytes that nobody signed. */
void wire_spoil(struct wire *w, const void *p, size_t n);
/* All but the first n waiting bytes are lost, and the end of the connection behind them.
 */
void wire_cut(struct wire *w, size_t n);
/* The n-th waiting byte becomes another. */
void wire_flip(struct wire *w, size_t n);
/* Once: the first two waiting records change places; one alone comes twice. */
void wire_swap(struct wire *w);
/* TLS 1.3: new keys, of the other side too. TLS 1.2: a new handshake is asked for. */
void wire_rekey(struct wire *w, bool both);
/* TLS 1.3: a record of this type (enum forge_type, or none that there is). */
void wire_forge(struct wire *w, uint8_t type, const void *p, size_t n, size_t padding);

#endif
