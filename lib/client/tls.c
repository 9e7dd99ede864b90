/*
 * Bytes through TLS, for the control and the data connections of the engine: OpenSSL on a
 * non-blocking socket, with an end of its own between the two, because OpenSSL's writes
 * with a call that raises SIGPIPE. Must never take the end of a socket for the end of the
 * data: only close_notify is one (RFC 8446 6.1).
 */
#include "tls.h"

#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "client.h"

/* Reads behind an upload: the tickets of one connection and an end. */
#define DRAIN_READS 8
/* Room for several records, so that a download needs fewer system calls. */
#define READ_AHEAD 131072

/* ---------------------------------------------------------------- the socket */

static int
socket_write(BIO *bio, const char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t sent;

	BIO_clear_retry_flags(bio);
	do {
		sent = send(t->fd, p, (size_t)n, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	else if (sent < 0)
		t->sys_errno = errno;
	return (int)sent;
}

static int
socket_read(BIO *bio, char *p, int n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	do {
		got = recv(t->fd, p, (size_t)n, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	else if (got < 0)
		t->sys_errno = errno;
	else if (got == 0)
		t->eof = true;
	return (int)got;
}

static long
socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls *t = BIO_get_data(bio);

	if (command == BIO_CTRL_EOF)
		return t->eof;
	return command == BIO_CTRL_FLUSH;
}

/* The kind of BIO, made once for each handle: OpenSSL has no place for a constant one. */
static BIO_METHOD *
socket_method(struct security *s)
{
	if (s->method)
		return s->method;
	s->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ferry socket");
	if (s->method && (!BIO_meth_set_write(s->method, socket_write) ||
			     !BIO_meth_set_read(s->method, socket_read) ||
			     !BIO_meth_set_ctrl(s->method, socket_ctrl))) {
		BIO_meth_free(s->method);
		s->method = NULL;
	}
	return s->method;
}

/* ---------------------------------------------------------------- made and freed */

void
tls_freep(struct tls **tp)
{
	struct tls *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	/* else OpenSSL would take the session for one that must not be resumed */
	if (t->ssl)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	free(t);
	ERR_clear_error();
}

/* A data connection resumes the newest session: a copy, so that a transfer that is torn
 * off spoils nothing for the next. */
static void
resume(struct tls *t)
{
	SSL_SESSION *copy;

	if (!t->data || !t->h->security.session)
		return;
	copy = SSL_SESSION_dup(t->h->security.session);
	if (copy)
		(void)SSL_set_session(t->ssl, copy);
	SSL_SESSION_free(copy);
}

static int
set_up(struct tls *t)
{
	struct security *s = &t->h->security;
	BIO *bio;

	t->ssl = SSL_new(s->ctx);
	bio = socket_method(s) ? BIO_new(s->method) : NULL;
	if (!t->ssl || !bio) {
		BIO_free(bio);
		return -FERRY_ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	/* on the control connection bytes in our buffer could hide from poll() */
	if (t->data) {
		SSL_set_read_ahead(t->ssl, 1);
		SSL_set_default_read_buffer_len(t->ssl, READ_AHEAD);
	}
	resume(t);
	return trust_prepare(t);
}

int
tls_new(struct ferry *h, int fd, bool data, struct tls **ret)
{
	struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -FERRY_ENOMEM;
	*t = (struct tls){.h = h, .fd = fd, .data = data};
	r = set_up(t);
	if (r < 0)
		tls_freep(&t);
	else
		*ret = t;
	return r;
}

/* ---------------------------------------------------------------- results */

static void
say_why(struct tls *t)
{
	unsigned long error = ERR_peek_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	char words[ERRNO_MAX];

	if (t->sys_errno)
		snprintf(t->why, sizeof(t->why), "%s", say_errno(t->sys_errno, words));
	else if (t->eof && t->done)
		snprintf(t->why, sizeof(t->why),
		    "it ended without the mark that TLS puts at the end "
		    "(close_notify), so it may have been cut off on the way");
	else if (t->eof)
		snprintf(t->why, sizeof(t->why),
		    "the server hung up in the middle of the TLS handshake");
	else
		snprintf(t->why, sizeof(t->why), "TLS: %s",
		    reason ? reason : "an error without a name");
}

/* What OpenSSL's answer means: as recv() and send() would have it. usual: what the caller
 * polls for anyway. */
static ssize_t
settle(struct tls *t, int r, short usual)
{
	int error = SSL_get_error(t->ssl, r);
	short wants = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;

	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		t->wants = wants == usual ? 0 : wants;
		errno = EAGAIN;
		return -1;
	}
	t->broken = true;
	say_why(t);
	ERR_clear_error();
	errno = t->sys_errno ? t->sys_errno : EPROTO;
	return -1;
}

/* Not a byte before the peer is known to be the right one. */
static bool
may_move(struct tls *t)
{
	if (t->done && !t->broken) {
		t->wants = 0;
		return true;
	}
	errno = t->broken ? t->sys_errno ? t->sys_errno : EPROTO : EAGAIN;
	return false;
}

int
tls_handshake(struct tls *t)
{
	int r;

	if (t->broken)
		return -FERRY_ETLS;
	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r == 1) {
		t->wants = 0;
		return 0;
	}
	/* a peer that says goodbye in the middle is no use either */
	if (settle(t, r, 0) < 0 && errno == EAGAIN)
		return FERRY_AGAIN;
	if (!t->broken) {
		t->broken = t->eof = true;
		say_why(t);
	}
	return -FERRY_ETLS;
}

ssize_t
tls_read(struct tls *t, void *p, size_t n)
{
	uint8_t *at = p;
	size_t have = 0;

	if (!may_move(t))
		return -1;
	while (have < n) {
		size_t left = n - have;
		int r;

		ERR_clear_error();
		r = SSL_read(t->ssl, at + have, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r > 0) {
			have += (size_t)r;
			continue;
		}
		/* what came goes first: the end or the error will be there again */
		if (have > 0) {
			ERR_clear_error();
			break;
		}
		return settle(t, r, POLLIN);
	}
	return (ssize_t)have;
}

ssize_t
tls_write(struct tls *t, const void *p, size_t n)
{
	int r;

	if (!may_move(t))
		return -1;
	ERR_clear_error();
	r = SSL_write(t->ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
	if (r > 0)
		return r;
	if (settle(t, r, POLLOUT) == 0) {
		errno = EPIPE;
		return -1;
	}
	return -1;
}

int
tls_close_notify(struct tls *t)
{
	int r;

	if (!t->done || t->broken)
		return 0;
	ERR_clear_error();
	r = SSL_shutdown(t->ssl);
	if (r < 0 && settle(t, r, POLLOUT) < 0 && errno == EAGAIN &&
	    !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
		return FERRY_AGAIN;
	ERR_clear_error();
	return 0;
}

void
tls_drain(struct tls *t)
{
	uint8_t scratch[512];

	for (int i = 0; i < DRAIN_READS && t->done && !t->broken; i++)
		if (tls_read(t, scratch, sizeof(scratch)) <= 0)
			return;
}

bool
tls_pending(const struct tls *t)
{
	return t && t->done && !t->broken && SSL_pending(t->ssl) > 0;
}

bool
tls_is_shaking(const struct tls *t)
{
	return t && !t->done;
}
