/*
 * MODE Z's streams: every cut of the input and every size of the output give the same
 * bytes; what is broken, cut off or followed by something else is told apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "buf.h"
#include "deflate.h"
#include "util.h"

#define ALL_MAX (4 << 20)

/* Packs in pieces of step bytes into outputs of cap bytes. */
static void
pack(const uint8_t *p, size_t n, int level, size_t step, size_t cap, struct buf *all)
{
	struct deflate_packer *packer = deflate_packer_new(level);
	uint8_t out[4096];
	int r = 0;

	assert_non_null(packer);
	assert_true(cap <= sizeof(out));
	while (r == 0) {
		size_t have = n < step ? n : step, used, made;

		r = deflate_pack(packer, p, have, have == n, &used, out, cap, &made);
		assert_true(used <= have && made <= cap);
		assert_int_equal(buf_append(all, out, made), 0);
		p += used;
		n -= used;
	}
	assert_int_equal(r, 1);
	assert_int_equal(n, 0);
	deflate_packer_free(packer);
}

/* Unpacks; returns what was said last, and how many bytes of p were not used. */
static int
unpack(const uint8_t *p, size_t n, size_t step, size_t cap, struct buf *all,
    size_t *ret_left)
{
	struct deflate_unpacker *u = deflate_unpacker_new();
	uint8_t out[4096];
	size_t used = 0, made = 0;
	int r = 0;

	assert_non_null(u);
	assert_true(cap <= sizeof(out));
	do {
		size_t have = n < step ? n : step;

		r = deflate_unpack(u, p, have, &used, out, cap, &made);
		assert_true(used <= have && made <= cap);
		assert_int_equal(buf_append(all, out, made), 0);
		p += used;
		n -= used;
	} while (r == 0 && (n > 0 || made == cap));
	assert_int_equal(deflate_is_complete(u), r == 1);
	*ret_left = n;
	if (r != 0) {
		assert_int_equal(deflate_unpack(u, p, n, &used, out, cap, &made), r);
		assert_int_equal(used, 0);
		assert_int_equal(made, 0);
	}
	deflate_unpacker_free(u);
	return r;
}

static void
fill(uint8_t *p, size_t n, bool text)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < n; i++) {
		x = x * 1103515245 + 12345;
		p[i] =
		    text ? (uint8_t) "the same old words\n"[i % 19] : (uint8_t)(x >> 16);
	}
}

static void
check_round(const uint8_t *p, size_t n, int level, size_t step, size_t cap)
{
	struct buf packed = BUF_INIT(ALL_MAX), back = BUF_INIT(ALL_MAX);
	size_t left;

	pack(p, n, level, step, cap, &packed);
	assert_int_equal(
	    unpack(buf_data(&packed), buf_len(&packed), step, cap, &back, &left), 1);
	assert_int_equal(left, 0);
	assert_int_equal(buf_len(&back), n);
	assert_memory_equal(buf_data(&back), p, n);
	buf_free(&packed);
	buf_free(&back);
}

static void
there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 1000, 65535, 65536, 65537, 300000};
	static const size_t steps[] = {7, 4096, SIZE_MAX};
	static const size_t caps[] = {5, 4096};
	static uint8_t data[300000];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < ARRAY_LEN(steps); k++)
			for (size_t c = 0; c < ARRAY_LEN(caps); c++) {
				fill(data, sizes[i], true);
				check_round(data, sizes[i], 6, steps[k], caps[c]);
				fill(data, sizes[i], false);
				check_round(data, sizes[i], 1, steps[k], caps[c]);
			}
	for (int level = DEFLATE_LEVEL_MIN; level <= DEFLATE_LEVEL_MAX; level++)
		check_round(data, 5000, level, 1, 1);
}

/* Random bytes grow by a few in a thousand, text becomes small. */
static void
sizes_are_sane(void **state)
{
	static uint8_t data[200000];
	struct buf packed = BUF_INIT(ALL_MAX);

	fill(data, sizeof(data), false);
	pack(data, sizeof(data), 9, SIZE_MAX, 4096, &packed);
	assert_true(buf_len(&packed) < sizeof(data) + sizeof(data) / 500);
	buf_clear(&packed);
	fill(data, sizeof(data), true);
	pack(data, sizeof(data), 1, SIZE_MAX, 4096, &packed);
	assert_true(buf_len(&packed) < sizeof(data) / 50);
	buf_free(&packed);
}

static void
every_truncation_is_seen(void **state)
{
	uint8_t data[500];
	struct buf packed = BUF_INIT(ALL_MAX), back = BUF_INIT(ALL_MAX);
	size_t left;

	fill(data, sizeof(data), true);
	pack(data, sizeof(data), 6, SIZE_MAX, 4096, &packed);
	for (size_t cut = 0; cut < buf_len(&packed); cut++) {
		buf_clear(&back);
		assert_int_equal(
		    unpack(buf_data(&packed), cut, 3, 4096, &back, &left), 0);
		assert_int_equal(left, 0);
	}
	buf_free(&packed);
	buf_free(&back);
}

static void
garbage_behind_the_end_is_not_used(void **state)
{
	struct buf packed = BUF_INIT(ALL_MAX), back = BUF_INIT(ALL_MAX);
	size_t left;

	pack((const uint8_t *)"hello", 5, 6, SIZE_MAX, 4096, &packed);
	assert_int_equal(buf_append_str(&packed, "behind"), 0);
	assert_int_equal(
	    unpack(buf_data(&packed), buf_len(&packed), SIZE_MAX, 2, &back, &left), 1);
	assert_int_equal(left, 6);
	assert_string_equal(buf_cstr(&back), "hello");
	buf_free(&packed);
	buf_free(&back);
}

/* No flipped bit gives other bytes and an end in order. */
static void
every_flipped_bit_is_seen(void **state)
{
	struct buf packed = BUF_INIT(ALL_MAX), back = BUF_INIT(ALL_MAX);
	uint8_t copy[200];
	size_t left;

	pack((const uint8_t *)"some text, some text", 20, 6, SIZE_MAX, 4096, &packed);
	size_t n = buf_len(&packed);
	assert_true(n <= sizeof(copy));
	for (size_t bit = 0; bit < 8 * n; bit++) {
		memcpy(copy, buf_data(&packed), n);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		buf_clear(&back);
		int r = unpack(copy, n, SIZE_MAX, 4096, &back, &left);
		if (r == 1)
			assert_true(
			    buf_len(&back) == 20 &&
			    memcmp(buf_data(&back), "some text, some text", 20) == 0);
	}
	buf_free(&packed);
	buf_free(&back);
}

static void
what_is_no_stream_is_refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} rows[] = {
	    {"GET / HTTP/1.1", 14},               /* no zlib header */
	    {"\x1f\x8b\x08\0\0\0\0\0\0\x03", 10}, /* gzip */
	    {"\x78\xbb\0\0\0\1", 6},              /* wants a dictionary */
	    {"\x78\x9c\x07", 3},                  /* block type 3 */
	    {"\x78\x9c\x03\0\0\0\0\2", 8},        /* a wrong checksum */
	    {"\x88\x1c\x03\0\0\0\0\1", 8},        /* a window too large */
	};
	struct buf back = BUF_INIT(ALL_MAX);
	size_t left;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 20; step += 9)
			assert_int_equal(unpack((const uint8_t *)rows[i].p, rows[i].n,
					     step, 4096, &back, &left),
			    -FERRY_EPROTO);
	buf_free(&back);
}

/* 8 MiB of nothing in about 8 KiB: no call writes more than its room, and the input waits
 * meanwhile. */
static void
a_bomb_unpacks_no_faster_than_it_is_taken(void **state)
{
	static const uint8_t zeros[65536];
	struct deflate_packer *packer = deflate_packer_new(9);
	struct deflate_unpacker *u = deflate_unpacker_new();
	static uint8_t packed[65536];
	uint8_t out[100];
	size_t used, made, n = 0, at = 0;
	uint64_t total = 0;
	int r = 0;

	for (unsigned i = 0; i < 128; i++) {
		r = deflate_pack(packer, zeros, sizeof(zeros), i == 127, &used,
		    packed + n, sizeof(packed) - n, &made);
		assert_int_equal(used, sizeof(zeros));
		n += made;
	}
	assert_int_equal(r, 1);
	assert_true(n < 16384);
	r = deflate_unpack(u, packed, n, &used, out, sizeof(out), &made);
	assert_int_equal(made, sizeof(out));
	assert_true(used < n);
	for (total = made, at = used; r == 0; total += made, at += used)
		r = deflate_unpack(
		    u, packed + at, n - at, &used, out, sizeof(out), &made);
	assert_int_equal(r, 1);
	assert_int_equal(total, 128 * sizeof(zeros));
	deflate_packer_free(packer);
	deflate_unpacker_free(u);
}

static void
free_takes_null(void **state)
{
	deflate_packer_free(NULL);
	deflate_unpacker_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(sizes_are_sane),
	    cmocka_unit_test(every_truncation_is_seen),
	    cmocka_unit_test(garbage_behind_the_end_is_not_used),
	    cmocka_unit_test(every_flipped_bit_is_seen),
	    cmocka_unit_test(what_is_no_stream_is_refused),
	    cmocka_unit_test(a_bomb_unpacks_no_faster_than_it_is_taken),
	    cmocka_unit_test(free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
