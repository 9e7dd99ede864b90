/*
 * TLS of one connection, as the engine's other files see it: read, write and wait like a
 * socket. Never blocks, raises no SIGPIPE. Only tls*.c know OpenSSL beyond these types.
 */
#ifndef FERRY_LIB_CLIENT_TLS_H
#define FERRY_LIB_CLIENT_TLS_H

#include <ferry/ferry.h>
#include <openssl/ssl.h>

#include "pin.h"

/* What is wrong with a certificate; several may be. */
enum tls_fault {
	TLS_FAULT_EXPIRED = 1,
	TLS_FAULT_NOT_YET = 2,
	TLS_FAULT_HOST = 4,
	TLS_FAULT_SELF_SIGNED = 8,
	TLS_FAULT_UNKNOWN_CA = 16,
	TLS_FAULT_OTHER = 32,
};

#define TLS_WHY_MAX 256

struct tls {
	struct ferry *h;
	SSL *ssl;
	int fd; /* borrowed */
	bool data;
	bool done;       /* the handshake is over and the peer is the right one */
	bool eof;        /* the socket has come to its end */
	bool broken;     /* failed: why and sys_errno are set */
	short wants;     /* what to poll for instead of the usual; 0: the usual */
	int sys_errno;   /* of the socket */
	unsigned faults; /* enum tls_fault */
	int other_fault; /* X509_V_ERR_... of TLS_FAULT_OTHER */
	char why[TLS_WHY_MAX];
};

/* The handle's part: settings, and what both connections share. */
struct security {
	enum ferry_tls policy;
	char *ca_file, *cert_file, *key_file;
	bool has_pin;
	uint8_t pin[PIN_SIZE];
	ferry_trust_cb *trust_cb;
	void *trust_user;
	SSL_CTX *ctx; /* made when first needed */
	BIO_METHOD *method;
	/* this session */
	int broken_offer; /* reply that refused AUTH TLS for good though FEAT lists it; or 0 */
	SSL_SESSION *session; /* newest one: data connections resume it */
	enum ferry_trust trust;
	uint8_t key[PIN_SIZE]; /* of the control connection's certificate */
};

/* ---- tls.c: bytes ---- */

/* t->ssl for a connected non-blocking socket; the client's side. 0 or -FERRY_ENOMEM. */
int tls_new(struct ferry *h, int fd, bool data, struct tls **ret);
/* Lets go of it; says nothing to the peer. *t becomes NULL. */
void tls_freep(struct tls **t);
/* 0; FERRY_AGAIN; -FERRY_ETLS with t->why. */
int tls_handshake(struct tls *t);
/* As recv() and send(): -1 with errno, EAGAIN among them. tls_read() returns 0 only for
 * the peer's close_notify: a connection that ends without it is an error with t->why. */
ssize_t tls_read(struct tls *t, void *p, size_t n);
ssize_t tls_write(struct tls *t, const void *p, size_t n);
/* Sends close_notify. 0: it is on its way, or need not be; FERRY_AGAIN. */
int tls_close_notify(struct tls *t);
/* Reads what may lie there behind an upload: tickets. */
void tls_drain(struct tls *t);
/* Are there bytes that poll() does not see? t may be NULL. */
bool tls_pending(const struct tls *t);
/* Is there a handshake under way? t may be NULL. */
bool tls_is_shaking(const struct tls *t);

/* ---- tls_context.c: what is the same for all connections of a handle ---- */

/* Makes s->ctx if there is none. 0, -FERRY_ENOMEM, -FERRY_ETLS, -FERRY_ELOCAL. */
int tls_context(struct ferry *h);
void tls_context_free(struct security *s);
void security_free(struct security *s);
/* A new control connection: nothing is known yet. */
void security_reset(struct security *s);

/* ---- tls_trust.c: is it the right server? ---- */

/* Has the certificate checked during the handshake, against the handle's host. 0 or
 * -FERRY_ENOMEM. */
int trust_prepare(struct tls *t);
/* The handshake is over: does the user trust this peer? 0, with the event;
 * -FERRY_ETLSCERT with its sentence. May ask the program, and so block. */
int trust_judge(struct tls *t);

/* ---- secure.c: the control connection becomes an encrypted one ---- */

/* 0 or an error. Then secure_work() until it is done. */
int secure_begin(struct ferry *h);
/* 0; FERRY_AGAIN; an error. */
int secure_work(struct ferry *h);

#endif
