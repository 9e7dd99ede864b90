/*
 * The server's TLS identity: an OpenSSL context with certificates, keys, versions,
 * ciphers and what is asked of clients, made from the configuration and the bytes of
 * keys.h. The master makes one to see whether the files fit, and throws it away; the
 * workers make theirs from the same bytes with the same code.
 */
#ifndef FERRYD_TLS_TLS_IDENTITY_H
#define FERRYD_TLS_TLS_IDENTITY_H

#include <openssl/ssl.h>

#include "conf.h"
#include "keys.h"

#define TLS_WHY_MAX 256
#define TLS_CERTIFICATES 2

struct tls_identity {
	unsigned refs;
	SSL_CTX *ctx;
	struct {
		X509 *cert; /* NULL: none */
		uint8_t *ocsp;
		size_t ocsp_len;
	} certificate[TLS_CERTIFICATES];
};

/* To be called before the sandbox is up, and before anything else of OpenSSL: it reads no
 * configuration file, neither now nor later, and exit() leaves it standing. 0 or
 * -FERRY_ENOMEM. */
int tls_library_init(void);

/* host: its number, 0 for who asks for none; sessions of one host are not resumed at
 * another, though one key encrypts all tickets. 0, or a negative code with a sentence in
 * why that names the option whose file is wrong. */
int tls_identity_new(const struct conf *conf, size_t host, const struct keys *keys,
    struct tls_identity **ret, char why[TLS_WHY_MAX]);
struct tls_identity *tls_identity_ref(struct tls_identity *id);
/* NULL is accepted. */
void tls_identity_unref(struct tls_identity *id);

#endif
