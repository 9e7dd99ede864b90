/*
 * TYPE and MODE of what is received. See decoder.h. Must give the same file however its
 * bytes come, must never take a byte behind its end, and never call a part the whole.
 */
#include "decoder.h"

#include <assert.h>
#include <ferry/ferry.h>
#include <string.h>

#include "deflate.h"

/* MODE Z with TYPE A: unpacked here, converted into the caller's room. */
#define TEXT_CHUNK (16 * 1024)

int
decoder_init(struct decoder *d, const struct coding *coding)
{
	*d = (struct decoder){.coding = *coding};
	if (coding->mode != CODING_DEFLATE)
		return 0;
	d->unpacker = deflate_unpacker_new();
	return d->unpacker != NULL ? 0 : -FERRY_ENOMEM;
}

void
decoder_free(struct decoder *d)
{
	deflate_unpacker_free(d->unpacker);
	d->unpacker = NULL;
}

size_t
decoder_wish(const struct decoder *d)
{
	const struct block_reader *r = &d->blocks;

	if (d->coding.mode != CODING_BLOCK)
		return SIZE_MAX;
	if (r->left == 0)
		return BLOCK_HEADER_LEN - (size_t)r->have;
	/* Behind a block that does not end the file another one begins. */
	return (size_t)r->left + ((r->due & BLOCK_EOF) != 0 ? 0 : BLOCK_HEADER_LEN);
}

/* TYPE alone. A CR that was held back comes on top of what is read now. */
static void
convert(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used, uint8_t *out,
    size_t cap, size_t *ret_made)
{
	if (d->coding.ascii) {
		ascii_decode(&d->lines, in, n, ret_used, out, cap, ret_made);
		return;
	}
	*ret_used = *ret_made = n < cap ? n : cap;
	memcpy(out, in, *ret_made);
}

/* Up to the next data, and whatever its block ends: no event is left waiting, so that
 * decoder_wish() is right. */
static int
unframe(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used, uint8_t *out,
    size_t cap, size_t *ret_made)
{
	enum block_event event = BLOCK_MORE;
	struct bytes data = {0};
	size_t none;

	*ret_used = *ret_made = 0;
	/* What is taken must fit, with a CR before it. */
	int r = block_feed(
	    &d->blocks, in, n < cap - 1 ? n : cap - 1, ret_used, &event, &data);
	if (r < 0)
		return r;
	if (event == BLOCK_DATA)
		convert(d, data.p, data.n, &none, out, cap, ret_made);
	while (event != BLOCK_MORE && event != BLOCK_END && d->blocks.left == 0)
		block_feed(&d->blocks, in, 0, &none, &event, &data);
	d->ended = event == BLOCK_END;
	return d->ended ? 1 : 0;
}

static int
unpack(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used, uint8_t *out,
    size_t cap, size_t *ret_made)
{
	uint8_t text[TEXT_CHUNK];
	size_t made = 0, converted;
	int r;

	if (d->coding.ascii) {
		r = deflate_unpack(d->unpacker, in, n, ret_used, text,
		    cap - 1 < sizeof(text) ? cap - 1 : sizeof(text), &made);
		convert(d, text, made, &converted, out, cap, ret_made);
	} else {
		r = deflate_unpack(d->unpacker, in, n, ret_used, out, cap, ret_made);
	}
	if (r < 0)
		return r;
	/* The stream is the whole of the connection. */
	return r == 1 && *ret_used < n ? -FERRY_EPROTO : 0;
}

static int
step(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used, uint8_t *out,
    size_t cap, size_t *ret_made)
{
	switch (d->coding.mode) {
	case CODING_BLOCK:
		return unframe(d, in, n, ret_used, out, cap, ret_made);
	case CODING_DEFLATE:
		return unpack(d, in, n, ret_used, out, cap, ret_made);
	case CODING_STREAM:
		break;
	}
	convert(d, in, n, ret_used, out, cap, ret_made);
	return 0;
}

int
decoder_run(struct decoder *d, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	size_t used = 0, made = 0, more_used = 0, more_made = 0;
	int r;

	assert(cap >= DECODER_ROOM);
	do {
		r = step(d, in + used, n - used, &more_used, out + made, cap - made,
		    &more_made);
		used += more_used;
		made += more_made;
	} while (
	    r == 0 && (more_used > 0 || more_made > 0) && cap - made >= DECODER_ROOM);
	*ret_used = used;
	*ret_made = made;
	return r;
}

static bool
is_whole(const struct decoder *d)
{
	switch (d->coding.mode) {
	case CODING_BLOCK:
		return d->ended;
	case CODING_DEFLATE:
		return deflate_is_complete(d->unpacker);
	case CODING_STREAM:
		break;
	}
	return true;
}

int
decoder_end(struct decoder *d, uint8_t *out, size_t *ret_made)
{
	if (!is_whole(d))
		return -FERRY_ESHORT;
	*ret_made = ascii_decode_end(&d->lines, out);
	return 0;
}

bool
decoder_is_suspect(const struct decoder *d)
{
	return d->coding.mode == CODING_BLOCK && block_suspect(&d->blocks);
}
