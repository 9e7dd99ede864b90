/*
 * TYPE A: the same bytes for every cut of the stream and every size of the output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ascii.h"
#include "buf.h"
#include "util.h"

struct row {
	const char *in;
	size_t in_len;
	const char *out;
	size_t out_len;
};

#define ROW(a, b)                                                                        \
	{                                                                                \
		(a), sizeof(a) - 1, (b), sizeof(b) - 1                                   \
	}

/* Feeds in[0..n) through the encoder with outputs of cap bytes. */
static void
encode_part(
    struct ascii_encoder *e, const char *in, size_t n, size_t cap, struct buf *all)
{
	uint8_t out[64];
	size_t used, made, taken = 0;

	do {
		ascii_encode(
		    e, (const uint8_t *)in + taken, n - taken, &used, out, cap, &made);
		assert_true(made <= cap && used <= n - taken);
		assert_true(used > 0 || made > 0 || n == taken);
		taken += used;
		assert_int_equal(buf_append(all, out, made), 0);
	} while (taken < n || e->owe_lf);
}

static void
decode_part(
    struct ascii_decoder *d, const char *in, size_t n, size_t cap, struct buf *all)
{
	uint8_t out[64];
	size_t used, made, taken = 0;

	while (taken < n) {
		ascii_decode(
		    d, (const uint8_t *)in + taken, n - taken, &used, out, cap, &made);
		assert_true(made <= cap && used <= n - taken);
		assert_true(used > 0 || made > 0);
		taken += used;
		assert_int_equal(buf_append(all, out, made), 0);
	}
}

static void
check(const struct buf *all, const struct row *row)
{
	assert_int_equal(buf_len(all), row->out_len);
	assert_memory_equal(buf_data(all), row->out, row->out_len);
}

static void
encodes(void **state)
{
	static const struct row rows[] = {
	    ROW("", ""),
	    ROW("a", "a"),
	    ROW("\n", "\r\n"),
	    ROW("a\nb\n", "a\r\nb\r\n"),
	    ROW("\n\n\n", "\r\n\r\n\r\n"),
	    ROW("a\r\nb", "a\r\r\nb"),
	    ROW("\r\0\xff", "\r\0\xff"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t cap = 2; cap < 9; cap++)
			for (size_t cut = 0; cut <= rows[i].in_len; cut++) {
				struct ascii_encoder e = {0};
				struct buf all = BUF_INIT(100);

				encode_part(&e, rows[i].in, cut, cap, &all);
				encode_part(&e, rows[i].in + cut, rows[i].in_len - cut,
				    cap, &all);
				check(&all, &rows[i]);
				buf_free(&all);
			}
}

static void
decodes(void **state)
{
	static const struct row rows[] = {
	    ROW("", ""),
	    ROW("a\r\nb\r\n", "a\nb\n"),
	    ROW("\r\n\r\n", "\n\n"),
	    ROW("\r", "\r"),
	    ROW("a\r", "a\r"),
	    ROW("\r\r\n", "\r\n"),
	    ROW("\r\r\r", "\r\r\r"),
	    ROW("\ra\r\0", "\ra\r\0"),
	    ROW("a\nb", "a\nb"),
	    ROW("\n\r", "\n\r"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t cap = 2; cap < 9; cap++)
			for (size_t cut = 0; cut <= rows[i].in_len; cut++) {
				struct ascii_decoder d = {0};
				struct buf all = BUF_INIT(100);
				uint8_t last;

				decode_part(&d, rows[i].in, cut, cap, &all);
				decode_part(&d, rows[i].in + cut, rows[i].in_len - cut,
				    cap, &all);
				if (ascii_decode_end(&d, &last) == 1)
					buf_append_byte(&all, last);
				assert_int_equal(ascii_decode_end(&d, &last), 0);
				check(&all, &rows[i]);
				buf_free(&all);
			}
}

/* SIZE in TYPE A is the file's size and one for each LF. */
static void
size_is_what_is_sent(void **state)
{
	static const char text[] = "one\ntwo\r\n\n\nthree";
	struct ascii_encoder e = {0};
	struct buf all = BUF_INIT(100);

	encode_part(&e, text, sizeof(text) - 1, 7, &all);
	assert_int_equal(buf_len(&all),
	    sizeof(text) - 1 + ascii_count_lf((const uint8_t *)text, sizeof(text) - 1));
	assert_int_equal(ascii_count_lf((const uint8_t *)text, 0), 0);
	buf_free(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodes),
	    cmocka_unit_test(decodes),
	    cmocka_unit_test(size_is_what_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
