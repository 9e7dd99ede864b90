/*
 * One TLS connection over OpenSSL. For conn.c. Must never block, never report an end that
 * the peer did not sign, and never touch a file but to read from one that it was given.
 */
#include "tls.h"

#include <ferry/ferry.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "gather.h"
#include "hostname.h"
#include "msg.h"
#include "section.h"
#include "tls_identity.h"
#include "util.h"

/* A record holds 16 KiB at most; as many of them are made in one go. */
#define FILE_CHUNK (128 * 1024)
/* ... with what TLS adds to them. */
#define GATHERED (FILE_CHUNK + 8 * 256)
/* Uploads are read from the socket in such pieces instead of record by record. */
#define READ_CHUNK (64 * 1024)

static void set_callbacks(SSL_CTX *ctx);

struct tls {
	struct tls_identity *id;
	struct tls_identity *first; /* whose context has the sessions that go by number */
	struct tls_identity *const *identity; /* by host; NULL: the choice is made */
	const struct conf *conf;              /* while identity is set */
	size_t host;                          /* whose id is */
	char *name;                           /* that the client asked for, or NULL */
	SSL *ssl;
	enum tls_use use;
	uint8_t session[TLS_NUMBER];
	bool read_waits_to_write, write_waits_to_read;
	bool more;
	int late, late_errno; /* what the next tls_read() returns, and ever after */
	bool broken;          /* OpenSSL must not be called on it any more */
	bool torn;            /* the connection ended within a record */
	bool ended;           /* our close_notify is on its way */
	bool kernel;          /* encrypts: nothing is to be gathered */
	struct gather *gather; /* of what is sent in bulk; NULL: not yet, or never */
	uint8_t *chunk;       /* of a file, without kernel TLS */
	size_t used, len;
	char why[160];
};

/* ---- results ---- */

static const char *
alert_words(unsigned long error)
{
	const char *reason = ERR_reason_error_string(error);

	return reason != NULL ? reason : "the connection was broken off";
}

/* Is a part of a record here, its header or more? */
static bool
has_part(const SSL *ssl)
{
	return SSL_has_pending(ssl) == 1 || strcmp(SSL_rstate_string(ssl), "RB") == 0;
}

static int
failed(struct tls *t, int what)
{
	unsigned long error = ERR_peek_error();
	int saved = errno;

	t->broken = true;
	ERR_clear_error();
	if (what == SSL_ERROR_SSL &&
	    ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		snprintf(t->why, sizeof(t->why),
		    "the connection ended without TLS's end mark (close_notify)");
		t->torn = has_part(t->ssl);
		return -FERRY_ESHORT;
	}
	if (what == SSL_ERROR_SYSCALL && saved != 0) {
		snprintf(t->why, sizeof(t->why), "%s", strerror(saved));
		errno = saved;
		return -FERRY_ESYS;
	}
	snprintf(t->why, sizeof(t->why), "%s", alert_words(error));
	errno = EPROTO;
	return -FERRY_EPROTO;
}

/* n of an SSL_ function as a result of ours. */
static int
result(struct tls *t, int n, bool *ret_waits_to_write, bool *ret_waits_to_read)
{
	int what = SSL_get_error(t->ssl, n);

	*ret_waits_to_write = what == SSL_ERROR_WANT_WRITE;
	*ret_waits_to_read = what == SSL_ERROR_WANT_READ;
	switch (what) {
	case SSL_ERROR_NONE:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return FERRY_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return -FERRY_EOF;
	default:
		return failed(t, what);
	}
}

static int
read_result(struct tls *t, int n)
{
	bool unused;

	return result(t, n, &t->read_waits_to_write, &unused);
}

static int
write_result(struct tls *t, int n)
{
	bool unused;

	return result(t, n, &unused, &t->write_waits_to_read);
}

/* The error queue is the thread's: what another connection left there is not ours. */
static bool
prepare(struct tls *t)
{
	ERR_clear_error();
	errno = 0;
	if (t->broken)
		errno = EPROTO;
	return !t->broken;
}

/* ---- what OpenSSL asks us ---- */

static bool
offers(const uint8_t *list, unsigned n, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < n && i + 1 + list[i] <= n; i += 1U + list[i]) {
		if (list[i] == len && memcmp(list + i + 1, name, len) == 0)
			return true;
	}
	return false;
}

/* RFC 7301 3.2, against ALPACA: a client that wants to talk to a web or mail server is
 * not ours, whoever led it here. */
static int
on_alpn(SSL *ssl, const uint8_t **ret, uint8_t *ret_n, const uint8_t *list, unsigned n,
    void *arg)
{
	static const char *const control[] = {"ftp", NULL};
	static const char *const data[] = {"ftp-data", "ftp", NULL};
	const struct tls *t = SSL_get_app_data(ssl);
	const char *const *names = t->use == TLS_CONTROL ? control : data;

	for (; *names != NULL; names++) {
		if (!offers(list, n, *names))
			continue;
		*ret = (const uint8_t *)*names;
		*ret_n = (uint8_t)strlen(*names);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* That the name was understood is told by OpenSSL. */
static int
on_server_name(SSL *ssl, int *ret_alert, void *arg)
{
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 6066 3: a list with one name of type 0, a host's. Another one is none. */
static struct bytes
asked_name(SSL *ssl)
{
	const size_t head = 2 + 1 + 2;
	const unsigned char *p;
	size_t n;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 ||
	    n <= head || p[2] != TLSEXT_NAMETYPE_host_name ||
	    (size_t)(p[3] << 8 | p[4]) != n - head)
		return (struct bytes){0};
	return (struct bytes){.p = p + head, .n = n - head};
}

/* From here on the handshake is that of this host: certificates, tickets, what clients
 * have to show. To be called before anything is decided. */
static void
take_identity(struct tls *t, struct tls_identity *id, size_t host)
{
	tls_identity_ref(id);
	tls_identity_unref(t->id);
	t->id = id;
	t->host = host;
	set_callbacks(id->ctx);
	SSL_set_SSL_CTX(t->ssl, id->ctx);
	SSL_set_verify(t->ssl, SSL_CTX_get_verify_mode(id->ctx),
	    SSL_CTX_get_verify_callback(id->ctx));
}

/* May the client ask for what is no section's name? */
static bool
permits_name(const struct tls *t, struct bytes name)
{
	const char *only = t->conf->ssl_sni_hostname;

	return only == NULL || only[0] == '\0' || hostname_same(name, bytes_of(only));
}

/* The very first of the handshake: no session has been looked for yet, and one of another
 * host's context is not found then. */
static int
on_client_hello(SSL *ssl, int *ret_alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);

	if (t->identity == NULL)
		return SSL_CLIENT_HELLO_SUCCESS;
	struct bytes name = asked_name(ssl);
	size_t host = hostname_is_valid(name) ? section_find_host(t->conf, name) : 0;

	*ret_alert = SSL_AD_UNRECOGNIZED_NAME;
	if (host == 0 && t->use == TLS_CONTROL && !permits_name(t, name))
		return SSL_CLIENT_HELLO_ERROR;
	*ret_alert = SSL_AD_INTERNAL_ERROR;
	if (host > 0 && t->identity[host] == NULL)
		return SSL_CLIENT_HELLO_ERROR;
	if (host > 0)
		take_identity(t, t->identity[host], host);
	free(t->name);
	t->name = hostname_is_valid(name) ? bytes_dup(name) : NULL;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* OCSP stapling: the answer for the certificate that this client is shown. */
static int
on_status(SSL *ssl, void *arg)
{
	const struct tls *t = SSL_get_app_data(ssl);
	const X509 *shown = SSL_get_certificate(ssl);

	for (size_t i = 0; i < TLS_CERTIFICATES; i++) {
		size_t n = t->id->certificate[i].ocsp_len;

		if (shown == NULL || t->id->certificate[i].cert != shown || n == 0)
			continue;
		void *copy = OPENSSL_memdup(t->id->certificate[i].ocsp, n);
		if (copy == NULL)
			break;
		SSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)n);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* The number that a session carries, or NULL. */
static const uint8_t *
number_of(SSL_SESSION *session)
{
	void *p = NULL;
	size_t n = 0;

	if (session == NULL || SSL_SESSION_get0_ticket_appdata(session, &p, &n) != 1 ||
	    n != TLS_NUMBER)
		return NULL;
	return p;
}

/* A session that is new gets this connection's number, a resumed one keeps its own. */
static int
on_ticket_made(SSL *ssl, void *arg)
{
	const struct tls *t = SSL_get_app_data(ssl);
	SSL_SESSION *session = SSL_get_session(ssl);

	if (number_of(session) != NULL)
		return 1;
	return SSL_SESSION_set1_ticket_appdata(session, t->session, TLS_NUMBER);
}

/* Whose call it is, and so of which host, the number in its ticket will tell: the
 * ticket's own context is the right one. */
static void
take_context(SSL *ssl, SSL_SESSION *session)
{
	unsigned n;
	const unsigned char *context = SSL_SESSION_get0_id_context(session, &n);

	SSL_set_session_id_context(ssl, context, n);
}

/* A ticket stands for a signature that was made days ago, perhaps: where a certificate
 * may stand for a password it has to be shown with each control connection. */
static bool
must_show_certificate(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *t = SSL_get_app_data(ssl);

	return t->use == TLS_CONTROL && cert_user_of(t->conf) != CERT_USER_NONE &&
	       SSL_SESSION_get0_peer(session) != NULL;
}

static SSL_TICKET_RETURN
on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
    SSL_TICKET_STATUS status, void *arg)
{
	if (session != NULL &&
	    ((const struct tls *)SSL_get_app_data(ssl))->use == TLS_CALL)
		take_context(ssl, session);
	if ((status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW) &&
	    must_show_certificate(ssl, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	default: /* none, or one of another server: a full handshake and a new ticket */
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

/* ---- life ---- */

static void
set_callbacks(SSL_CTX *ctx)
{
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
	SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_read, NULL);
}

static void
set_use(struct tls *t)
{
	/* For the first data connection. Whoever uses it gets another one, and two cost a
	 * login 3%. */
	if (t->use == TLS_CONTROL) {
		SSL_set_num_tickets(t->ssl, 1);
		return;
	}
	SSL_set_options(t->ssl, SSL_OP_ENABLE_KTLS);
	if (t->use == TLS_DOWNLOAD)
		return;
	/* A ticket that the client has not read when it closes would turn its close into
	 * a reset, and cost it the end of its file: tls_give_ticket() instead. */
	SSL_set_num_tickets(t->ssl, 0);
	SSL_set_read_ahead(t->ssl, 1);
	SSL_set_default_read_buffer_len(t->ssl, READ_CHUNK);
}

/* The context that sessions are kept in is that of SSL_new(), whatever is chosen later:
 * it is `first` for a control connection and for its data connections. */
static struct tls *
make(struct tls_identity *first, struct tls_identity *id, size_t host, int fd,
    enum tls_use use)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->first = tls_identity_ref(first);
	t->use = use;
	set_callbacks(first->ctx);
	t->ssl = SSL_new(first->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1 ||
	    RAND_bytes(t->session, TLS_NUMBER) != 1) {
		tls_free(t);
		return NULL;
	}
	SSL_set_app_data(t->ssl, t);
	SSL_set_accept_state(t->ssl);
	take_identity(t, id, host);
	set_use(t);
	return t;
}

struct tls *
tls_new(struct tls_identity *const *identity, size_t host, const struct conf *conf,
    int fd, enum tls_use use)
{
	struct tls *t = identity[host] != NULL
			    ? make(identity[0], identity[host], host, fd, use)
			    : NULL;

	if (t == NULL)
		return NULL;
	t->conf = conf;
	t->identity = use == TLS_CONTROL || use == TLS_CALL ? identity : NULL;
	return t;
}

struct tls *
tls_new_beside(const struct tls *control, int fd, enum tls_use use)
{
	return make(control->first, control->id, control->host, fd, use);
}

size_t
tls_host(const struct tls *t)
{
	return t->host;
}

const char *
tls_server_name(const struct tls *t)
{
	return t->name;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	/* OpenSSL would forget a session that it believes to be broken off; ours may be
	 * resumed by the next data connection. */
	if (t->ssl != NULL && !t->broken)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	gather_free(t->gather);
	tls_identity_unref(t->id);
	tls_identity_unref(t->first);
	free(t->name);
	free(t->chunk);
	free(t);
}

/* The session's number: a resumed one brings it along. */
static void
take_number(struct tls *t)
{
	SSL_SESSION *session = SSL_get_session(t->ssl);
	const uint8_t *number = SSL_session_reused(t->ssl) ? number_of(session) : NULL;

	if (number != NULL)
		memcpy(t->session, number, TLS_NUMBER);
	else if (session != NULL)
		SSL_SESSION_set1_ticket_appdata(session, t->session, TLS_NUMBER);
}

int
tls_handshake(struct tls *t)
{
	if (!prepare(t))
		return -FERRY_EPROTO;
	int r = read_result(t, SSL_do_handshake(t->ssl));
	if (r == 0) {
		take_number(t);
		t->kernel = BIO_get_ktls_send(SSL_get_wbio(t->ssl));
		/* The client's first bytes may have come with the end of its handshake.
		 */
		t->more = SSL_has_pending(t->ssl) == 1;
	}
	if (r == -FERRY_EOF || r == -FERRY_ESHORT)
		snprintf(t->why, sizeof(t->why), "the client ended the handshake");
	return r < 0 ? -FERRY_EPROTO : r;
}

/* ---- bytes ---- */

/* An end or a failure behind bytes that came before it: the next read tells it. */
static void
keep_for_later(struct tls *t, int r)
{
	if (r >= 0)
		return;
	t->late = r;
	t->late_errno = errno;
	t->more = true;
}

int
tls_read(struct tls *t, void *p, size_t n, size_t *ret_n)
{
	size_t total = 0;
	int got;

	t->more = false;
	if (t->late != 0) {
		errno = t->late_errno;
		return t->late;
	}
	if (!prepare(t))
		return -FERRY_ESYS;
	/* One call gives one record of 16 KiB at most. */
	do {
		size_t room = n - total < INT32_MAX ? n - total : INT32_MAX;

		got = SSL_read(t->ssl, (uint8_t *)p + total, (int)room);
		total += got > 0 ? (size_t)got : 0;
		t->more = got > 0 && SSL_has_pending(t->ssl) == 1;
	} while (t->more && total < n);
	if (total == 0)
		return read_result(t, got);
	if (got <= 0)
		keep_for_later(t, read_result(t, got));
	*ret_n = total;
	return 0;
}

bool
tls_has_more(const struct tls *t)
{
	return t->more;
}

/* Makes records until all of it is in one. Results of write_result(). */
static int
write_records(struct tls *t, const uint8_t *p, size_t n, size_t *ret_n)
{
	int r = 0;

	/* One call makes one record of 16 KiB at most. */
	while (*ret_n < n && r == 0) {
		size_t left = n - *ret_n < INT32_MAX ? n - *ret_n : INT32_MAX;
		int made = SSL_write(t->ssl, p + *ret_n, (int)left);

		if (made > 0)
			*ret_n += (size_t)made;
		else
			r = write_result(t, made);
	}
	return r;
}

bool
tls_gathers(struct tls *t)
{
	if (t->gather == NULL && t->use != TLS_CONTROL && !t->kernel) {
		struct gather *g = gather_new(SSL_get_wfd(t->ssl), GATHERED);
		BIO *bio = g != NULL ? gather_bio(g) : NULL;

		if (bio == NULL) {
			gather_free(g);
			return false;
		}
		SSL_set0_wbio(t->ssl, bio);
		t->gather = g;
	}
	return t->gather != NULL;
}

/* Large pieces are gathered from the first one on, unless the kernel encrypts. Without
 * memory it goes on record by record. */
static void
may_gather(struct tls *t, size_t n)
{
	if (t->gather != NULL || (n > SSL3_RT_MAX_PLAIN_LENGTH && tls_gathers(t)))
		gather_begin(t->gather);
}

int
tls_flush(struct tls *t)
{
	return t->gather != NULL ? gather_flush(t->gather) : 0;
}

bool
tls_has_unsent(const struct tls *t)
{
	return t->gather != NULL && gather_has_unsent(t->gather);
}

int
tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n)
{
	size_t sent = 0;

	if (!prepare(t))
		return -FERRY_ESYS;
	/* No more is made before what is there has left. */
	int r = tls_flush(t);
	if (r != 0)
		return r;
	may_gather(t, n);
	r = write_records(t, p, n, &sent);
	if (tls_flush(t) < 0)
		return -FERRY_ESYS;
	if (sent == 0)
		return r == -FERRY_EOF ? -FERRY_EPROTO : r;
	if (r == 0)
		t->write_waits_to_read = false;
	*ret_n = sent;
	return 0;
}

/* ---- files ---- */

static int
kernel_sendfile(struct tls *t, int file, uint64_t *offset, size_t n, size_t *ret_n)
{
	if (!prepare(t))
		return -FERRY_ESYS;
	ossl_ssize_t sent = SSL_sendfile(t->ssl, file, (off_t)*offset, n, 0);
	if (sent < 0)
		return write_result(t, (int)sent);
	t->write_waits_to_read = false;
	*offset += (uint64_t)sent;
	*ret_n = (size_t)sent;
	return 0;
}

/* Fills the empty chunk from the file. 0 with t->len 0: the file ends there. */
static int
read_chunk(struct tls *t, int file, uint64_t offset, size_t n)
{
	if (t->chunk == NULL)
		t->chunk = malloc(FILE_CHUNK);
	if (t->chunk == NULL) {
		errno = ENOMEM;
		return -FERRY_ESYS;
	}
	ssize_t got =
	    pread(file, t->chunk, n < FILE_CHUNK ? n : FILE_CHUNK, (off_t)offset);
	if (got < 0) {
		/* To the caller a file that cannot be read is an input error, whatever
		 * its cause. */
		errno = EIO;
		return -FERRY_ESYS;
	}
	t->used = 0;
	t->len = (size_t)got;
	return 0;
}

int
tls_sendfile(struct tls *t, int file, uint64_t *offset, size_t n, size_t *ret_n)
{
	size_t total = 0;
	int r = 0;

	if (t->kernel)
		return kernel_sendfile(t, file, offset, n, ret_n);
	while (r == 0 && (t->used < t->len || total < n)) {
		size_t sent = 0;

		if (t->used == t->len)
			r = read_chunk(t, file, *offset, n - total);
		if (r == 0 && t->len == 0)
			break;
		if (r == 0)
			r = tls_write(t, t->chunk + t->used, t->len - t->used, &sent);
		t->used += sent;
		*offset += sent;
		total += sent;
	}
	*ret_n = total;
	return total > 0 ? 0 : r;
}

int
tls_end(struct tls *t)
{
	if (t->ended)
		return 0;
	/* Before its end a handshake has no session to close in order. */
	if (!prepare(t) || !SSL_is_init_finished(t->ssl))
		return -FERRY_ESYS;
	int r = tls_flush(t);
	if (r != 0)
		return r;
	r = SSL_shutdown(t->ssl);
	if (r < 0) {
		r = write_result(t, r);
		return r == 0 ? FERRY_AGAIN : r;
	}
	t->ended = true;
	return 0;
}

/* ---- what there is to know ---- */

bool
tls_read_waits_to_write(const struct tls *t)
{
	return t->read_waits_to_write;
}

bool
tls_write_waits_to_read(const struct tls *t)
{
	return t->write_waits_to_read;
}

bool
tls_is_torn(const struct tls *t)
{
	return t->torn;
}

const char *
tls_why(const struct tls *t)
{
	return t->why;
}

void
tls_get_number(const struct tls *t, uint8_t ret_number[TLS_NUMBER])
{
	memcpy(ret_number, t->session, TLS_NUMBER);
}

bool
tls_resumes(const struct tls *t, const uint8_t number[TLS_NUMBER])
{
	return SSL_session_reused(t->ssl) &&
	       CRYPTO_memcmp(t->session, number, TLS_NUMBER) == 0;
}

bool
tls_client_is(const struct tls *t, const char *user, struct buf *ret_chain)
{
	const X509 *cert = SSL_get0_peer_certificate(t->ssl);
	const STACK_OF(X509) *behind = SSL_get_peer_cert_chain(t->ssl);
	int r;

	if (cert == NULL || SSL_session_reused(t->ssl) ||
	    SSL_get_verify_result(t->ssl) != X509_V_OK ||
	    !certificate_names(cert, cert_user_of(t->conf), user))
		return false;
	r = chain_append(ret_chain, cert);
	for (int i = 0; i < sk_X509_num(behind) && r == 0; i++)
		r = chain_append(ret_chain, sk_X509_value(behind, i));
	return r == 0;
}

void
tls_give_ticket(struct tls *t)
{
	if (prepare(t) && SSL_version(t->ssl) >= TLS1_3_VERSION && !t->ended)
		SSL_new_session_ticket(t->ssl);
	ERR_clear_error();
}

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_describe(const struct tls *t, char *out, size_t size)
{
	snprintf(out, size, "version=%s cipher=%s resumed=%s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl), SSL_session_reused(t->ssl) ? "yes" : "no");
	return out;
}
