/*
 * A chain of certificates from a worker that is not believed: reading it ends, nobody has
 * two names, and nothing proves anything to an authority that has signed nothing. The
 * first byte tells how much of the input is the user's name.
 */
#include <ferry/ferry.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certificate.h"

/* An authority whose key nobody has any more. */
static X509_STORE *
stranger(void)
{
	X509_STORE *store = X509_STORE_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (store == NULL || key == NULL || cert == NULL)
		abort();
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 7L * 24 * 60 * 60);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	    (const unsigned char *)"Test Authority", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, key);
	if (X509_sign(cert, key, EVP_sha256()) == 0 ||
	    X509_STORE_add_cert(store, cert) != 1)
		abort();
	EVP_PKEY_free(key);
	X509_free(cert);
	return store;
}

/* Who has one common name has no other. */
static void
check_names(const X509 *cert, const char *user)
{
	char longer[258];

	snprintf(longer, sizeof(longer), "%sx", user);
	if (certificate_names(cert, CERT_USER_NONE, user) ||
	    certificate_names(cert, CERT_USER_SAN, "") ||
	    certificate_names(cert, CERT_USER_CN, ""))
		abort();
	if (certificate_names(cert, CERT_USER_CN, user) &&
	    certificate_names(cert, CERT_USER_CN, longer))
		abort();
	certificate_names(cert, CERT_USER_SAN, user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static X509_STORE *store;
	STACK_OF(X509) *chain = NULL;
	_cleanup_(buf_free)
	struct buf why = BUF_INIT(1024);

	if (store == NULL)
		store = stranger();
	if (size == 0 || size - 1 < data[0])
		return 0;
	_cleanup_free_ char *user = strndup((const char *)data + 1, data[0]);
	struct bytes bytes = {.p = data + 1 + data[0], .n = size - 1 - data[0]};
	if (chain_parse(bytes, &chain) == 0) {
		if (sk_X509_num(chain) < 1 || sk_X509_num(chain) > CHAIN_LENGTH)
			abort();
		for (int i = 0; i < sk_X509_num(chain); i++)
			check_names(sk_X509_value(chain, i), user);
		chain_free(chain);
	}
	if (chain_proves(store, bytes, CERT_USER_CN, user, &why) == 0 ||
	    buf_len(&why) == 0)
		abort();
	return 0;
}
