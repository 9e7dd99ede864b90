/*
 * MODE: how a file lies on the data connection (RFC 959 3.4, and deflate). Asks the
 * server for it, goes back to the stream when it is refused, and turns bytes of a file
 * into bytes of the wire and back. Must never take the end of a connection for the end of
 * a file where the coding has an end of its own, and never use a connection again that is
 * not known to be in step.
 */
#include "client.h"

#include <string.h>

static const struct {
	const char *argument;
	const char *feature; /* FEAT line without which it is not asked for, or NULL */
	const char *name;
} codings[] = {
    [FERRY_CODING_AUTO] = {"S", NULL, "a stream"},
    [FERRY_CODING_STREAM] = {"S", NULL, "a stream"},
    [FERRY_CODING_DEFLATE] = {"Z", "MODE Z", "compression (MODE Z)"},
    /* as old as FTP: older than FEAT */
    [FERRY_CODING_BLOCK] = {"B", NULL, "block mode (MODE B)"},
};

/* ---------------------------------------------------------------- which one */

static void
warn(struct ferry *h, enum ferry_coding coding)
{
	if (h->coding.warned || h->coding.wanted != coding)
		return;
	h->coding.warned = true;
	event_warning(h, "%s does not do %s: files travel as a plain stream", h->host,
	    codings[coding].name);
}

/* What the caller leaves to us: a connection in block mode stays one. */
static enum ferry_coding
choose(const struct ferry *h)
{
	if (h->coding.wanted != FERRY_CODING_AUTO)
		return h->coding.wanted;
	if (h->coding.now == FERRY_CODING_BLOCK)
		return FERRY_CODING_BLOCK;
	return h->many.several && ferry_has_feature(h, "MODE B") ? FERRY_CODING_BLOCK
								   : FERRY_CODING_STREAM;
}

bool
coding_differs(struct ferry *h, enum ferry_coding *ret)
{
	enum ferry_coding coding = choose(h);
	const char *feature = codings[coding].feature;

	if (h->coding.refused[coding] || (feature && !ferry_has_feature(h, feature))) {
		warn(h, coding);
		coding = FERRY_CODING_STREAM;
	}
	*ret = coding;
	return coding != h->coding.now;
}

int
coding_ask(struct ferry *h, enum ferry_coding coding)
{
	/* the server drops it too */
	data_close(h, 0, false);
	h->coding.asked = coding;
	return op_send(h, h->op.state, "MODE", codings[coding].argument);
}

int
coding_reply(struct ferry *h)
{
	struct coding *c = &h->coding;
	int code = h->control.reply.code;

	if (code >= 200 && code < 300) {
		c->now = c->asked;
		return 0;
	}
	if (c->asked != FERRY_CODING_STREAM) {
		coding_give_up(h, c->asked);
		return 0;
	}
	/* one that never learned MODE does nothing but the stream; one that has left it
	 * must go back */
	if (c->now != FERRY_CODING_AUTO)
		return fail_reply(h);
	c->now = FERRY_CODING_STREAM;
	return 0;
}

void
coding_give_up(struct ferry *h, enum ferry_coding coding)
{
	h->coding.refused[coding] = coding != FERRY_CODING_STREAM;
}

void
coding_reset(struct ferry *h)
{
	struct coding *c = &h->coding;

	data_close(h, 0, false);
	coding_fresh(h);
	*c = (struct coding){.wanted = c->wanted, .now = FERRY_CODING_STREAM};
}

void
coding_fresh(struct ferry *h)
{
	struct coding *c = &h->coding;

	c->blocks = BLOCK_READER_INIT;
	deflate_packer_free(c->packer);
	deflate_unpacker_free(c->unpacker);
	c->packer = NULL;
	c->unpacker = NULL;
	h->xfer.io_pos = h->xfer.io_len = 0;
}

/* ---------------------------------------------------------------- one connection for
 * many */

/* 226: the server closes it (RFC 959 5.4); 250: it stays. After a failure it stays if the
 * file's end came all the same. */
bool
coding_keeps(const struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	if (h->coding.now != FERRY_CODING_BLOCK || !h->data.open || h->control.fd < 0)
		return false;
	if (x->state != XFER_RUN || x->final == 0 || x->final == 226 || x->final == 421 ||
	    x->final == 425)
		return false;
	if (block_pending(&h->coding.blocks) || x->cut || x->data_errno)
		return false;
	/* refused before a byte, or all of it */
	return !x->begun || x->data_end;
}

bool
coding_reuses(struct ferry *h)
{
	struct ferry_event ev = {
	    .kind = FERRY_EV_REUSED,
	    .channel = FERRY_DATA,
	    .mode = h->ladder.now,
	};

	if (h->coding.now != FERRY_CODING_BLOCK || !h->data.open)
		return false;
	/* what came unasked must not become a file */
	if (h->xfer.io_pos < h->xfer.io_len || !data_is_idle(h))
		return false;
	/* the caller wants another way since */
	if (!ladder_allows(h, h->ladder.now))
		return false;
	event_address(&ev.local, &h->data.local);
	event_address(&ev.remote, &h->data.remote);
	event_emit(h, ev);
	return true;
}

/* ---------------------------------------------------------------- from the wire */

static int
unblock(struct ferry *h, take_fn *take)
{
	struct transfer *x = &h->xfer;
	enum block_event event;

	do {
		struct bytes data;
		size_t used;
		int r = block_feed(&h->coding.blocks, x->io + x->io_pos,
		    x->io_len - x->io_pos, &used, &event, &data);

		if (r < 0)
			return fail(h, FERRY_EPROTO, 0,
			    "%s agreed to MODE B and sends what is no block", h->host);
		x->io_pos += used;
		r = event == BLOCK_DATA ? take(h, data.p, data.n) : 0;
		if (r < 0)
			return r;
	} while (event != BLOCK_MORE && event != BLOCK_END);
	if (event == BLOCK_MORE)
		return FERRY_AGAIN;
	x->suspect = block_suspect(&h->coding.blocks);
	return 0;
}

static int
fail_unpack(struct ferry *h, int r)
{
	if (r == -FERRY_ENOMEM)
		return fail_memory(h);
	return fail(h, FERRY_EPROTO, 0,
	    "%s agreed to MODE Z and sends what cannot be unpacked", h->host);
}

/* The end of the zlib stream must be the end of the connection: 0 is never returned here.
 * One chunk at a time: a small input may become gigabytes. */
static int
unpack(struct ferry *h, take_fn *take)
{
	struct transfer *x = &h->xfer;
	struct coding *c = &h->coding;
	size_t used;
	int r;

	if (!c->unpacker)
		c->unpacker = deflate_unpacker_new();
	if (!c->unpacker)
		return fail_memory(h);
	r = deflate_unpack(c->unpacker, x->io + x->io_pos, x->io_len - x->io_pos, &used,
	    x->coded, IO_CHUNK, &x->coded_len);
	if (r < 0)
		return fail_unpack(h, r);
	x->io_pos += used;
	if (r == 1 && x->io_pos < x->io_len)
		return fail_unpack(h, -FERRY_EPROTO);
	r = take(h, x->coded, x->coded_len);
	return r < 0 ? r : FERRY_AGAIN;
}

bool
coding_has_more(const struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	return x->io_pos < x->io_len ||
	       (h->coding.now == FERRY_CODING_DEFLATE && x->coded_len == IO_CHUNK);
}

int
coding_unwrap(struct ferry *h, take_fn *take)
{
	struct transfer *x = &h->xfer;
	size_t at = x->io_pos;
	int r;

	switch (h->coding.now) {
	case FERRY_CODING_BLOCK:
		return unblock(h, take);
	case FERRY_CODING_DEFLATE:
		return unpack(h, take);
	default:
		x->io_pos = x->io_len;
		r = take(h, x->io + at, x->io_len - at);
		return r < 0 ? r : FERRY_AGAIN;
	}
}

bool
coding_is_whole(const struct ferry *h)
{
	const struct transfer *x = &h->xfer;

	switch (h->coding.now) {
	case FERRY_CODING_BLOCK:
		return false;
	case FERRY_CODING_DEFLATE:
		if (h->coding.unpacker)
			return deflate_is_complete(h->coding.unpacker);
		/* servers are known that pack nothing into nothing */
		return x->wire == 0 && x->size <= 0;
	default:
		return true;
	}
}

/* ---------------------------------------------------------------- to the wire */

static void
put_block(struct transfer *x, const uint8_t *p, size_t n, bool last, size_t *ret_used)
{
	size_t part = n < BLOCK_DATA_MAX ? n : BLOCK_DATA_MAX;
	bool end = last && part == n;

	*ret_used = part;
	if (part == 0 && !end)
		return;
	block_header(x->coded, end ? BLOCK_EOF : 0, part);
	memcpy(x->coded + BLOCK_HEADER_LEN, p, part);
	x->coded_len = BLOCK_HEADER_LEN + part;
	x->coded_end = end;
}

static int
pack(struct ferry *h, const uint8_t *p, size_t n, bool last, size_t *ret_used)
{
	struct transfer *x = &h->xfer;
	struct coding *c = &h->coding;
	int r;

	if (!c->packer)
		c->packer = deflate_packer_new(DEFLATE_LEVEL_DEFAULT);
	if (!c->packer)
		return fail_memory(h);
	r = deflate_pack(
	    c->packer, p, n, last, ret_used, x->coded, IO_CHUNK, &x->coded_len);
	if (r < 0)
		return fail_memory(h);
	x->coded_end = r == 1;
	return 0;
}

int
coding_wrap(struct ferry *h, const uint8_t *p, size_t n, bool last, size_t *ret_used)
{
	struct transfer *x = &h->xfer;

	x->coded_pos = x->coded_len = 0;
	if (h->coding.now == FERRY_CODING_DEFLATE)
		return pack(h, p, n, last, ret_used);
	put_block(x, p, n, last, ret_used);
	return 0;
}
