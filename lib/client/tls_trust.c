/*
 * Is it the right server? The system's authorities or the given ones vouch for a
 * certificate that names the host; else a pin, else the program, which may ask a person.
 * A data connection must resume the control connection's session, or show the same key,
 * or a certificate that is as good. Nothing is sent before this is answered: the
 * handshake is let through, so that every fault can be told and not only the first.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

#define NAME_TEXT_MAX 256

/* ---------------------------------------------------------------- during the handshake
 */

static unsigned
fault_of(int error)
{
	switch (error) {
	case X509_V_OK:
		return 0;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return TLS_FAULT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_FAULT_NOT_YET;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return TLS_FAULT_HOST;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return TLS_FAULT_SELF_SIGNED;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return TLS_FAULT_UNKNOWN_CA;
	default:
		return TLS_FAULT_OTHER;
	}
}

/* Notes every fault and goes on: trust_judge() decides. */
static int
note_fault(int ok, X509_STORE_CTX *store)
{
	int error = X509_STORE_CTX_get_error(store);
	SSL *ssl =
	    X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);
	unsigned fault = ok ? 0 : fault_of(error);

	t->faults |= fault;
	if (fault == TLS_FAULT_OTHER)
		t->other_fault = error;
	return 1;
}

static bool
is_address(const char *host)
{
	struct in6_addr unused;

	return inet_pton(AF_INET, host, &unused) == 1 ||
	       inet_pton(AF_INET6, host, &unused) == 1;
}

/* The host as a certificate would name it: no zone, no dot at the end. */
static char *
plain_host(const char *host)
{
	char *copy = strdup(host);
	size_t n;

	if (!copy)
		return NULL;
	copy[strcspn(copy, "%")] = '\0';
	n = strlen(copy);
	if (n > 1 && copy[n - 1] == '.')
		copy[n - 1] = '\0';
	return copy;
}

int
trust_prepare(struct tls *t)
{
	static const unsigned char alpn[] = {3, 'f', 't', 'p'};
	_cleanup_free_ char *host = plain_host(t->h->host);
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	int good = 0;

	if (!host)
		return -FERRY_ENOMEM;
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, note_fault);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(host))
		good = X509_VERIFY_PARAM_set1_ip_asc(param, host);
	else
		good = X509_VERIFY_PARAM_set1_host(param, host, 0) &&
		       SSL_set_tlsext_host_name(t->ssl, host);
	/* for the conversation only: a server that speaks another protocol on the same
	 * certificate then notices (ALPACA). 0 is success here */
	if (good && !t->data)
		good = SSL_set_alpn_protos(t->ssl, alpn, sizeof(alpn)) == 0;
	ERR_clear_error();
	return good ? 0 : -FERRY_ENOMEM;
}

/* ---------------------------------------------------------------- what a certificate
 * says
 */

static int
hash_key(X509 *cert, uint8_t out[PIN_SIZE])
{
	unsigned char *der = NULL;
	unsigned n = PIN_SIZE;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool good =
	    len > 0 && EVP_Digest(der, (size_t)len, out, &n, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return good ? 0 : -FERRY_ETLS;
}

/* "CN = ftp.example.com, O = Example" made harmless; owned by the caller. */
static char *
name_text(X509_NAME *name)
{
	char text[NAME_TEXT_MAX] = "";
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	if (!bio)
		return NULL;
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
	n = BIO_read(bio, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
	return safe_text(text);
}

/* The names that the certificate is for: "a.example, b.example". */
static void
add_names(X509 *cert, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[INET6_ADDRSTRLEN];

		if (name->type == GEN_DNS)
			buf_printf(out, "%s%.*s", buf_len(out) ? ", " : "",
			    ASN1_STRING_length(name->d.dNSName),
			    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		else if (name->type == GEN_IPADD &&
			 inet_ntop(ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET
									      : AF_INET6,
			     ASN1_STRING_get0_data(name->d.iPAddress), text,
			     sizeof(text)))
			buf_printf(out, "%s%s", buf_len(out) ? ", " : "", text);
	}
	GENERAL_NAMES_free(names);
}

static char *
names_text(X509 *cert)
{
	struct buf out = BUF_INIT(NAME_TEXT_MAX);
	char *text;

	add_names(cert, &out);
	if (buf_len(&out) == 0) {
		buf_free(&out);
		return name_text(X509_get_subject_name(cert));
	}
	text = buf_cstr(&out) ? safe_text(buf_cstr(&out)) : NULL;
	buf_free(&out);
	return text;
}

/* Seconds since 1970, or INT64_MIN. */
static int64_t
time_value(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : INT64_MIN;
}

static const char *
date_text(const ASN1_TIME *time, char out[32])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) ||
	    strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		return "?";
	return out;
}

/* ---------------------------------------------------------------- in words */

/* The gravest fault as a sentence, with what to do. Owned by the caller; NULL: out of
 * memory. */
static char *
problem_text(struct tls *t, X509 *cert)
{
	_cleanup_free_ char *host = safe_text(t->h->host);
	_cleanup_free_ char *names = names_text(cert);
	_cleanup_free_ char *issuer = name_text(X509_get_issuer_name(cert));
	char date[32], *text = NULL;
	int n;

	if (!host || !names || !issuer)
		return NULL;
	if (t->faults & TLS_FAULT_HOST)
		n = asprintf(&text,
		    "the certificate that %s shows is for %s: connect by a name that is "
		    "in "
		    "it; if there is none, the server is set up wrongly, or another one "
		    "answers in its place",
		    host, names);
	else if (t->faults & TLS_FAULT_EXPIRED)
		n = asprintf(&text,
		    "the certificate of %s expired on %s: its administrator has to renew "
		    "it "
		    "(or the clock of this machine is wrong)",
		    host, date_text(X509_get0_notAfter(cert), date));
	else if (t->faults & TLS_FAULT_NOT_YET)
		n = asprintf(&text,
		    "the certificate of %s is valid only from %s on: is the clock of "
		    "this "
		    "machine right?",
		    host, date_text(X509_get0_notBefore(cert), date));
	else if (t->faults & TLS_FAULT_SELF_SIGNED)
		n = asprintf(&text,
		    "the certificate of %s is self-signed: nobody but the server itself "
		    "says that it is the right one. Ask its administrator for the "
		    "fingerprint",
		    host);
	else if (t->faults & TLS_FAULT_UNKNOWN_CA)
		n = asprintf(&text,
		    "the certificate of %s was issued by an authority that is not known "
		    "here: %s. Get the authority's own certificate, or ask the server's "
		    "administrator for the fingerprint",
		    host, issuer);
	else
		n = asprintf(&text, "the certificate of %s does not hold: %s", host,
		    X509_verify_cert_error_string(t->other_fault));
	return n < 0 ? NULL : text;
}

static int
fail_fingerprint(struct tls *t, const uint8_t key[PIN_SIZE], const char *problem)
{
	char text[PIN_TEXT_MAX];

	return fail(t->h, FERRY_ETLSCERT, 0, "%s. Its fingerprint is SHA256:%s", problem,
	    pin_format(key, text));
}

/* ---------------------------------------------------------------- judgement */

/* The last resort: the program. */
static int
ask_program(struct tls *t, X509 *cert, const uint8_t key[PIN_SIZE])
{
	struct ferry *h = t->h;
	_cleanup_free_ char *subject = name_text(X509_get_subject_name(cert));
	_cleanup_free_ char *issuer = name_text(X509_get_issuer_name(cert));
	_cleanup_free_ char *problem = problem_text(t, cert);
	char text[PIN_TEXT_MAX];
	struct ferry_tls_peer peer = {
	    .struct_size = sizeof(peer),
	    .host = h->host,
	    .port = h->port,
	    .fingerprint = pin_format(key, text),
	    .subject = subject,
	    .issuer = issuer,
	    .not_before = time_value(X509_get0_notBefore(cert)),
	    .not_after = time_value(X509_get0_notAfter(cert)),
	    .problem = problem,
	};

	if (!subject || !issuer || !problem)
		return fail_memory(h);
	if (h->security.trust_cb && h->security.trust_cb(&peer, h->security.trust_user))
		return 0;
	return fail_fingerprint(t, key, problem);
}

static int
judge_control(
    struct tls *t, X509 *cert, const uint8_t key[PIN_SIZE], enum ferry_trust *ret_trust)
{
	const struct security *s = &t->h->security;

	if (s->has_pin) {
		*ret_trust = FERRY_TRUST_PIN;
		if (memcmp(key, s->pin, PIN_SIZE) == 0)
			return 0;
		return fail_fingerprint(t, key,
		    "the server's key is not the pinned one: another server answers, or "
		    "it "
		    "has a new key");
	}
	*ret_trust = t->faults ? FERRY_TRUST_PROGRAM : FERRY_TRUST_AUTHORITY;
	return t->faults ? ask_program(t, cert, key) : 0;
}

static int
judge_data(struct tls *t, const uint8_t key[PIN_SIZE], enum ferry_trust *ret_trust)
{
	const struct security *s = &t->h->security;

	*ret_trust = FERRY_TRUST_SAME_KEY;
	if (memcmp(key, s->key, PIN_SIZE) == 0)
		return 0;
	*ret_trust = FERRY_TRUST_AUTHORITY;
	if (!s->has_pin && !t->faults && s->trust == FERRY_TRUST_AUTHORITY)
		return 0;
	return fail_fingerprint(t, key,
	    "the data connection shows another certificate than the control connection: "
	    "somebody else may have taken the call");
}

static void
tell(struct tls *t, const uint8_t key[PIN_SIZE], enum ferry_trust trust, bool resumed)
{
	char text[PIN_TEXT_MAX];

	event_emit(t->h, (struct ferry_event){
			     .kind = FERRY_EV_TLS,
			     .channel = t->data ? FERRY_DATA : FERRY_CONTROL,
			     .text = SSL_get_version(t->ssl),
			     .cipher = SSL_get_cipher_name(t->ssl),
			     .fingerprint = pin_format(key, text),
			     .trust = trust,
			     .resumed = resumed,
			 });
}

int
trust_judge(struct tls *t)
{
	struct security *s = &t->h->security;
	bool resumed = SSL_session_reused(t->ssl);
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	enum ferry_trust trust = FERRY_TRUST_SESSION;
	uint8_t key[PIN_SIZE];
	int r = 0;

	/* only the holder of the control connection's secrets can resume its session */
	if (t->data && resumed) {
		memcpy(key, s->key, PIN_SIZE);
	} else {
		if (!cert || hash_key(cert, key) < 0)
			return fail(t->h, FERRY_ETLSCERT, 0,
			    "%s shows no certificate: anybody could be behind it",
			    t->h->host);
		r = t->data ? judge_data(t, key, &trust)
			    : judge_control(t, cert, key, &trust);
	}
	if (r < 0)
		return r;
	t->done = true;
	if (!t->data) {
		s->trust = trust;
		memcpy(s->key, key, PIN_SIZE);
	}
	tell(t, key, trust, resumed);
	return 0;
}

/* ---------------------------------------------------------------- asked */

int
ferry_tls_info(const struct ferry *h, struct ferry_tls_info *ret)
{
	const struct tls *t = h->control.tls;

	if (!t || !t->done)
		return -FERRY_ESTATE;
	*ret = (struct ferry_tls_info){
	    .struct_size = sizeof(*ret),
	    .version = SSL_get_version(t->ssl),
	    .cipher = SSL_get_cipher_name(t->ssl),
	    .trust = h->security.trust,
	};
	pin_format(h->security.key, ret->fingerprint);
	return 0;
}
