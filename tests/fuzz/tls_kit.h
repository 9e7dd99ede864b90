/*
 * What a far side needs for TLS: a key, a certificate, contexts, and dice that fall the
 * same way in every run, so that an input does today what it did yesterday. For the
 * fuzzers of whole programs and test_tls_cuts.c.
 */
#ifndef FERRY_TESTS_FUZZ_TLS_KIT_H
#define FERRY_TESTS_FUZZ_TLS_KIT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "pin.h"

struct tls_kit {
	EVP_PKEY *key;
	X509 *cert;
	BIO *key_pem, *cert_pem; /* the same, for those who read files */
	char pin[PIN_TEXT_MAX];  /* the key's, for ferry_set_tls_pin() */
	SSL_CTX *client, *server;
};

/* Never fails: it asserts. */
void tls_kit_init(struct tls_kit *kit);
void tls_kit_free(struct tls_kit *kit);
/* From here on all of OpenSSL's random bytes are those of the last time. */
void tls_kit_dice(void);
/* TLS 1.2 alone, or 1.3 as well, for the connections that ctx makes. */
void tls_kit_version(SSL_CTX *ctx, bool old);

#endif
