/*
 * What OpenSSL alone reaches, with the version, the cipher and the kind of certificate of
 * the other TLS rows. The end of a server is measured, the helping process is its client.
 * For bench-limits; the certificate is made for the run and forgotten.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#include "bare.h"
#include "cipher.h"
#include "tally.h"
#include "util.h"

#define RECORD (16 * 1024)

static void
die_tls(const char *what)
{
	ERR_print_errors_fp(stderr);
	die(what);
}

/* ---- contexts ---- */

static X509 *
sign_own(EVP_PKEY *key)
{
	X509 *cert = X509_new();

	if (cert == NULL || !X509_set_version(cert, X509_VERSION_3) ||
	    !ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), 0) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), 86400) ||
	    !X509_set_pubkey(cert, key) || !X509_sign(cert, key, EVP_sha256()))
		die_tls("certificate");
	return cert;
}

static SSL_CTX *
context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, CIPHER) ||
	    !SSL_CTX_set1_groups_list(ctx, GROUP))
		die_tls("context");
	return ctx;
}

static SSL_CTX *
server_context(void)
{
	static const unsigned char name[] = "bench";
	SSL_CTX *ctx = context(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key != NULL ? sign_own(key) : NULL;

	if (cert == NULL || !SSL_CTX_use_certificate(ctx, cert) ||
	    !SSL_CTX_use_PrivateKey(ctx, key) ||
	    !SSL_CTX_set_session_id_context(ctx, name, sizeof(name)))
		die_tls("server's context");
	SSL_CTX_set_num_tickets(ctx, 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* Several records per send. */
static void
gather(SSL *ssl, int fd)
{
	BIO *buffer = BIO_new(BIO_f_buffer());

	if (buffer == NULL || BIO_set_write_buffer_size(buffer, BLOCK) <= 0)
		die_tls("buffer");
	SSL_set0_wbio(ssl, BIO_push(buffer, BIO_new_socket(fd, BIO_NOCLOSE)));
}

static SSL *
shake(SSL_CTX *ctx, int fd, bool server, SSL_SESSION *session)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || !SSL_set_fd(ssl, fd) ||
	    (session != NULL && !SSL_set_session(ssl, session)) ||
	    (server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1)
		die_tls("handshake");
	return ssl;
}

/* ---- bytes ---- */

static void
read_all(struct link *l)
{
	static uint8_t block[BLOCK];
	SSL_CTX *ctx = context(TLS_client_method());

	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, BLOCK);
	SSL *ssl = shake(ctx, l->far, false, NULL);
	while (SSL_read(ssl, block, sizeof(block)) > 0)
		continue;
}

static void
write_all(struct link *l)
{
	static const uint8_t block[BLOCK];
	SSL *ssl = shake(context(TLS_client_method()), l->far, false, NULL);

	gather(ssl, l->far);
	while (SSL_write(ssl, block, sizeof(block)) > 0)
		continue;
}

static uint64_t
write_records(struct link *l, SSL *ssl)
{
	static const uint8_t record[RECORD];
	uint64_t moved = 0;

	while (moved == 0 || now_ns() < l->until) {
		if (SSL_write(ssl, record, sizeof(record)) != (int)sizeof(record))
			die_tls("SSL_write");
		moved += sizeof(record);
	}
	return moved;
}

static SSL *
serve(struct link *l, SSL_CTX *ctx)
{
	SSL *ssl = shake(ctx, l->near, true, NULL);

	link_begin(l);
	return ssl;
}

static uint64_t
run_tls_send(struct link *l)
{
	return write_records(l, serve(l, server_context()));
}

static uint64_t
run_tls_batch(struct link *l)
{
	SSL *ssl = serve(l, server_context());

	gather(ssl, l->near);
	return write_records(l, ssl);
}

static uint64_t
run_tls_write(struct link *l)
{
	static uint8_t block[BLOCK];
	SSL_CTX *ctx = server_context();
	int file = open_target(l);
	uint64_t moved = 0;

	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, BLOCK);
	SSL *ssl = serve(l, ctx);
	while (moved == 0 || now_ns() < l->until) {
		int n = SSL_read(ssl, block, sizeof(block));

		if (n <= 0 || write(file, block, (size_t)n) != n)
			die_tls("SSL_read and write");
		moved += (uint64_t)n;
		again(file);
	}
	return moved;
}

double
limit_tls_send(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_tls_send, read_all);
}

double
limit_tls_batch(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_tls_batch, read_all);
}

double
limit_tls_write(struct link *l, double seconds)
{
	return rate_of_bytes(l, seconds, run_tls_write, write_all);
}

/* ---- handshakes ---- */

/* One connection: handshake, the server's one byte, the end. */
static void
visit(struct link *l, SSL_CTX *ctx, SSL_SESSION *session, SSL_SESSION **ret_session)
{
	int fd = link_call(l);
	char byte;
	SSL *ssl = shake(ctx, fd, false, session);

	/* Behind the tickets. */
	if (SSL_read(ssl, &byte, 1) != 1)
		die_tls("SSL_read");
	if (session != NULL && !SSL_session_reused(ssl))
		die("not resumed");
	if (ret_session != NULL)
		*ret_session = SSL_get1_session(ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void
visit_new(struct link *l)
{
	SSL_CTX *ctx = context(TLS_client_method());

	for (;;)
		visit(l, ctx, NULL, NULL);
}

static void
visit_again(struct link *l)
{
	SSL_CTX *ctx = context(TLS_client_method());
	SSL_SESSION *session = NULL;

	visit(l, ctx, NULL, &session);
	for (;;) {
		/* OpenSSL offers each of its sessions only once. */
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		visit(l, ctx, copy, NULL);
		SSL_SESSION_free(copy);
	}
}

static double
rate_of_handshakes(struct link *l, double seconds, void (*helper)(struct link *l))
{
	SSL_CTX *ctx = server_context();
	uint64_t made = 0;

	link_listen(l);
	pid_t pid = help(l, helper);
	uint64_t began = now_ns();
	l->until = began + (uint64_t)(seconds * 1e9);
	while (made == 0 || now_ns() < l->until) {
		int fd = link_accept(l);
		SSL *ssl = shake(ctx, fd, true, NULL);

		if (SSL_write(ssl, "x", 1) != 1)
			die_tls("SSL_write");
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
		made++;
	}
	double rate = (double)made / ((double)(now_ns() - began) / 1e9);
	help_end(pid);
	return rate;
}

double
limit_handshakes(struct link *l, double seconds)
{
	return rate_of_handshakes(l, seconds, visit_new);
}

double
limit_resumed(struct link *l, double seconds)
{
	return rate_of_handshakes(l, seconds, visit_again);
}

/* ---- the cipher ---- */

double
limit_gcm(struct link *l, double seconds)
{
	static uint8_t record[RECORD], out[RECORD], key[16], iv[12], tag[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint64_t began = now_ns(), moved = 0;
	int n;

	if (ctx == NULL || !EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, iv))
		die_tls("AES-128-GCM");
	l->until = began + (uint64_t)(seconds * 1e9);
	while (moved == 0 || now_ns() < l->until) {
		iv[0]++;
		if (!EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv) ||
		    !EVP_EncryptUpdate(ctx, out, &n, record, RECORD) ||
		    !EVP_EncryptFinal_ex(ctx, out + n, &n) ||
		    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, sizeof(tag), tag))
			die_tls("AES-128-GCM");
		moved += RECORD;
	}
	EVP_CIPHER_CTX_free(ctx);
	return (double)moved / ((double)(now_ns() - began) / 1e9) / 1e6;
}
