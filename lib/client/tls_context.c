/*
 * What all TLS connections of a handle share: versions, authorities, our own certificate,
 * and the newest session that the server gave us. Settings are files by name; they are
 * read when the first handshake needs them, which is the one moment at which the library
 * reads files.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "client.h"

void
tls_context_free(struct security *s)
{
	SSL_CTX_free(s->ctx);
	s->ctx = NULL;
}

void
security_reset(struct security *s)
{
	SSL_SESSION_free(s->session);
	s->session = NULL;
	s->trust = FERRY_TRUST_NONE;
	s->broken_offer = 0;
	memset(s->key, 0, sizeof(s->key));
}

void
security_free(struct security *s)
{
	security_reset(s);
	tls_context_free(s);
	BIO_meth_free(s->method);
	free(s->ca_file);
	free(s->cert_file);
	free(s->key_file);
	*s = (struct security){0};
}

/* A session, or in TLS 1.3 one more ticket, of either connection. A ticket is best used
 * once (RFC 8446 C.4), and each connection brings new ones: the newest is kept. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *t = SSL_get_app_data(ssl);
	struct security *s = &t->h->security;

	/* of a server that is not trusted yet, the control connection's excepted */
	if (t->data && !t->done && !SSL_session_reused(ssl))
		return 0;
	SSL_SESSION_free(s->session);
	s->session = session;
	return 1; /* ours now */
}

/* OpenSSL's words for the last error. */
static const char *
last_reason(void)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;

	return reason ? reason : "it cannot be read";
}

static int
fail_file(struct ferry *h, const char *what, const char *path)
{
	_cleanup_free_ char *safe = safe_text(path);
	const char *reason = last_reason();
	int r = fail(h, FERRY_ELOCAL, 0, "%s %s: %s", what, safe ? safe : "", reason);

	ERR_clear_error();
	return r;
}

/* ---------------------------------------------------------------- authorities */

static int
load_authorities(struct ferry *h, SSL_CTX *ctx)
{
	const char *file = h->security.ca_file;

	if (!file)
		return SSL_CTX_set_default_verify_paths(ctx) ? 0 : fail_memory(h);
	if (SSL_CTX_load_verify_file(ctx, file) != 1)
		return fail_file(h, "the certificates of the authorities in", file);
	return 0;
}

/* ---------------------------------------------------------------- our certificate */

/* The key's passphrase, from the program. */
static int
give_passphrase(char *out, int cap, int writing, void *user)
{
	struct ferry *h = user;
	char *secret =
	    h->secret_cb ? h->secret_cb(FERRY_SECRET_KEY, h->secret_user) : NULL;
	size_t n = secret ? strlen(secret) : 0;

	if (secret && n < (size_t)cap)
		memcpy(out, secret, n + 1);
	else
		n = 0;
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
	return (int)n;
}

static int
load_own(struct ferry *h, SSL_CTX *ctx)
{
	const char *cert = h->security.cert_file;
	const char *key = h->security.key_file ? h->security.key_file : cert;

	if (!cert)
		return 0;
	SSL_CTX_set_default_passwd_cb(ctx, give_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, h);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return fail_file(h, "your certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return fail_file(h, "the key of your certificate", key);
	return 0;
}

/* ---------------------------------------------------------------- the context */

static void
set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
}

int
tls_context(struct ferry *h)
{
	SSL_CTX *ctx;
	int r;

	if (h->security.ctx)
		return 0;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return fail_memory(h);
	set_up(ctx);
	r = load_authorities(h, ctx);
	if (r == 0)
		r = load_own(h, ctx);
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	h->security.ctx = ctx;
	return 0;
}

/* ---------------------------------------------------------------- settings */

int
ferry_set_tls(struct ferry *h, enum ferry_tls tls)
{
	if ((int)tls < FERRY_TLS_AUTO || tls > FERRY_TLS_IMPLICIT)
		return fail(h, FERRY_EINVAL, 0, "there is no TLS policy %d", (int)tls);
	h->security.policy = tls;
	return 0;
}

/* Settings count from the next handshake on. */
static int
set_file(struct ferry *h, const char *file, char **ret)
{
	char *copy = file ? strdup(file) : NULL;

	if (file && !copy)
		return fail_memory(h);
	free(*ret);
	*ret = copy;
	tls_context_free(&h->security);
	return 0;
}

int
ferry_set_tls_authorities(struct ferry *h, const char *file)
{
	return set_file(h, file, &h->security.ca_file);
}

int
ferry_set_tls_certificate(struct ferry *h, const char *file, const char *key_file)
{
	int r = set_file(h, file, &h->security.cert_file);

	return r == 0 ? set_file(h, key_file, &h->security.key_file) : r;
}

int
ferry_set_tls_pin(struct ferry *h, const char *pin)
{
	struct security *s = &h->security;
	_cleanup_free_ char *safe = NULL;

	if (!pin || pin_parse(pin, s->pin) == 0) {
		s->has_pin = pin != NULL;
		return 0;
	}
	safe = safe_text(pin);
	return fail(h, FERRY_EINVAL, 0,
	    "\"%s\" is no SHA-256: 64 hexadecimal digits, or 44 characters of base64",
	    safe ? safe : "");
}

void
ferry_on_trust(struct ferry *h, ferry_trust_cb *cb, void *user)
{
	h->security.trust_cb = cb;
	h->security.trust_user = user;
}
