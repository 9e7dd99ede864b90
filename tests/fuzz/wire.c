/*
 * See wire.h. OpenSSL works between two memory BIOs: what it makes is moved to `out`, and
 * leaves from there.
 */
#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "util.h"

#define RECORD_HEAD 5
/* OpenSSL takes 32 empty records in a row, and no more. */
#define EMPTIES_MAX 32

/* ---- sums ---- */

void
wire_sum_add(struct wire_sum *s, const void *p, size_t n)
{
	const uint8_t *byte = p;

	for (size_t i = 0; i < n; i++)
		s->sum = (s->sum ^ byte[i]) * 0x100000001b3;
	s->n += n;
}

bool
wire_sum_same(const struct wire_sum *a, const struct wire_sum *b)
{
	return a->n == b->n && a->sum == b->sum;
}

/* ---- life ---- */

void
wire_open(struct wire *w, int fd)
{
	*w = (struct wire){
	    .fd = fd, .plain = BUF_INIT(WIRE_WAITS_MAX), .out = BUF_INIT(WIRE_WAITS_MAX)};
}

static void
drop_tls(struct wire *w)
{
	/* OpenSSL would forget a session that looks broken off. */
	if (w->ssl != NULL)
		SSL_set_shutdown(w->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(w->ssl);
	w->ssl = NULL;
	ERR_clear_error();
}

void
wire_succeed(struct wire *w, const struct wire *before, int fd)
{
	wire_open(w, fd);
	w->piece = before->piece;
	w->pieces = before->pieces;
	w->held = before->held;
	w->let = before->let;
	w->record = before->record;
}

void
wire_close(struct wire *w)
{
	/* In clear a close is an end like any other. */
	if (w->fd >= 0 && w->ssl == NULL && buf_len(&w->out) == 0 && !w->spoiled)
		w->whole = true;
	w->shut |= w->fd >= 0 && !w->reset;
	int waiting = 0;
	if (w->fd >= 0)
		(void)ioctl(w->fd, FIONREAD, &waiting);
	w->unread = waiting > 0;
	drop_tls(w);
	buf_free(&w->plain);
	buf_free(&w->out);
	fd_closep(&w->fd);
}

/* ---- OpenSSL ---- */

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	const struct wire *w = SSL_get_app_data(ssl);

	if (w->fresh == NULL)
		return 0;
	SSL_SESSION_free(*w->fresh);
	*w->fresh = session;
	return 1;
}

/* The length of the record that p begins with; 0: there is no whole one. */
static size_t
record_length(const uint8_t *p, size_t n)
{
	size_t length = n < RECORD_HEAD ? 0 : RECORD_HEAD + p[3] * 256U + p[4];

	return length <= n ? length : 0;
}

/* What OpenSSL has made is on its way. */
static void
collect(struct wire *w)
{
	BIO *made = SSL_get_wbio(w->ssl);
	char *data;
	long n = BIO_get_mem_data(made, &data);
	const uint8_t *p = (const uint8_t *)data;

	/* Its own close, or a ticket: the other side takes it for forged. */
	if (n > 0 && w->forging)
		w->spoiled = true;
	if (n > 0 && buf_append(&w->out, p, (size_t)n) < 0)
		w->broken = w->spoiled = true;
	for (size_t left = n > 0 ? (size_t)n : 0, one; (one = record_length(p, left)) > 0;
	     p += one, left -= one)
		w->forge.records++;
	(void)BIO_reset(made);
}

/* The secret that our records are made with, once there is one. For SSL_CTX's keylog. */
static void
keep_secret(const SSL *ssl, const char *line)
{
	struct wire *w = SSL_get_app_data(ssl);
	const char *name =
	    w->server ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
	const char *last = strrchr(line, ' ');
	uint8_t secret[FORGE_SECRET + 1];
	size_t n = 0;

	if (strncmp(line, name, strlen(name)) != 0 ||
	    OPENSSL_hexstr2buf_ex(secret, sizeof(secret), &n, last + 1, '\0') != 1 ||
	    n != FORGE_SECRET)
		return;
	forge_begin(&w->forge, secret);
	w->forgeable = true;
}

/* n of an SSL_ function: false when TLS has failed. */
static bool
succeeded(struct wire *w, int n)
{
	int what = SSL_get_error(w->ssl, n);

	collect(w);
	if (what == SSL_ERROR_ZERO_RETURN)
		w->notified = true;
	else if (what != SSL_ERROR_NONE && what != SSL_ERROR_WANT_READ)
		w->broken = true;
	ERR_clear_error();
	return !w->broken;
}

void
wire_secure(struct wire *w, SSL_CTX *ctx, bool server, SSL_SESSION *session)
{
	if (w->fd < 0 || w->ssl != NULL)
		return;
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	SSL_CTX_set_keylog_callback(ctx, keep_secret);
	w->ssl = SSL_new(ctx);
	assert(w->ssl != NULL);
	SSL_set_bio(w->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_app_data(w->ssl, w);
	w->server = server;
	w->secure = true;
	if (server)
		SSL_set_accept_state(w->ssl);
	else
		SSL_set_connect_state(w->ssl);
	/* A copy: what becomes of this connection spoils nothing for the next. */
	SSL_SESSION *copy = session != NULL ? SSL_SESSION_dup(session) : NULL;
	if (copy != NULL)
		SSL_set_session(w->ssl, copy);
	SSL_SESSION_free(copy);
}

bool
wire_is_shaking(const struct wire *w)
{
	return w->ssl != NULL && !SSL_is_init_finished(w->ssl);
}

static void
seal(struct wire *w, uint8_t type, const void *p, size_t n, size_t padding)
{
	w->forging = true;
	w->empties = n > 0 ? 0 : w->empties + 1;
	w->odd |= w->empties > EMPTIES_MAX;
	if (!forge_record(&w->forge, type, p, n, padding, &w->out))
		w->spoiled = true;
}

/* Encrypts in records that are no longer than wanted. */
static void
encrypt(struct wire *w, const uint8_t *p, size_t n)
{
	size_t most = w->record > 0 ? w->record : 16384;

	while (n > 0 && !w->broken) {
		size_t some = most < n ? most : n;

		if (w->forging)
			seal(w, FORGE_DATA, p, some, 0);
		else if (!succeeded(w, SSL_write(w->ssl, p, (int)some)))
			return;
		p += some;
		n -= some;
	}
}

static void
end_tls(struct wire *w)
{
	static const uint8_t close_notify[] = {SSL3_AL_WARNING, SSL3_AD_CLOSE_NOTIFY};

	if (w->broken || wire_is_shaking(w))
		return;
	if (w->forging) {
		seal(w, FORGE_ALERT, close_notify, sizeof(close_notify), 0);
		return;
	}
	/* It is no failure that the other side has not ended. */
	(void)SSL_shutdown(w->ssl);
	ERR_clear_error();
	collect(w);
}

/* Goes on with the handshake; then says what has waited for its end. */
static bool
shake(struct wire *w)
{
	uint64_t before = w->forge.records;

	if (w->broken || !wire_is_shaking(w))
		return !w->broken;
	if (!succeeded(w, SSL_do_handshake(w->ssl)) || wire_is_shaking(w))
		return false;
	/* With a server's last step come tickets; a client's has other keys. */
	w->forge.records = w->server ? w->forge.records - before : 0;
	encrypt(w, buf_data(&w->plain), buf_len(&w->plain));
	buf_clear(&w->plain);
	if (w->ending)
		end_tls(w);
	return !w->broken;
}

/* ---- saying ---- */

void
wire_say(struct wire *w, const void *p, size_t n)
{
	/* Records have heads and tails: some room is left for them. */
	if (w->fd < 0 || w->ending || buf_len(&w->out) + 2 * n + 4096 > WIRE_WAITS_MAX)
		return;
	if (w->ssl != NULL && (wire_is_shaking(w) || w->broken)) {
		if (buf_append(&w->plain, p, n) < 0)
			return;
	} else if (w->ssl != NULL) {
		encrypt(w, p, n);
	} else {
		int r = buf_append(&w->out, p, n);
		assert(r == 0);
	}
	wire_sum_add(&w->said, p, n);
}

void
wire_notify(struct wire *w)
{
	if (w->fd < 0 || w->ending)
		return;
	w->ending = true;
	if (w->ssl != NULL)
		end_tls(w);
}

void
wire_finish(struct wire *w)
{
	wire_notify(w);
	w->ended = true;
}

static size_t
may_leave(const struct wire *w)
{
	size_t n = buf_len(&w->out);

	if (w->held && w->let < n)
		n = w->let;
	if (w->pieces > 0 && w->piece < n)
		n = w->piece;
	return n;
}

static void
left(struct wire *w, size_t n)
{
	wire_sum_add(&w->gone, buf_data(&w->out), n);
	buf_consume(&w->out, n);
	if (w->held)
		w->let -= n;
	if (w->pieces > 0)
		w->pieces--;
}

/* The end leaves when nothing is in front of it. */
static bool
leave(struct wire *w)
{
	if (!w->ending || buf_len(&w->out) > 0 || (wire_is_shaking(w) && !w->spoiled))
		return false;
	if (!w->spoiled && !w->broken && (w->secure || w->ended))
		w->whole = true;
	if (!w->ended)
		return false;
	w->ended = false;
	w->shut = true;
	shutdown(w->fd, SHUT_WR);
	return true;
}

bool
wire_has_brought(const struct wire *w, bool secure, const struct wire_sum *file)
{
	const struct wire_sum *sent = secure ? &w->said : &w->gone;
	bool has_ended = secure ? w->secure && w->whole : w->shut;

	return has_ended && (file == NULL || wire_sum_same(file, sent));
}

bool
wire_turn(struct wire *w)
{
	bool moved = false;
	ssize_t n = 0;

	if (w->fd < 0)
		return false;
	if (w->ssl != NULL)
		(void)shake(w);
	size_t some = may_leave(w);
	if (some > 0)
		n = send(w->fd, buf_data(&w->out), some, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		left(w, (size_t)n);
		moved = true;
	} else if (n < 0 && errno != EAGAIN) {
		/* Nobody will ever take it. */
		w->spoiled = true;
		buf_clear(&w->out);
	}
	w->settled |= w->ssl != NULL && !wire_is_shaking(w) && buf_len(&w->out) == 0;
	return leave(w) || moved;
}

/* ---- hearing ---- */

static void
told(struct wire *w, const uint8_t *p, size_t n, wire_sink *sink, void *user)
{
	wire_sum_add(&w->heard, p, n);
	if (sink != NULL)
		sink(user, p, n);
}

/* What came behind the end of TLS was said in clear. */
void
wire_clear(struct wire *w, wire_sink *sink, void *user)
{
	char *p;
	long n = BIO_get_mem_data(SSL_get_rbio(w->ssl), &p);
	struct buf left = BUF_INIT(WIRE_WAITS_MAX);
	int r = n > 0 ? buf_append(&left, p, (size_t)n) : 0;

	assert(r == 0);
	drop_tls(w);
	w->broken = w->notified = w->ending = false;
	w->secure = w->settled = w->forgeable = w->forging = false;
	if (buf_len(&left) > 0)
		told(w, buf_data(&left), buf_len(&left), sink, user);
	buf_free(&left);
}

static void
decrypt(struct wire *w, wire_sink *sink, void *user)
{
	uint8_t text[16384];

	while (shake(w)) {
		int n = SSL_read(w->ssl, text, sizeof(text));

		if (n > 0)
			told(w, text, (size_t)n, sink, user);
		else if (!succeeded(w, n) || n <= 0)
			break;
	}
	if (!w->broken)
		collect(w);
}

static void
closed(struct wire *w)
{
	w->over = true;
	if (w->ssl == NULL)
		w->notified = true;
}

bool
wire_hear(struct wire *w, size_t n, wire_sink *sink, void *user)
{
	uint8_t raw[16384];
	bool moved = false;

	while (n > 0 && w->fd >= 0 && !w->over) {
		ssize_t got =
		    recv(w->fd, raw, n < sizeof(raw) ? n : sizeof(raw), MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			break;
		moved = true;
		if (got <= 0) {
			closed(w);
			w->notified &= got == 0 || w->ssl != NULL;
			break;
		}
		n -= (size_t)got;
		wire_sum_add(&w->came, raw, (size_t)got);
		if (w->ssl == NULL) {
			told(w, raw, (size_t)got, sink, user);
		} else {
			BIO_write(SSL_get_rbio(w->ssl), raw, (int)got);
			decrypt(w, sink, user);
		}
	}
	return moved;
}

/* ---- mischief ---- */

/* Not all of a handshake is signed: RFC 8446 D.4 lets change_cipher_spec come and go. */
static void
note_mischief(struct wire *w)
{
	if (w->settled)
		w->spoiled = true;
	else
		w->odd = true;
}

void
wire_spoil(struct wire *w, const void *p, size_t n)
{
	if (w->ssl == NULL || buf_append(&w->out, p, n) < 0)
		return;
	if (n > 0)
		note_mischief(w);
}

void
wire_cut(struct wire *w, size_t n)
{
	if (w->fd < 0 || w->ssl == NULL)
		return;
	w->spoiled = true;
	if (n < buf_len(&w->out))
		buf_truncate(&w->out, n);
	w->held = false;
	w->ending = w->ended = true;
}

void
wire_flip(struct wire *w, size_t n)
{
	if (buf_len(&w->out) == 0 || w->ssl == NULL)
		return;
	n %= buf_len(&w->out);
	/* Not a bit: what is done twice is not undone. */
	w->out.base[w->out.head + n]++;
	note_mischief(w);
}

void
wire_swap(struct wire *w)
{
	uint8_t first[RECORD_HEAD + 0x10000];
	size_t all = buf_len(&w->out), n = record_length(buf_data(&w->out), all);

	/* Twice would be not at all. */
	if (n == 0 || w->ssl == NULL || w->swapped)
		return;
	w->swapped = true;
	uint8_t *p = w->out.base + w->out.head;
	size_t second = record_length(p + n, all - n);
	memcpy(first, p, n);
	if (second > 0) {
		memmove(p, p + n, second);
		memcpy(p + second, first, n);
		note_mischief(w);
	} else {
		wire_spoil(w, first, n);
	}
}

/* New keys for what this side says, and with `both` for the other side's. */
static void
update_keys(struct wire *w, bool both)
{
	const uint8_t message[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, both};

	if (w->forging)
		seal(w, FORGE_HANDSHAKE, message, sizeof(message), 0);
	else if (SSL_key_update(w->ssl, both) != 1 ||
		 !succeeded(w, SSL_do_handshake(w->ssl)))
		return;
	forge_next(&w->forge);
}

void
wire_rekey(struct wire *w, bool both)
{
	if (w->ssl == NULL || w->broken || w->ending || wire_is_shaking(w))
		return;
	if (SSL_version(w->ssl) == TLS1_3_VERSION) {
		update_keys(w, both);
		return;
	}
	/* No server of ours wants it, and no client takes the offer. */
	w->odd = true;
	SSL_renegotiate(w->ssl);
	succeeded(w, SSL_do_handshake(w->ssl));
}

void
wire_forge(struct wire *w, uint8_t type, const void *p, size_t n, size_t padding)
{
	if (w->ssl == NULL || w->broken || w->ending || wire_is_shaking(w) ||
	    !w->forgeable)
		return;
	if (type == FORGE_DATA)
		wire_sum_add(&w->said, p, n);
	else
		w->odd = true;
	seal(w, type, p, n, padding);
	/* It is one however it is made. */
	if (type == FORGE_ALERT && n == 2 &&
	    ((const uint8_t *)p)[1] == SSL3_AD_CLOSE_NOTIFY)
		w->ending = true;
}
