/*
 * See certificate.h. Must never take a part of a name for the whole, nor a certificate
 * for good because something about it could not be read.
 */
#include "certificate.h"

#include <ferry/ferry.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Keys and digests of 112 bits and more: RSA of 2048 bits, no SHA-1. */
#define SECURITY_LEVEL 2

static void
bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static void
chain_freep(STACK_OF(X509) * *chain)
{
	chain_free(*chain);
}

static void
context_freep(X509_STORE_CTX **context)
{
	X509_STORE_CTX_free(*context);
}

static void
names_freep(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

/* ---- authorities ---- */

/* A daemon has nobody to ask. */
static int
no_passphrase(char *out, int size, int writing, void *user)
{
	return -1;
}

/* PEM_read_...() found no more of its kind; anything else is a broken one. */
static bool
at_end(void)
{
	bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return end;
}

static int
load_certificates(
    X509_STORE *store, struct bytes pem, int (*each)(X509 *, void *), void *user)
{
	_cleanup_(bio_freep)
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	size_t found = 0;
	X509 *cert;

	while (bio != NULL &&
	       (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		bool ok = X509_STORE_add_cert(store, cert) == 1 &&
			  (each == NULL || each(cert, user) == 1);

		X509_free(cert);
		if (!ok)
			return -FERRY_EINVAL;
		found++;
	}
	return bio != NULL && at_end() && found > 0 ? 0 : -FERRY_EINVAL;
}

/* One that cannot be read must not pass for one that revokes nothing. */
static int
load_revocations(X509_STORE *store, struct bytes pem)
{
	_cleanup_(bio_freep)
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	bool ok = true, found = false;
	X509_CRL *crl;

	while (bio != NULL && ok &&
	       (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
		ok = X509_STORE_add_crl(store, crl) == 1;
		found = true;
		X509_CRL_free(crl);
	}
	if (bio == NULL || !ok || !at_end())
		return -FERRY_EINVAL;
	if (found && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1)
		return -FERRY_EINVAL;
	return 0;
}

int
authorities_load(
    X509_STORE *store, struct bytes pem, int (*each)(X509 *, void *), void *user)
{
	int r = load_certificates(store, pem, each, user);

	return r == 0 ? load_revocations(store, pem) : r;
}

/* ---- chains ---- */

int
chain_append(struct buf *out, const X509 *cert)
{
	int n = i2d_X509(cert, NULL);
	uint8_t *p;

	if (n <= 0)
		return -FERRY_ENOMEM;
	int r = buf_reserve(out, (size_t)n, &p);
	if (r < 0)
		return r;
	i2d_X509(cert, &p);
	buf_commit(out, (size_t)n);
	return 0;
}

void
chain_free(STACK_OF(X509) * chain)
{
	sk_X509_pop_free(chain, X509_free);
}

int
chain_parse(struct bytes b, STACK_OF(X509) * *ret)
{
	_cleanup_(chain_freep)
	STACK_OF(X509) *chain = sk_X509_new_null();
	const uint8_t *p = b.p, *end = b.p + b.n;

	if (chain == NULL || b.n == 0 || b.n > CHAIN_MAX)
		return -FERRY_EPROTO;
	while (p < end) {
		X509 *cert = sk_X509_num(chain) < CHAIN_LENGTH
				 ? d2i_X509(NULL, &p, (long)(end - p))
				 : NULL;

		if (cert == NULL || sk_X509_push(chain, cert) <= 0) {
			X509_free(cert);
			ERR_clear_error();
			return -FERRY_EPROTO;
		}
	}
	*ret = chain;
	chain = NULL;
	return 0;
}

/* ---- names ---- */

/* Byte for byte: a NUL in the certificate is a byte that the name does not have. */
static bool
text_is(const ASN1_STRING *text, const char *user)
{
	size_t n = strlen(user);

	return text != NULL && n > 0 && (size_t)ASN1_STRING_length(text) == n &&
	       memcmp(ASN1_STRING_get0_data(text), user, n) == 0;
}

/* In the others a letter is two bytes or four, or is what nobody agrees on. */
static bool
is_plain_text(const ASN1_STRING *text)
{
	switch (ASN1_STRING_type(text)) {
	case V_ASN1_UTF8STRING:
	case V_ASN1_PRINTABLESTRING:
	case V_ASN1_IA5STRING:
		return true;
	default:
		return false;
	}
}

/* Of several common names nobody can say which one the authority has looked at. */
static bool
common_name_is(const X509 *cert, const char *user)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	const ASN1_STRING *text =
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return is_plain_text(text) && text_is(text, user);
}

/* The principal name of Microsoft's directory, user@domain. */
static bool
is_upn(const OTHERNAME *other)
{
	return OBJ_obj2nid(other->type_id) == NID_ms_upn && other->value != NULL &&
	       other->value->type == V_ASN1_UTF8STRING;
}

static bool
alternative_is(const GENERAL_NAME *name, const char *user)
{
	switch (name->type) {
	case GEN_DNS:
		return text_is(name->d.dNSName, user);
	case GEN_EMAIL:
		return text_is(name->d.rfc822Name, user);
	case GEN_OTHERNAME:
		return is_upn(name->d.otherName) &&
		       text_is(name->d.otherName->value->value.utf8string, user);
	default:
		return false;
	}
}

/* A whole name only: what stands before the @ is not unique to one domain. */
static bool
some_alternative_is(const X509 *cert, const char *user)
{
	_cleanup_(names_freep)
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = alternative_is(sk_GENERAL_NAME_value(names, i), user);
	ERR_clear_error();
	return found;
}

bool
certificate_names(const X509 *cert, enum cert_user how, const char *user)
{
	switch (how) {
	case CERT_USER_NONE:
		break;
	case CERT_USER_CN:
		return common_name_is(cert, user);
	case CERT_USER_SAN:
		return some_alternative_is(cert, user);
	}
	return false;
}

/* ---- proof ---- */

/* As a TLS server verifies a client: dates, signatures, purpose, revocation. */
static int
verify(X509_STORE *store, STACK_OF(X509) * chain, struct buf *why)
{
	_cleanup_(context_freep)
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int good = 0;

	if (context != NULL &&
	    X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1 &&
	    X509_STORE_CTX_set_default(context, "ssl_client") == 1) {
		X509_VERIFY_PARAM_set_auth_level(
		    X509_STORE_CTX_get0_param(context), SECURITY_LEVEL);
		good = X509_verify_cert(context);
		if (good != 1)
			buf_printf(why, "its certificate is not good: %s",
			    X509_verify_cert_error_string(
				X509_STORE_CTX_get_error(context)));
	}
	ERR_clear_error();
	return good == 1 ? 0 : -FERRY_EREFUSED;
}

int
chain_proves(X509_STORE *store, struct bytes bytes, enum cert_user how, const char *user,
    struct buf *why)
{
	_cleanup_(chain_freep)
	STACK_OF(X509) *chain = NULL;

	if (store == NULL) {
		buf_append_str(why, "no authority is known that could have signed it");
		return -FERRY_EREFUSED;
	}
	if (chain_parse(bytes, &chain) < 0) {
		buf_append_str(why, "its certificates cannot be read");
		return -FERRY_EREFUSED;
	}
	if (verify(store, chain, why) < 0)
		return -FERRY_EREFUSED;
	if (certificate_names(sk_X509_value(chain, 0), how, user))
		return 0;
	buf_append_str(why, "its certificate has another name");
	return -FERRY_EREFUSED;
}
