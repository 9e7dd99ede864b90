/*
 * The byte buffer: its maximum holds whatever is asked of it, and its bytes are the ones
 * put in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "buf.h"
#include "util.h"

static void
starts_empty(void **state)
{
	struct buf b = BUF_INIT(10);

	assert_int_equal(buf_len(&b), 0);
	assert_non_null(buf_data(&b));
	assert_string_equal(buf_cstr(&b), "");
	assert_int_equal(buf_room(&b), 10);
	assert_null(b.base);
	buf_free(&b);
	buf_free(NULL);
	buf_wipe(NULL);
}

static void
stops_at_maximum(void **state)
{
	struct buf b = BUF_INIT(5);
	uint8_t *p;

	assert_int_equal(buf_append(&b, "abcdef", 6), -FERRY_ETOOBIG);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	assert_int_equal(buf_append(&b, "def", 3), -FERRY_ETOOBIG);
	assert_int_equal(buf_printf(&b, "%d", 123), -FERRY_ETOOBIG);
	assert_int_equal(buf_reserve(&b, 3, &p), -FERRY_ETOOBIG);
	assert_string_equal(buf_cstr(&b), "abc");
	assert_int_equal(buf_append_str(&b, "de"), 0);
	assert_string_equal(buf_cstr(&b), "abcde");
	assert_int_equal(buf_append_byte(&b, 'f'), -FERRY_ETOOBIG);
	assert_true(b.cap <= 6);
	buf_consume(&b, 2);
	assert_int_equal(buf_append_byte(&b, 'f'), 0);
	assert_string_equal(buf_cstr(&b), "cdef");
	buf_free(&b);
	assert_int_equal(b.max, 5);
}

static void
holds_nothing_at_maximum_zero(void **state)
{
	struct buf b = BUF_INIT(0);

	assert_int_equal(buf_append(&b, "", 0), 0);
	assert_int_equal(buf_append_str(&b, ""), 0);
	assert_int_equal(buf_append_byte(&b, 0), -FERRY_ETOOBIG);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

static void
knows_no_overflow(void **state)
{
	struct buf b = BUF_INIT(SIZE_MAX);
	uint8_t *p;

	assert_int_equal(buf_append_byte(&b, 'x'), 0);
	assert_int_equal(buf_reserve(&b, SIZE_MAX, &p), -FERRY_ETOOBIG);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 1, &p), -FERRY_ETOOBIG);
	assert_string_equal(buf_cstr(&b), "x");
	buf_free(&b);
}

static void
reserve_and_commit(void **state)
{
	struct buf b = BUF_INIT(100);
	uint8_t *p;

	assert_int_equal(buf_reserve(&b, 100, &p), 0);
	memset(p, 'x', 100);
	assert_int_equal(buf_len(&b), 0);
	buf_commit(&b, 40);
	assert_int_equal(buf_len(&b), 40);
	assert_int_equal(strlen(buf_cstr(&b)), 40);
	buf_truncate(&b, 3);
	assert_string_equal(buf_cstr(&b), "xxx");
	buf_clear(&b);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
}

static void
printf_grows(void **state)
{
	struct buf b = BUF_INIT(4000);

	for (int i = 0; i < 500; i++)
		assert_int_equal(buf_printf(&b, "%07d;", i), 0);
	assert_int_equal(buf_len(&b), 4000);
	assert_memory_equal(buf_data(&b) + 3992, "0000499;", 8);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	buf_free(&b);
}

/* What goes in comes out in order, whatever the sizes, and the allocation stays bounded.
 */
static void
is_a_queue(void **state)
{
	struct buf b = BUF_INIT(300);
	unsigned in = 0, out = 0, seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t n;

		seed = seed * 1103515245u + 12345u;
		n = seed >> 16 & 63;
		if (seed >> 30 & 1) {
			for (; n > 0 && buf_append_byte(&b, (uint8_t)in) == 0; n--)
				in++;
			continue;
		}
		for (n = n < buf_len(&b) ? n : buf_len(&b); n > 0; n--) {
			assert_int_equal(buf_data(&b)[0], (uint8_t)out++);
			buf_consume(&b, 1);
		}
		assert_int_equal(buf_len(&b), in - out);
		assert_true(b.cap <= 301);
	}
	assert_true(in > 1000);
	buf_wipe(&b);
	assert_null(b.base);
}

static void
numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int result;
		uint64_t value;
	} rows[] = {
	    {"0", 0, 0, 0},
	    {"1", 0, -FERRY_EINVAL, 0},
	    {"", 9, -FERRY_EINVAL, 0},
	    {"007", 9, 0, 7},
	    {"255", 255, 0, 255},
	    {"256", 255, -FERRY_EINVAL, 0},
	    {"9", 5, -FERRY_EINVAL, 0},
	    {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"99999999999999999999999999", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"-1", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"+1", UINT64_MAX, -FERRY_EINVAL, 0},
	    {" 1", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"1 ", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"0x1", UINT64_MAX, -FERRY_EINVAL, 0},
	    {"1\xb2", UINT64_MAX, -FERRY_EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t value = 4711;
		int r =
		    parse_uint(rows[i].text, strlen(rows[i].text), rows[i].max, &value);

		assert_int_equal(r, rows[i].result);
		assert_int_equal(value, r == 0 ? rows[i].value : 4711);
	}
}

static void
octal_numbers(void **state)
{
	uint64_t value = 4711;

	assert_int_equal(parse_octal("0755", 4, 07777, &value), 0);
	assert_int_equal(value, 0755);
	assert_int_equal(parse_octal("7777", 4, 07777, &value), 0);
	assert_int_equal(value, 07777);
	assert_int_equal(parse_octal("10000", 5, 07777, &value), -FERRY_EINVAL);
	assert_int_equal(parse_octal("778", 3, 07777, &value), -FERRY_EINVAL);
	assert_int_equal(parse_octal("", 0, 07777, &value), -FERRY_EINVAL);
	assert_int_equal(value, 07777);
}

static void
words(void **state)
{
	assert_true(equal_nocase("", "", 0));
	assert_true(equal_nocase("FILE", "file", 4));
	assert_true(equal_nocase("azAZ09", "AZaz09x", 6));
	assert_false(equal_nocase("file", "filf", 4));
	/* The neighbours of the letters, and letters that only some locales know. */
	assert_false(equal_nocase("@[", "`{", 2));
	assert_false(equal_nocase("\xc9", "\xe9", 1));
}

static void
every_error_has_a_text(void **state)
{
	for (int code = 1; code <= FERRY_ETLSNONE; code++) {
		assert_string_not_equal(ferry_strerror(code), "unknown error");
		assert_ptr_equal(ferry_strerror(code), ferry_strerror(-code));
	}
	assert_string_equal(ferry_strerror(FERRY_ETLSNONE + 1), "unknown error");
	assert_string_equal(ferry_strerror(INT32_MIN), "unknown error");
	assert_string_equal(ferry_strerror(INT32_MAX), "unknown error");
	assert_true(strlen(ferry_version()) >= strlen("0.1.0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_empty),
	    cmocka_unit_test(stops_at_maximum),
	    cmocka_unit_test(holds_nothing_at_maximum_zero),
	    cmocka_unit_test(knows_no_overflow),
	    cmocka_unit_test(reserve_and_commit),
	    cmocka_unit_test(printf_grows),
	    cmocka_unit_test(is_a_queue),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(octal_numbers),
	    cmocka_unit_test(words),
	    cmocka_unit_test(every_error_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
