/*
 * Certificates as a proof of who somebody is: the names in them, and whom they prove
 * nothing for. All of them are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ferry/ferry.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "certificate.h"

#define DAY (24L * 60 * 60)
#define NUL_NAME "carol\0.example"

/* ---- making them ---- */

struct recipe {
	const char *cn;       /* NULL: none */
	int cn_size, cn_type; /* 0: as a C string, UTF8String */
	const char *cn2;
	const char *names; /* subjectAltName as in x509v3_config(5) */
	const char *usage; /* extendedKeyUsage */
	bool authority;
	long begins, ends; /* seconds from now; both 0: a day in either direction */
};

struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

static void
pair_clear(struct pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e;

	if (value == NULL)
		return;
	e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
add_cn(X509 *cert, int type, const char *text, int n)
{
	assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(cert),
			     NID_commonName, type != 0 ? type : V_ASN1_UTF8STRING,
			     (const unsigned char *)text, n, -1, 0),
	    1);
}

static X509 *
make_cert(const struct recipe *r, EVP_PKEY *key, const struct pair *by)
{
	static long serial;
	X509 *cert = X509_new();

	assert_non_null(cert);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), r->begins != 0 ? r->begins : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), r->ends != 0 ? r->ends : DAY);
	if (r->cn != NULL)
		add_cn(cert, r->cn_type, r->cn,
		    r->cn_size != 0 ? r->cn_size : (int)strlen(r->cn));
	if (r->cn2 != NULL)
		add_cn(cert, 0, r->cn2, (int)strlen(r->cn2));
	X509_set_issuer_name(cert, X509_get_subject_name(by != NULL ? by->cert : cert));
	X509_set_pubkey(cert, key);
	add_extension(
	    cert, NID_basic_constraints, r->authority ? "critical,CA:TRUE" : NULL);
	add_extension(cert, NID_subject_alt_name, r->names);
	add_extension(cert, NID_ext_key_usage, r->usage);
	assert_true(X509_sign(cert, by != NULL ? by->key : key, EVP_sha256()) > 0);
	return cert;
}

/* by NULL: signed by itself. */
static struct pair
make(const struct recipe *r, const struct pair *by)
{
	struct pair p = {.key = EVP_EC_gen("P-256")};

	assert_non_null(p.key);
	p.cert = make_cert(r, p.key, by);
	return p;
}

#define MAKE(by, ...) make(&(struct recipe){__VA_ARGS__}, by)

static bool
names(enum cert_user how, const char *user, const struct recipe *r)
{
	_cleanup_(pair_clear)
	struct pair p = make(r, NULL);

	return certificate_names(p.cert, how, user);
}

#define CN_IS(user, ...) names(CERT_USER_CN, user, &(struct recipe){__VA_ARGS__})
#define SAN_IS(user, ...) names(CERT_USER_SAN, user, &(struct recipe){__VA_ARGS__})

/* ---- names ---- */

static void
test_common_names(void **state)
{
	assert_true(CN_IS("carol", .cn = "carol"));
	assert_true(CN_IS("carol", .cn = "carol", .cn_type = V_ASN1_PRINTABLESTRING));
	assert_true(CN_IS("carol", .cn = "carol", .cn_type = V_ASN1_IA5STRING));
	assert_true(CN_IS("zo\xc3\xab", .cn = "zo\xc3\xab"));
	assert_false(CN_IS("carol", .cn = "Carol"));
	assert_false(CN_IS("carol", .cn = "carol "));
	assert_false(CN_IS("carol", .cn = "carolina"));
	assert_false(CN_IS("carolina", .cn = "carol"));
	assert_false(CN_IS("carol", .names = "DNS:carol"));
	assert_false(CN_IS("", .names = "DNS:carol"));
	assert_false(CN_IS("carol", .cn = "carol", .cn2 = "dave"));
	assert_false(CN_IS("dave", .cn = "carol", .cn2 = "dave"));
	assert_false(CN_IS("carol", .cn = "carol", .cn2 = "carol"));
}

static void
test_common_names_of_another_kind(void **state)
{
	assert_false(CN_IS("carol", .cn = NUL_NAME, .cn_size = sizeof(NUL_NAME) - 1));
	assert_false(CN_IS("carol", .cn = "carol", .cn_size = 6));
	assert_false(CN_IS("carol", .cn = "\0c\0a\0r\0o\0l", .cn_size = 10,
	    .cn_type = V_ASN1_BMPSTRING));
	assert_false(CN_IS("ca", .cn = "ca", .cn_type = V_ASN1_BMPSTRING));
	assert_false(CN_IS("carol", .cn = "carol", .cn_type = V_ASN1_T61STRING));
	assert_false(CN_IS("caro", .cn = "caro", .cn_type = V_ASN1_UNIVERSALSTRING));
}

#define UPN "otherName:1.3.6.1.4.1.311.20.2.3;"

static void
test_alternative_names(void **state)
{
	assert_true(SAN_IS("carol", .names = "DNS:carol"));
	assert_true(SAN_IS("carol@a.test", .names = "email:carol@a.test"));
	assert_true(SAN_IS("carol@A", .names = UPN "UTF8:carol@A"));
	assert_true(SAN_IS("carol", .names = "DNS:host.test,email:x@y.test,DNS:carol"));
	assert_false(SAN_IS("carol", .cn = "carol"));
	/* What stands before the @ is not the name. */
	assert_false(SAN_IS("carol", .names = "email:carol@a.test"));
	assert_false(SAN_IS("carol", .names = UPN "UTF8:carol@A"));
	assert_false(SAN_IS("carol@A", .names = UPN "IA5:carol@A"));
	assert_false(SAN_IS("carol@A", .names = "otherName:1.2.3.4;UTF8:carol@A"));
	assert_false(SAN_IS("carol", .names = "URI:carol"));
	assert_false(SAN_IS("carol", .names = "DNS:*"));
	assert_false(SAN_IS("carol", .names = "DNS:CAROL"));
	assert_false(SAN_IS("", .names = "DNS:carol"));
	assert_false(SAN_IS("127.0.0.1", .names = "IP:127.0.0.1"));
}

static void
test_none(void **state)
{
	assert_false(names(CERT_USER_NONE, "carol",
	    &(struct recipe){.cn = "carol", .names = "DNS:carol"}));
}

/* ---- proof ---- */

/* PEM of up to two certificates and a revocation list. */
static X509_STORE *
store_of(const X509 *a, const X509 *b, const X509_CRL *crl, int *ret_r)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;

	assert_true(store != NULL && bio != NULL);
	if (a != NULL)
		PEM_write_bio_X509(bio, a);
	if (b != NULL)
		PEM_write_bio_X509(bio, b);
	if (crl != NULL)
		PEM_write_bio_X509_CRL(bio, crl);
	long n = BIO_get_mem_data(bio, &p);
	*ret_r = authorities_load(
	    store, (struct bytes){(const uint8_t *)p, (size_t)n}, NULL, NULL);
	BIO_free(bio);
	return store;
}

static void
store_freep(X509_STORE **store)
{
	X509_STORE_free(*store);
}

/* The causes are the operator's: each has one, and a yes has none. */
static bool
proves(X509_STORE *store, const char *user, const X509 *cert, const X509 *behind)
{
	_cleanup_(buf_free)
	struct buf chain = BUF_INIT(CHAIN_MAX);
	_cleanup_(buf_free)
	struct buf why = BUF_INIT(1024);

	assert_int_equal(chain_append(&chain, cert), 0);
	if (behind != NULL)
		assert_int_equal(chain_append(&chain, behind), 0);
	int r = chain_proves(store,
	    (struct bytes){.p = buf_data(&chain), .n = buf_len(&chain)}, CERT_USER_CN,
	    user, &why);
	assert_true(r == 0 || r == -FERRY_EREFUSED);
	assert_int_equal(buf_len(&why) > 0, r < 0);
	return r == 0;
}

static void
test_proof(void **state)
{
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	_cleanup_(pair_clear)
	struct pair good = MAKE(&ca, .cn = "carol");
	_cleanup_(pair_clear)
	struct pair server = MAKE(&ca, .cn = "carol", .usage = "serverAuth");
	_cleanup_(pair_clear)
	struct pair client = MAKE(&ca, .cn = "carol", .usage = "clientAuth");
	_cleanup_(pair_clear)
	struct pair old = MAKE(&ca, .cn = "carol", .begins = -2 * DAY, .ends = -DAY);
	_cleanup_(pair_clear)
	struct pair early = MAKE(&ca, .cn = "carol", .begins = DAY, .ends = 2 * DAY);
	int r;
	_cleanup_(store_freep)
	X509_STORE *store = store_of(ca.cert, NULL, NULL, &r);

	assert_int_equal(r, 0);
	assert_true(proves(store, "carol", good.cert, NULL));
	assert_true(proves(store, "carol", client.cert, NULL));
	assert_false(proves(store, "dave", good.cert, NULL));
	assert_false(proves(store, "carol", server.cert, NULL));
	assert_false(proves(store, "carol", old.cert, NULL));
	assert_false(proves(store, "carol", early.cert, NULL));
	assert_false(proves(NULL, "carol", good.cert, NULL));
}

/* What a worker that has been taken over might make up. */
static void
test_what_is_made_up(void **state)
{
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	_cleanup_(pair_clear)
	struct pair fake = MAKE(NULL, .cn = "CA", .authority = true);
	_cleanup_(pair_clear)
	struct pair self = MAKE(NULL, .cn = "carol");
	_cleanup_(pair_clear)
	struct pair by_fake = MAKE(&fake, .cn = "carol");
	_cleanup_(pair_clear)
	struct pair mallory = MAKE(&ca, .cn = "mallory");
	_cleanup_(pair_clear)
	struct pair by_user = MAKE(&mallory, .cn = "carol");
	int r;
	_cleanup_(store_freep)
	X509_STORE *store = store_of(ca.cert, NULL, NULL, &r);

	assert_int_equal(r, 0);
	assert_false(proves(store, "carol", self.cert, NULL));
	assert_false(proves(store, "carol", self.cert, ca.cert));
	assert_false(proves(store, "carol", by_fake.cert, NULL));
	assert_false(proves(store, "carol", by_fake.cert, fake.cert));
	assert_false(proves(store, "carol", by_user.cert, mallory.cert));
	/* The first certificate is the one that counts. */
	assert_false(proves(store, "carol", self.cert, mallory.cert));
	assert_false(proves(store, "mallory", self.cert, mallory.cert));
	/* A byte of the name changed: the signature says so. */
	assert_true(proves(store, "mallory", mallory.cert, NULL));
	uint8_t *der = NULL;
	int n = i2d_X509(mallory.cert, &der);
	for (int i = 0; i + 7 <= n; i++) {
		if (memcmp(der + i, "mallory", 7) == 0)
			memcpy(der + i, "mallary", 7);
	}
	const uint8_t *p = der;
	X509 *changed = d2i_X509(NULL, &p, n);
	assert_true(certificate_names(changed, CERT_USER_CN, "mallary"));
	assert_false(proves(store, "mallary", changed, NULL));
	X509_free(changed);
	OPENSSL_free(der);
}

static void
test_intermediates(void **state)
{
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	_cleanup_(pair_clear)
	struct pair sub = MAKE(&ca, .cn = "Sub", .authority = true);
	_cleanup_(pair_clear)
	struct pair good = MAKE(&sub, .cn = "carol");
	int r;
	_cleanup_(store_freep)
	X509_STORE *store = store_of(ca.cert, NULL, NULL, &r);

	assert_int_equal(r, 0);
	assert_true(proves(store, "carol", good.cert, sub.cert));
	assert_false(proves(store, "carol", good.cert, NULL));
}

static X509_CRL *
make_crl(const struct pair *by, const X509 *revoked, long ends)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *then = X509_gmtime_adj(NULL, ends);

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(by->cert));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, then);
	if (revoked != NULL) {
		X509_REVOKED *entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(
		    entry, (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, now);
		X509_CRL_add0_revoked(crl, entry);
	}
	assert_true(X509_CRL_sign(crl, by->key, EVP_sha256()) > 0);
	ASN1_TIME_free(now);
	ASN1_TIME_free(then);
	return crl;
}

static void
test_revocation(void **state)
{
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	_cleanup_(pair_clear)
	struct pair other = MAKE(NULL, .cn = "B", .authority = true);
	_cleanup_(pair_clear)
	struct pair good = MAKE(&ca, .cn = "carol");
	_cleanup_(pair_clear)
	struct pair lost = MAKE(&ca, .cn = "carol");
	_cleanup_(pair_clear)
	struct pair unlisted = MAKE(&other, .cn = "carol");
	X509_CRL *crl = make_crl(&ca, lost.cert, DAY), *old = make_crl(&ca, NULL, -30);
	int r;

	X509_STORE *store = store_of(ca.cert, other.cert, crl, &r);
	assert_int_equal(r, 0);
	assert_true(proves(store, "carol", good.cert, NULL));
	assert_false(proves(store, "carol", lost.cert, NULL));
	/* Where there are lists, every authority needs one. */
	assert_false(proves(store, "carol", unlisted.cert, NULL));
	X509_STORE_free(store);
	/* A list that is out of date might lack somebody. */
	store = store_of(ca.cert, NULL, old, &r);
	assert_int_equal(r, 0);
	assert_false(proves(store, "carol", good.cert, NULL));
	X509_STORE_free(store);
	X509_CRL_free(crl);
	X509_CRL_free(old);
}

static void
test_authorities_that_are_broken(void **state)
{
	static const char *const texts[] = {
	    "",
	    "nothing",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	};
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	X509_CRL *crl = make_crl(&ca, NULL, DAY);
	int r;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		X509_STORE *store = X509_STORE_new();
		struct bytes pem = {(const uint8_t *)texts[i], strlen(texts[i])};

		assert_int_equal(authorities_load(store, pem, NULL, NULL), -FERRY_EINVAL);
		X509_STORE_free(store);
	}
	/* A list alone is no authority. */
	X509_STORE *store = store_of(NULL, NULL, crl, &r);
	assert_int_equal(r, -FERRY_EINVAL);
	X509_STORE_free(store);
	X509_CRL_free(crl);
}

/* A broken list behind a good authority must not pass for an empty one. */
static void
test_a_broken_list(void **state)
{
	_cleanup_(pair_clear)
	struct pair ca = MAKE(NULL, .cn = "CA", .authority = true);
	X509_STORE *store = X509_STORE_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;

	PEM_write_bio_X509(bio, ca.cert);
	BIO_puts(bio, "-----BEGIN X509 CRL-----\nMAAA\n-----END X509 CRL-----\n");
	long n = BIO_get_mem_data(bio, &p);
	assert_int_equal(authorities_load(store,
			     (struct bytes){(const uint8_t *)p, (size_t)n}, NULL, NULL),
	    -FERRY_EINVAL);
	BIO_free(bio);
	X509_STORE_free(store);
}

/* ---- bytes ---- */

static void
test_chains_as_bytes(void **state)
{
	_cleanup_(pair_clear)
	struct pair p = MAKE(NULL, .cn = "carol");
	_cleanup_(buf_free)
	struct buf chain = BUF_INIT(CHAIN_MAX);
	STACK_OF(X509) *got = NULL;
	size_t one;

	assert_int_equal(chain_append(&chain, p.cert), 0);
	one = buf_len(&chain);
	for (size_t n = 0; n < one; n++)
		assert_int_equal(chain_parse((struct bytes){buf_data(&chain), n}, &got),
		    -FERRY_EPROTO);
	for (int i = 1; i <= CHAIN_LENGTH; i++) {
		struct bytes b = {buf_data(&chain), buf_len(&chain)};

		assert_int_equal(chain_parse(b, &got), 0);
		assert_int_equal(sk_X509_num(got), i);
		chain_free(got);
		assert_int_equal(chain_append(&chain, p.cert), 0);
	}
	assert_int_equal(
	    chain_parse((struct bytes){buf_data(&chain), buf_len(&chain)}, &got),
	    -FERRY_EPROTO);
	buf_truncate(&chain, one);
	assert_int_equal(buf_append(&chain, "x", 1), 0);
	assert_int_equal(
	    chain_parse((struct bytes){buf_data(&chain), buf_len(&chain)}, &got),
	    -FERRY_EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_common_names),
	    cmocka_unit_test(test_common_names_of_another_kind),
	    cmocka_unit_test(test_alternative_names),
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_proof),
	    cmocka_unit_test(test_what_is_made_up),
	    cmocka_unit_test(test_intermediates),
	    cmocka_unit_test(test_revocation),
	    cmocka_unit_test(test_authorities_that_are_broken),
	    cmocka_unit_test(test_a_broken_list),
	    cmocka_unit_test(test_chains_as_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
