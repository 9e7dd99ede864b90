/*
 * MODE Z over zlib, for both ends of a transfer. See deflate.h. Must never write more
 * than it was given room for, and never call a stream complete before its checksum was
 * right.
 */
#include "deflate.h"

#include <assert.h>
#include <ferry/ferry.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct deflate_packer {
	z_stream z;
};

struct deflate_unpacker {
	z_stream z;
	int state; /* what deflate_unpack() has last said: 0, 1, or an error */
};

/* zlib counts in unsigned int: a longer piece is taken in several calls. */
static uInt
piece(size_t n)
{
	return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

static void
lay_out(z_stream *z, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
	z->next_in = (z_const Bytef *)(uintptr_t)in;
	z->avail_in = piece(n);
	z->next_out = out;
	z->avail_out = piece(cap);
}

/* ---- packing ---- */

struct deflate_packer *
deflate_packer_new(int level)
{
	struct deflate_packer *p = calloc(1, sizeof(*p));

	assert(level >= DEFLATE_LEVEL_MIN && level <= DEFLATE_LEVEL_MAX);
	if (p != NULL && deflateInit(&p->z, level) != Z_OK) {
		free(p);
		return NULL;
	}
	return p;
}

void
deflate_packer_free(struct deflate_packer *p)
{
	if (p == NULL)
		return;
	deflateEnd(&p->z);
	free(p);
}

int
deflate_pack(struct deflate_packer *p, const uint8_t *in, size_t n, bool last,
    size_t *ret_used, uint8_t *out, size_t cap, size_t *ret_made)
{
	assert(cap > 0);
	lay_out(&p->z, in, n, out, cap);
	int r = deflate(&p->z, last && piece(n) == n ? Z_FINISH : Z_NO_FLUSH);
	/* Z_BUF_ERROR: there was nothing to do. Anything else would be ours. */
	assert(r == Z_OK || r == Z_BUF_ERROR || r == Z_STREAM_END);
	*ret_used = (size_t)piece(n) - p->z.avail_in;
	*ret_made = (size_t)piece(cap) - p->z.avail_out;
	return r == Z_STREAM_END ? 1 : 0;
}

/* ---- unpacking ---- */

struct deflate_unpacker *
deflate_unpacker_new(void)
{
	struct deflate_unpacker *u = calloc(1, sizeof(*u));

	if (u != NULL && inflateInit(&u->z) != Z_OK) {
		free(u);
		return NULL;
	}
	return u;
}

void
deflate_unpacker_free(struct deflate_unpacker *u)
{
	if (u == NULL)
		return;
	inflateEnd(&u->z);
	free(u);
}

int
deflate_unpack(struct deflate_unpacker *u, const uint8_t *in, size_t n, size_t *ret_used,
    uint8_t *out, size_t cap, size_t *ret_made)
{
	assert(cap > 0);
	*ret_used = *ret_made = 0;
	if (u->state != 0)
		return u->state;
	lay_out(&u->z, in, n, out, cap);
	switch (inflate(&u->z, Z_NO_FLUSH)) {
	case Z_STREAM_END:
		u->state = 1;
		break;
	case Z_OK:
	case Z_BUF_ERROR: /* it waits for input, or for room */
		break;
	case Z_MEM_ERROR:
		u->state = -FERRY_ENOMEM;
		break;
	default: /* Z_DATA_ERROR; Z_NEED_DICT: nobody has agreed on a dictionary */
		u->state = -FERRY_EPROTO;
		break;
	}
	*ret_used = (size_t)piece(n) - u->z.avail_in;
	*ret_made = (size_t)piece(cap) - u->z.avail_out;
	return u->state;
}

bool
deflate_is_complete(const struct deflate_unpacker *u)
{
	return u->state == 1;
}
