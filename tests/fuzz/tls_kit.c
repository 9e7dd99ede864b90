/*
 * See tls_kit.h. The dice are this file's one piece of state: OpenSSL's table of random
 * functions has no place for any.
 */
/* RAND_set_rand_method(): its successor cannot be changed any more once it is in use. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls_kit.h"

#include <assert.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define SEED 0x9e3779b97f4a7c15

static uint64_t dice = SEED;

static int
throw_dice(unsigned char *p, int n)
{
	for (int i = 0; i < n; i++) {
		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		p[i] = (uint8_t)(dice >> 24);
	}
	return 1;
}

static int
is_ready(void)
{
	return 1;
}

void
tls_kit_dice(void)
{
	static const RAND_METHOD method = {
	    .bytes = throw_dice,
	    .pseudorand = throw_dice,
	    .status = is_ready,
	};

	int r = RAND_set_rand_method(&method);
	assert(r == 1);
	dice = SEED;
}

/* Always the same, and valid in our lifetimes. */
static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	assert(cert != NULL);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "20200101000000Z");
	ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), "20991231235959Z");
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const uint8_t *)"192.0.2.1", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	int r = X509_sign(cert, key, EVP_sha256());
	assert(r > 0);
	return cert;
}

static void
make_pin(struct tls_kit *kit)
{
	uint8_t *der = NULL, hash[PIN_SIZE];
	int n = i2d_PUBKEY(kit->key, &der);

	assert(n > 0);
	SHA256(der, (size_t)n, hash);
	pin_format(hash, kit->pin);
	OPENSSL_free(der);
}

static SSL_CTX *
make_context(const struct tls_kit *kit, const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	assert(ctx != NULL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
	/* what forge.h knows */
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_use_certificate(ctx, kit->cert);
	SSL_CTX_use_PrivateKey(ctx, kit->key);
	return ctx;
}

void
tls_kit_init(struct tls_kit *kit)
{
	static const unsigned char name[] = "far side";

	tls_kit_dice();
	kit->key = EVP_EC_gen("P-256");
	assert(kit->key != NULL);
	kit->cert = make_certificate(kit->key);
	make_pin(kit);
	kit->key_pem = BIO_new(BIO_s_mem());
	kit->cert_pem = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(kit->key_pem, kit->key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(kit->cert_pem, kit->cert);
	kit->client = make_context(kit, TLS_client_method());
	kit->server = make_context(kit, TLS_server_method());
	SSL_CTX_set_session_id_context(kit->server, name, sizeof(name) - 1);
}

void
tls_kit_free(struct tls_kit *kit)
{
	SSL_CTX_free(kit->client);
	SSL_CTX_free(kit->server);
	BIO_free(kit->key_pem);
	BIO_free(kit->cert_pem);
	X509_free(kit->cert);
	EVP_PKEY_free(kit->key);
}

void
tls_kit_version(SSL_CTX *ctx, bool old)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, old ? TLS1_2_VERSION : TLS1_3_VERSION);
}
