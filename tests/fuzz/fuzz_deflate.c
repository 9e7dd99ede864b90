/*
 * Any bytes as a MODE Z stream: the same output and the same verdict however the input is
 * cut and however small the room is; never more than the room; nothing used behind the
 * end. Any bytes as a file: packed and unpacked they are the same.
 */
#include <assert.h>
#include <string.h>

#include "buf.h"
#include "deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A bomb is not unpacked to its end. */
#define OUT_MAX (1 << 20)

static void
put(struct buf *b, const void *p, size_t n)
{
	int r = buf_append(b, p, n);

	assert(r == 0);
}

/* Unpacks with pieces of step bytes and room for cap. What was said last. */
static int
unpack(const uint8_t *data, size_t size, size_t step, size_t cap, struct buf *out,
    size_t *ret_left)
{
	struct deflate_unpacker *u = deflate_unpacker_new();
	uint8_t room[4096];
	size_t used, made = 0;
	int r = 0;

	assert(u && cap <= sizeof(room));
	do {
		size_t n = size < step ? size : step;

		r = deflate_unpack(u, data, n, &used, room, cap, &made);
		assert(used <= n && made <= cap);
		put(out, room, made);
		data += used;
		size -= used;
	} while (r == 0 && (size > 0 || made == cap) && buf_len(out) < OUT_MAX);
	assert(deflate_is_complete(u) == (r == 1));
	*ret_left = size;
	deflate_unpacker_free(u);
	return r;
}

static void
check_unpack(const uint8_t *data, size_t size, size_t step, size_t cap)
{
	struct buf whole = BUF_INIT(OUT_MAX + 4096), cut = BUF_INIT(OUT_MAX + 4096);
	size_t left = 0, left_cut = 0;
	int r = unpack(data, size, SIZE_MAX, 4096, &whole, &left);
	int r_cut = unpack(data, size, step, cap, &cut, &left_cut);
	size_t n = buf_len(&whole) < buf_len(&cut) ? buf_len(&whole) : buf_len(&cut);

	assert(memcmp(buf_data(&whole), buf_data(&cut), n) == 0);
	if (n < OUT_MAX) {
		/* A broken stream may be found out a few bytes sooner or later. */
		assert(r == r_cut);
		assert(r < 0 || (left == left_cut && buf_len(&whole) == buf_len(&cut)));
	}
	buf_free(&whole);
	buf_free(&cut);
}

/* A stream without its last byte is not complete, and one with another byte in it is not
 * the same file: the checksum tells. */
static void
check_damage(struct buf *packed, size_t where, const struct buf *back)
{
	struct buf out = BUF_INIT(OUT_MAX + 4096);
	size_t n = buf_len(packed), left = 0;
	int r = unpack(buf_data(packed), n - 1, SIZE_MAX, 4096, &out, &left);

	assert(r == 0);
	buf_clear(&out);
	packed->base[packed->head + where * 7 % n] ^= 0x10;
	r = unpack(buf_data(packed), n, SIZE_MAX, 4096, &out, &left);
	assert(r != 1 || (buf_len(&out) == buf_len(back) &&
			     memcmp(buf_data(&out), buf_data(back), buf_len(back)) == 0));
	buf_free(&out);
}

static void
check_round(const uint8_t *data, size_t size, int level, size_t step, size_t cap)
{
	struct deflate_packer *p = deflate_packer_new(level);
	struct buf packed = BUF_INIT(OUT_MAX), back = BUF_INIT(OUT_MAX + 4096);
	const uint8_t *at = data;
	size_t rest = size, left = 0;
	uint8_t room[4096];
	int r = 0;

	assert(p);
	while (r == 0) {
		size_t n = rest < step ? rest : step, used, made;

		r = deflate_pack(p, at, n, n == rest, &used, room, cap, &made);
		assert(used <= n && made <= cap);
		put(&packed, room, made);
		at += used;
		rest -= used;
	}
	assert(r == 1 && rest == 0);
	r = unpack(buf_data(&packed), buf_len(&packed), cap, cap, &back, &left);
	assert(r == 1 && left == 0 && buf_len(&back) == size);
	assert(memcmp(buf_data(&back), data, size) == 0);
	check_damage(&packed, cap, &back);
	deflate_packer_free(p);
	buf_free(&packed);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 1 << 16)
		return 0;
	size_t step = data[0] + 1, cap = data[1] + 1;
	check_unpack(data + 2, size - 2, step, cap);
	check_round(data + 2, size - 2, 1 + data[0] % 9, step, cap);
	return 0;
}
