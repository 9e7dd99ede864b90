/*
 * Any bytes as an upload in any TYPE and MODE, read as the pump reads them: the same file
 * and the same verdict however they are cut and however small the room is; in MODE B the
 * same bytes left behind the file. Any bytes as a file: sent and received they are the
 * same.
 */
#include <assert.h>
#include <string.h>

#include "buf.h"
#include "decoder.h"
#include "encoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1 << 20)
#define ROOM_MAX 4096

static void
put(struct buf *b, const void *p, size_t n)
{
	int r = buf_append(b, p, n);

	assert(r == 0);
}

/* What decoder_end() or the error said. */
static int
decode(const struct coding *coding, const uint8_t *data, size_t size, size_t step,
    size_t cap, struct buf *out, size_t *ret_left)
{
	uint8_t room[ROOM_MAX + 1];
	struct decoder d;
	size_t used, made, n, wish;
	int r = decoder_init(&d, coding);
	bool pressed = false;

	assert(r == 0 && cap <= ROOM_MAX);
	while (r == 0 && (size > 0 || pressed) && buf_len(out) < OUT_MAX) {
		wish = decoder_wish(&d);
		n = size < step ? size : step;
		assert(wish > 0);
		n = pressed ? 0 : n < wish ? n : wish;
		do {
			r = decoder_run(&d, data, n, &used, room, cap, &made);
			assert(used <= n && made <= cap);
			put(out, room, made);
			data += used;
			size -= used;
			n -= used;
		} while (r == 0 && n > 0);
		/* Of what it wished for nothing belongs to the next file. */
		assert(r != 1 || n == 0);
		pressed = cap - made < DECODER_ROOM;
	}
	*ret_left = size;
	if (r >= 0) {
		r = decoder_end(&d, room, &made);
		if (r == 0)
			put(out, room, made);
	}
	decoder_free(&d);
	return r;
}

static void
check_decode(const struct coding *coding, const uint8_t *data, size_t size, size_t step,
    size_t cap)
{
	struct buf whole = BUF_INIT(OUT_MAX + ROOM_MAX + 1), cut = whole;
	size_t left = 0, left_cut = 0;
	int r = decode(coding, data, size, SIZE_MAX, ROOM_MAX, &whole, &left);
	int r_cut = decode(coding, data, size, step, cap, &cut, &left_cut);
	size_t n = buf_len(&whole) < buf_len(&cut) ? buf_len(&whole) : buf_len(&cut);

	assert(memcmp(buf_data(&whole), buf_data(&cut), n) == 0);
	if (n < OUT_MAX) {
		assert(r == r_cut);
		assert(r != 0 || (left == left_cut && buf_len(&whole) == buf_len(&cut)));
	}
	buf_free(&whole);
	buf_free(&cut);
}

/* A mode that has an end of its own: without its last byte no file is whole, and a byte
 * behind it is none of the file's. */
static void
check_end(const struct coding *coding, struct buf *wire, size_t step, size_t cap)
{
	struct buf out = BUF_INIT(OUT_MAX + ROOM_MAX + 1);
	size_t n = buf_len(wire), left = 0;
	int r;

	if (coding->mode == CODING_STREAM)
		return;
	r = decode(coding, buf_data(wire), n - 1, step, cap, &out, &left);
	assert(r < 0);
	put(wire, "", 1);
	buf_clear(&out);
	r = decode(coding, buf_data(wire), n + 1, step, cap, &out, &left);
	assert(coding->mode == CODING_BLOCK ? r == 0 && left == 1 : r < 0);
	buf_free(&out);
}

static void
check_round(const struct coding *coding, const uint8_t *data, size_t size, size_t step,
    size_t cap)
{
	struct buf wire = BUF_INIT(OUT_MAX), back = BUF_INIT(OUT_MAX + ROOM_MAX + 1);
	const uint8_t *at = data;
	size_t rest = size, left = 0;
	uint8_t room[ROOM_MAX];
	struct encoder e;
	int r = encoder_init(&e, coding);

	assert(r == 0);
	while (r == 0) {
		size_t n = rest < step ? rest : step, used, made;

		r = encoder_run(&e, at, n, n == rest, &used, room, cap, &made);
		assert(used <= n && made <= cap);
		put(&wire, room, made);
		at += used;
		rest -= used;
	}
	encoder_free(&e);
	r = decode(coding, buf_data(&wire), buf_len(&wire), cap, cap, &back, &left);
	assert(r == 0 && left == 0);
	assert(buf_len(&back) == size && memcmp(buf_data(&back), data, size) == 0);
	check_end(coding, &wire, step, cap);
	buf_free(&wire);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum coding_mode modes[] = {
	    CODING_STREAM, CODING_BLOCK, CODING_DEFLATE};

	if (size < 3 || size > 1 << 14)
		return 0;
	const struct coding coding = {
	    .mode = modes[data[0] % 3],
	    .ascii = data[0] & 0x80,
	    .level = data[0] / 4 % 10,
	};
	size_t step = (size_t)data[1] + 1, cap = (size_t)data[2] + ENCODER_ROOM;
	check_decode(&coding, data + 3, size - 3, step, cap);
	check_round(&coding, data + 3, size - 3, step, cap);
	return 0;
}
