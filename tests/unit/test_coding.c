/*
 * TYPE and MODE together, both ways: what the encoder writes the decoder reads, however
 * both are cut; the decoder takes nothing behind the end of a file and calls no part the
 * whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "buf.h"
#include "decoder.h"
#include "encoder.h"

#define ALL_MAX (4 << 20)
#define ROOM_MAX 70000

static const enum coding_mode modes[] = {CODING_STREAM, CODING_BLOCK, CODING_DEFLATE};

static void
encode(const struct coding *coding, const uint8_t *p, size_t n, size_t step, size_t cap,
    struct buf *all)
{
	static uint8_t out[ROOM_MAX];
	struct encoder e;
	int r = 0;

	assert_true(cap <= sizeof(out));
	assert_int_equal(encoder_init(&e, coding), 0);
	while (r == 0) {
		size_t have = n < step ? n : step, used, made;

		r = encoder_run(&e, p, have, have == n, &used, out, cap, &made);
		assert_true(used <= have && made <= cap);
		assert_true(r == 1 || used > 0 || made > 0 || have == 0);
		assert_int_equal(buf_append(all, out, made), 0);
		p += used;
		n -= used;
	}
	assert_int_equal(r, 1);
	assert_int_equal(n, 0);
	encoder_free(&e);
}

/* Reads as the pump does, by wish. 0 when it ended in order; *ret_left: bytes not taken.
 */
static int
decode(const struct coding *coding, const uint8_t *p, size_t n, size_t step, size_t cap,
    struct buf *all, size_t *ret_left)
{
	static uint8_t out[ROOM_MAX + 1];
	struct decoder d;
	size_t used, made;
	int r = 0;

	assert_true(cap <= ROOM_MAX);
	assert_int_equal(decoder_init(&d, coding), 0);
	while (r == 0) {
		size_t wish = decoder_wish(&d), have = n < step ? n : step;

		assert_true(wish > 0);
		have = have < wish ? have : wish;
		bool fed = have > 0;
		do {
			r = decoder_run(&d, p, have, &used, out, cap, &made);
			assert_true(used <= have && made <= cap);
			assert_int_equal(buf_append(all, out, made), 0);
			p += used;
			n -= used;
			have -= used;
		} while (r == 0 && (have > 0 || cap - made < DECODER_ROOM));
		if (r == 0 && !fed)
			break;
	}
	*ret_left = n;
	if (r >= 0) {
		r = decoder_end(&d, out, &made);
		if (r == 0)
			assert_int_equal(buf_append(all, out, made), 0);
	}
	decoder_free(&d);
	return r;
}

static void
fill(uint8_t *p, size_t n)
{
	static const char text[] = "one\ntwo\r\nthree\r\r\n\n\rfour \r";

	for (size_t i = 0; i < n; i++)
		p[i] = i % 700 < 300 ? (uint8_t)text[i % (sizeof(text) - 1)]
				     : (uint8_t)((i * 2654435761u) >> 13);
}

/* In TYPE A too: a CR LF of the file is CR CR LF on the wire. */
static void
there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 1000, 65532, 65535, 65536, 200000};
	static const size_t steps[] = {1, 5, 32768, SIZE_MAX},
			    caps[] = {8, 11, 4096, 70000};
	static uint8_t data[200000];
	struct buf wire = BUF_INIT(ALL_MAX), back = BUF_INIT(ALL_MAX);
	size_t left;

	for (unsigned i = 0; i < 2 * ARRAY_LEN(modes) * ARRAY_LEN(sizes) * 16; i++) {
		struct coding coding = {
		    .mode = modes[i / 2 % 3], .ascii = i % 2, .level = 3};
		size_t n = sizes[i / 6 % ARRAY_LEN(sizes)];
		size_t step = steps[i / 54 % 4], cap = caps[i / 216 % 4];

		if (step * cap < 100 && n > 1000)
			continue;
		fill(data, n);
		buf_clear(&wire);
		buf_clear(&back);
		encode(&coding, data, n, step, cap, &wire);
		assert_int_equal(decode(&coding, buf_data(&wire), buf_len(&wire), step,
				     cap, &back, &left),
		    0);
		assert_int_equal(left, 0);
		assert_int_equal(buf_len(&back), n);
		assert_memory_equal(buf_data(&back), data, n);
	}
	buf_free(&wire);
	buf_free(&back);
}

/* A CR at the end of the wire is one of the file. */
static void
lone_cr_at_the_end(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const struct coding bytes = {.mode = modes[i], .level = 1};
		const struct coding ascii = {.mode = modes[i], .level = 1, .ascii = true};
		struct buf wire = BUF_INIT(1000), back = BUF_INIT(1000);
		size_t left;

		encode(&bytes, (const uint8_t *)"a\r\nb\r", 5, SIZE_MAX, 1000, &wire);
		assert_int_equal(
		    decode(&ascii, buf_data(&wire), buf_len(&wire), 1, 8, &back, &left),
		    0);
		assert_string_equal(buf_cstr(&back), "a\nb\r");
		buf_free(&wire);
		buf_free(&back);
	}
}

static void
every_cut_is_seen(void **state)
{
	static const uint8_t data[] = "data of a file that will be cut";

	for (size_t i = 1; i < ARRAY_LEN(modes); i++) {
		const struct coding coding = {.mode = modes[i], .level = 6};
		struct buf wire = BUF_INIT(1000), back = BUF_INIT(1000);
		size_t left;

		encode(&coding, data, sizeof(data), 10, 20, &wire);
		for (size_t cut = 0; cut < buf_len(&wire); cut++) {
			buf_clear(&back);
			assert_int_equal(
			    decode(&coding, buf_data(&wire), cut, 3, 100, &back, &left),
			    -FERRY_ESHORT);
			assert_int_equal(left, 0);
		}
		buf_free(&wire);
		buf_free(&back);
	}
}

/* MODE B: the next file's bytes stay where they are, for every way of reading. MODE Z:
 * nothing may follow. */
static void
what_follows_is_not_taken(void **state)
{
	static const uint8_t two[] = "\x80\0\2ab\x10\0\1m\xc0\0\1c\x40\0\4next";

	for (size_t step = 1; step < sizeof(two); step++)
		for (size_t cap = 8; cap < 20; cap++) {
			const struct coding coding = {.mode = CODING_BLOCK};
			struct buf back = BUF_INIT(100);
			size_t left;

			assert_int_equal(decode(&coding, two, sizeof(two) - 1, step, cap,
					     &back, &left),
			    0);
			assert_int_equal(left, 7);
			assert_string_equal(buf_cstr(&back), "abc");
			buf_free(&back);
		}

	const struct coding packed = {.mode = CODING_DEFLATE, .level = 6};
	struct buf wire = BUF_INIT(100), back = BUF_INIT(100);
	size_t left;
	encode(&packed, two, 5, 5, 100, &wire);
	assert_int_equal(buf_append_byte(&wire, 0), 0);
	for (size_t step = 1; step <= buf_len(&wire); step++)
		assert_int_equal(decode(&packed, buf_data(&wire), buf_len(&wire), step, 8,
				     &back, &left),
		    -FERRY_EPROTO);
	buf_free(&wire);
	buf_free(&back);
}

static void
breaking_off(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const struct coding coding = {.mode = modes[i], .level = 6};
		struct encoder e;
		uint8_t out[ENCODER_ROOM];

		assert_int_equal(encoder_init(&e, &coding), 0);
		size_t n = encoder_break(&e, out);
		if (coding.mode == CODING_BLOCK)
			assert_true(n == 3 && memcmp(out, "\x60\0\0", 3) == 0);
		else
			assert_int_equal(n, 0);
		encoder_free(&e);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(lone_cr_at_the_end),
	    cmocka_unit_test(every_cut_is_seen),
	    cmocka_unit_test(what_follows_is_not_taken),
	    cmocka_unit_test(breaking_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
