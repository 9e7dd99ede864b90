/*
 * Making an SSL_CTX out of ferryd.conf's TLS options. For master (as a check) and
 * workers. Must never offer anything older than TLS 1.2 or a cipher without forward
 * secrecy unless ssl_ciphers asks for it, and never ask a terminal for a passphrase.
 */
#include "tls_identity.h"

#include <ferry/ferry.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate.h"

/* RFC 9325 4.2: ephemeral keys and authenticated encryption only. */
#define CIPHERS                                                                          \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                     \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                     \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Elliptic curves only: a client can make us work for seconds with the large ones of the
 * finite fields that OpenSSL offers with TLS 1.3 (CVE-2002-20001). */
#define GROUPS "X25519:P-256:X448:P-384:P-521"
/* A control connection may last for days, and its data connections have to resume its
 * session to the end: the longest lifetime of RFC 8446 4.6.1. */
#define SESSION_SECONDS (7L * 24 * 60 * 60)
/* Sessions of clients that take no tickets (TLS 1.2 with a session id). */
#define SESSIONS_KEPT 4096

struct pair {
	const char *cert_option, *key_option;
	enum keys_item cert, key, ocsp;
};

static const struct pair pairs[TLS_CERTIFICATES] = {
    {"rsa_cert_file", "rsa_private_key_file", KEYS_RSA_CERT, KEYS_RSA_KEY, KEYS_RSA_OCSP},
    {"ec_cert_file", "ec_private_key_file", KEYS_EC_CERT, KEYS_EC_KEY, KEYS_EC_OCSP},
};

int
tls_library_init(void)
{
	/* At exit a thread may still be using it: nothing is taken down then. */
	const uint64_t how = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
			     OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ATEXIT;

	return OPENSSL_init_ssl(how, NULL) == 1 ? 0 : -FERRY_ENOMEM;
}

static int wrong(char why[TLS_WHY_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The sentence, and what OpenSSL says about it. */
static int
wrong(char why[TLS_WHY_MAX], const char *fmt, ...)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(why, TLS_WHY_MAX, fmt, ap);
	va_end(ap);
	if (reason != NULL && n > 0 && n < TLS_WHY_MAX)
		snprintf(why + n, (size_t)(TLS_WHY_MAX - n), " (%s)", reason);
	ERR_clear_error();
	return -FERRY_EINVAL;
}

static void
bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static BIO *
bio_of(struct bytes b)
{
	return BIO_new_mem_buf(b.p, (int)b.n);
}

/* ---- certificates and keys ---- */

/* A daemon has nobody to ask. */
static int
no_passphrase(char *out, int size, int writing, void *user)
{
	return -1;
}

static int
load_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *next;

	SSL_CTX_clear_chain_certs(ctx);
	while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
			X509_free(next);
			return -FERRY_EINVAL;
		}
	}
	/* The end of the file looks like a failure to PEM_read. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return -FERRY_EINVAL;
	ERR_clear_error();
	return 0;
}

static int
load_cert(
    struct tls_identity *id, size_t i, const struct keys *keys, char why[TLS_WHY_MAX])
{
	const struct pair *p = &pairs[i];
	_cleanup_(bio_freep)
	BIO *bio = bio_of(keys->item[p->cert]);
	X509 *cert =
	    bio != NULL ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;

	if (cert == NULL)
		return wrong(why, "%s holds no certificate in PEM", p->cert_option);
	id->certificate[i].cert = cert;
	if (SSL_CTX_use_certificate(id->ctx, cert) != 1)
		return wrong(why, "%s cannot be used", p->cert_option);
	if (load_chain(id->ctx, bio) < 0)
		return wrong(why, "%s: the chain behind the certificate is broken",
		    p->cert_option);
	return 0;
}

static int
load_key(
    struct tls_identity *id, size_t i, const struct keys *keys, char why[TLS_WHY_MAX])
{
	const struct pair *p = &pairs[i];
	bool apart = keys->item[p->key].n > 0;
	const char *option = apart ? p->key_option : p->cert_option;
	_cleanup_(bio_freep)
	BIO *bio = bio_of(keys->item[apart ? p->key : p->cert]);
	EVP_PKEY *key =
	    bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	if (key == NULL)
		return wrong(why, "%s holds no private key in PEM without a passphrase%s",
		    option, apart ? "" : ", and its own option is not set");
	int fits = X509_check_private_key(id->certificate[i].cert, key);
	int used = fits == 1 ? SSL_CTX_use_PrivateKey(id->ctx, key) : 0;
	EVP_PKEY_free(key);
	if (fits != 1)
		return wrong(why,
		    "the private key in %s does not fit the certificate in %s", option,
		    p->cert_option);
	return used == 1 ? 0 : wrong(why, "the private key in %s cannot be used", option);
}

static int
load_ocsp(struct tls_identity *id, size_t i, const struct keys *keys)
{
	struct bytes answer = keys->item[pairs[i].ocsp];

	if (answer.n == 0)
		return 0;
	id->certificate[i].ocsp = malloc(answer.n);
	if (id->certificate[i].ocsp == NULL)
		return -FERRY_ENOMEM;
	memcpy(id->certificate[i].ocsp, answer.p, answer.n);
	id->certificate[i].ocsp_len = answer.n;
	return 0;
}

static int
load_pairs(struct tls_identity *id, const struct keys *keys, char why[TLS_WHY_MAX])
{
	size_t found = 0;
	int r = 0;

	for (size_t i = 0; i < TLS_CERTIFICATES && r == 0; i++) {
		if (keys->item[pairs[i].cert].n == 0)
			continue;
		found++;
		r = load_cert(id, i, keys, why);
		if (r == 0)
			r = load_key(id, i, keys, why);
		if (r == 0)
			r = load_ocsp(id, i, keys);
	}
	return r == 0 && found == 0
		   ? wrong(why, "there is no certificate: set rsa_cert_file")
		   : r;
}

/* ---- what is offered ---- */

/* OpenSSL keeps the names of TLS 1.3 ("TLS_...") in a list of their own; ssl_ciphers is
 * one list of both. */
static int
split_ciphers(const char *list, char *old, char *new, size_t size)
{
	old[0] = new[0] = '\0';
	while (*list != '\0') {
		size_t n = strcspn(list, ": ,");
		char *to = strncmp(list, "TLS_", 4) == 0 ? new : old;
		size_t at = strlen(to);

		if (at + n + 2 > size)
			return -FERRY_ETOOBIG;
		if (n > 0)
			snprintf(to + at, size - at, "%s%.*s", at > 0 ? ":" : "", (int)n,
			    list);
		list += n + (list[n] != '\0');
	}
	return 0;
}

static int
set_ciphers(SSL_CTX *ctx, const struct conf *conf, char why[TLS_WHY_MAX])
{
	char old[4096], new[1024];

	if (conf->ssl_ciphers == NULL || conf->ssl_ciphers[0] == '\0')
		return SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 ? 0 : -FERRY_ENOMEM;
	if (split_ciphers(conf->ssl_ciphers, old, new, sizeof(new)) < 0)
		return wrong(why, "ssl_ciphers is too long");
	if (new[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, new) != 1)
		return wrong(why, "ssl_ciphers: no such TLS 1.3 cipher");
	if (old[0] != '\0' && SSL_CTX_set_cipher_list(ctx, old) != 1)
		return wrong(why, "ssl_ciphers names no cipher that there is");
	return 0;
}

static int
set_versions(SSL_CTX *ctx, const struct conf *conf)
{
	int low = conf->ssl_tlsv1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
	int high = conf->ssl_tlsv1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_min_proto_version(ctx, low) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, high) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1)
		return -FERRY_EINVAL;
	return 0;
}

static int
set_sessions(SSL_CTX *ctx, size_t host, const struct keys *keys)
{
	char context[SSL_MAX_SID_CTX_LENGTH + 1];
	uint8_t ticket[KEYS_TICKET_SIZE];
	long r = 1;

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ctx, SESSIONS_KEPT);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	int n = snprintf(context, sizeof(context), "ferryd-%zu", host);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)context, (unsigned)n);
	if (keys->item[KEYS_TICKET].n == sizeof(ticket)) {
		memcpy(ticket, keys->item[KEYS_TICKET].p, sizeof(ticket));
		r = SSL_CTX_set_tlsext_ticket_keys(ctx, ticket, sizeof(ticket));
		explicit_bzero(ticket, sizeof(ticket));
	}
	return r == 1 ? 0 : -FERRY_EINVAL;
}

/* ---- what is asked of clients ---- */

/* Without validate_cert a certificate is looked at and believed nothing. */
static int
believe(int ok, X509_STORE_CTX *store)
{
	return 1;
}

static int
add_client_ca(X509 *cert, void *user)
{
	return SSL_CTX_add_client_CA(user, cert);
}

static int
load_authorities(SSL_CTX *ctx, struct bytes pem, char why[TLS_WHY_MAX])
{
	if (authorities_load(SSL_CTX_get_cert_store(ctx), pem, add_client_ca, ctx) == 0)
		return 0;
	return wrong(why,
	    "ca_certs_file holds no certificate in PEM, or something in it is broken");
}

static int
set_clients(
    SSL_CTX *ctx, const struct conf *conf, const struct keys *keys, char why[TLS_WHY_MAX])
{
	int mode = SSL_VERIFY_NONE;

	if (keys->item[KEYS_AUTHORITIES].n > 0) {
		int r = load_authorities(ctx, keys->item[KEYS_AUTHORITIES], why);
		if (r < 0)
			return r;
	}
	if (conf->ssl_request_cert || conf->require_cert || conf->validate_cert)
		mode = SSL_VERIFY_PEER;
	if (conf->require_cert)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, conf->validate_cert ? NULL : believe);
	return 0;
}

/* ---- life ---- */

static int
fill(struct tls_identity *id, const struct conf *conf, size_t host,
    const struct keys *keys, char why[TLS_WHY_MAX])
{
	int r;

	SSL_CTX_set_default_passwd_cb(id->ctx, no_passphrase);
	r = set_versions(id->ctx, conf);
	if (r == 0)
		r = set_ciphers(id->ctx, conf, why);
	if (r == 0)
		r = set_sessions(id->ctx, host, keys);
	if (r == 0)
		r = set_clients(id->ctx, conf, keys, why);
	return r == 0 ? load_pairs(id, keys, why) : r;
}

int
tls_identity_new(const struct conf *conf, size_t host, const struct keys *keys,
    struct tls_identity **ret, char why[TLS_WHY_MAX])
{
	struct tls_identity *id = calloc(1, sizeof(*id));

	snprintf(why, TLS_WHY_MAX, "out of memory");
	ERR_clear_error();
	if (id == NULL)
		return -FERRY_ENOMEM;
	id->refs = 1;
	id->ctx = SSL_CTX_new(TLS_server_method());
	int r = id->ctx != NULL ? fill(id, conf, host, keys, why) : -FERRY_ENOMEM;
	if (r < 0) {
		tls_identity_unref(id);
		return r;
	}
	*ret = id;
	return 0;
}

struct tls_identity *
tls_identity_ref(struct tls_identity *id)
{
	id->refs++;
	return id;
}

void
tls_identity_unref(struct tls_identity *id)
{
	if (id == NULL || --id->refs > 0)
		return;
	for (size_t i = 0; i < TLS_CERTIFICATES; i++) {
		X509_free(id->certificate[i].cert);
		free(id->certificate[i].ocsp);
	}
	SSL_CTX_free(id->ctx);
	free(id);
}
