/*
 * TLS for the load generator: one context for all, one version and one cipher whatever
 * the server prefers, so that all servers do the same work; data connections resume the
 * session of their control connection, as servers want it. Whom it talks to is not
 * verified: it talks to loopback. Must never take the end of a connection for the end
 * that TLS announces.
 */
#include <ferry/ferry.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "cipher.h"
#include "load.h"

/* Many records are read from and written to a socket at once. */
#define BATCH (256 * 1024)
#define RECORD (16 * 1024)

/* ---- tickets ---- */

/* A control connection keeps the last one that came. */
static int
on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct watch *w = SSL_get_app_data(ssl);
	struct session *s = w->session;

	if (w != &s->control)
		return 0;
	SSL_SESSION_free(s->ticket);
	s->ticket = ticket;
	return 1;
}

int
tls_init(struct load *l)
{
	SSL_CTX *ctx = l->tls = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, CIPHER) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUP) != 1)
		return -FERRY_ESYS;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	/* Sessions that do nothing need none. */
	if (l->plan.deed != DEED_IDLE)
		SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	return 0;
}

void
tls_free(struct load *l)
{
	SSL_CTX_free(l->tls);
	l->tls = NULL;
}

/* ---- errors ---- */

/* What errno would say; for results that are no success. */
static ssize_t
result(struct watch *w, int r)
{
	unsigned long e;

	switch (SSL_get_error(w->ssl, r)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_SYSCALL:
		errno = errno != 0 && errno != EAGAIN ? errno : ECONNRESET;
		break;
	default:
		e = ERR_peek_error();
		errno = ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			    ? ECONNABORTED
			    : EPROTO;
	}
	return -1;
}

/* ---- handshakes ---- */

/* Data connections of large files move many records at a time. */
static void
set_batches(struct watch *w)
{
	struct session *s = w->session;
	BIO *buffer;

	if (w != &s->data || s->load->plan.size <= RECORD)
		return;
	SSL_set_read_ahead(w->ssl, 1);
	SSL_set_default_read_buffer_len(w->ssl, BATCH);
	if (s->load->plan.deed != DEED_STOR || (buffer = BIO_new(BIO_f_buffer())) == NULL)
		return;
	BIO_set_write_buffer_size(buffer, BATCH);
	SSL_set0_wbio(w->ssl, BIO_push(buffer, BIO_new_socket(w->fd, BIO_NOCLOSE)));
}

/* A copy: OpenSSL offers each of its sessions only once. */
static void
offer_ticket(struct watch *w)
{
	SSL_SESSION *copy = SSL_SESSION_dup(w->session->ticket);

	if (copy != NULL)
		SSL_set_session(w->ssl, copy);
	SSL_SESSION_free(copy);
}

void
tls_start(struct watch *w, bool with_ticket)
{
	struct session *s = w->session;

	w->ssl = SSL_new(s->load->tls);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1) {
		session_fail(s, "TLS: no memory");
		return;
	}
	SSL_set_app_data(w->ssl, w);
	SSL_set_connect_state(w->ssl);
	if (with_ticket && s->ticket != NULL)
		offer_ticket(w);
	set_batches(w);
	w->shaking = true;
	/* Before the connection is there nothing can be sent. */
	watch_poll(w, EPOLLOUT);
}

static bool
shake_failed(struct watch *w)
{
	char text[120];

	ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
	session_fail(w->session, "no TLS on the %s connection: %s",
	    w == &w->session->control ? "control" : "data",
	    errno == EPROTO ? text : strerror(errno));
	return false;
}

bool
tls_shake(struct watch *w)
{
	struct session *s = w->session;

	ERR_clear_error();
	errno = 0;
	int r = SSL_do_handshake(w->ssl);
	if (r != 1) {
		if (result(w, r) == 0 || errno != EAGAIN)
			return shake_failed(w);
		watch_poll(w, SSL_want_write(w->ssl) ? EPOLLOUT : EPOLLIN);
		return false;
	}
	w->shaking = false;
	s->load->tally.shaken++;
	s->load->tally.resumed += (uint64_t)SSL_session_reused(w->ssl);
	watch_poll(w, w->events);
	if (w == &s->control)
		session_secured(s);
	return true;
}

/* ---- bytes ---- */

ssize_t
tls_recv(struct watch *w, void *p, size_t n)
{
	ERR_clear_error();
	errno = 0;
	int r = SSL_read(w->ssl, p, n < INT32_MAX ? (int)n : INT32_MAX);
	return r > 0 ? r : result(w, r);
}

ssize_t
tls_send(struct watch *w, const void *p, size_t n)
{
	ERR_clear_error();
	errno = 0;
	int r = SSL_write(w->ssl, p, n < INT32_MAX ? (int)n : INT32_MAX);
	return r > 0 ? r : result(w, r);
}

int
tls_finish(struct watch *w)
{
	ERR_clear_error();
	errno = 0;
	if (BIO_flush(SSL_get_wbio(w->ssl)) <= 0) {
		errno = errno != 0 ? errno : EAGAIN;
		return -1;
	}
	int r = SSL_shutdown(w->ssl);
	return r >= 0 ? 0 : (int)result(w, r);
}
