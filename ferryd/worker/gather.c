/*
 * See gather.h. Must never send records in another order than that in which they were
 * made, nor say that one is taken which is not kept.
 */
#include "gather.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct gather {
	BIO_METHOD *method;
	int fd;
	bool gathering;
	uint8_t *p;
	size_t most, used, len; /* what is unsent stands from used to len */
};

static ssize_t
send_now(const struct gather *g, const void *p, size_t n)
{
	return send(g->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool
gather_has_unsent(const struct gather *g)
{
	return g->used < g->len;
}

int
gather_flush(struct gather *g)
{
	g->gathering = false;
	while (gather_has_unsent(g)) {
		ssize_t n = send_now(g, g->p + g->used, g->len - g->used);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? FERRY_AGAIN
								 : -FERRY_ESYS;
		g->used += (size_t)n;
	}
	g->used = g->len = 0;
	return 0;
}

void
gather_begin(struct gather *g)
{
	g->gathering = true;
}

/* ---- as OpenSSL sees it ---- */

static int
bio_keep(struct gather *g, const char *p, int n)
{
	memcpy(g->p + g->len, p, (size_t)n);
	g->len += (size_t)n;
	return n;
}

/* What was gathered goes first. */
static int
bio_send(struct gather *g, BIO *bio, const char *p, int n)
{
	int r = gather_flush(g);
	ssize_t sent = r == 0 ? send_now(g, p, (size_t)n) : -1;

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static int
bio_write(BIO *bio, const char *p, int n)
{
	struct gather *g = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n <= 0)
		return 0;
	if (g->gathering && (size_t)n <= g->most - g->len)
		return bio_keep(g, p, n);
	return bio_send(g, bio, p, n);
}

/* OpenSSL flushes behind every record and every handshake message: it is ours to say
 * when. */
static long
bio_ctrl(BIO *bio, int what, long number, void *p)
{
	return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

BIO *
gather_bio(struct gather *g)
{
	BIO *bio = BIO_new(g->method);

	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, g);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- life ---- */

struct gather *
gather_new(int fd, size_t most)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->fd = fd;
	g->most = most;
	g->p = malloc(most);
	g->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "gather");
	if (g->p == NULL || g->method == NULL ||
	    BIO_meth_set_write(g->method, bio_write) != 1 ||
	    BIO_meth_set_ctrl(g->method, bio_ctrl) != 1) {
		gather_free(g);
		return NULL;
	}
	return g;
}

void
gather_free(struct gather *g)
{
	if (g == NULL)
		return;
	BIO_meth_free(g->method);
	free(g->p);
	free(g);
}
