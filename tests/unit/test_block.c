/*
 * Block mode: the same files for every cut of the bytes, every descriptor that is none
 * refused, and what is written reads back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "block.h"
#include "buf.h"

/* What a reader said, as text: the data as it is, "|" for a record, "^" for a marker, "$"
 * for the end of a file, "?" for the end of one that is suspect, "!" for no header. */
static bool
feed(struct block_reader *r, const char *in, size_t n, struct buf *log)
{
	enum block_event event;

	do {
		static const char *const signs[] = {
		    [BLOCK_RECORD] = "|",
		    [BLOCK_MARK] = "^",
		    [BLOCK_END] = "$",
		};
		struct bytes data = {0};
		size_t used = 0;
		int e = block_feed(r, (const uint8_t *)in, n, &used, &event, &data);

		if (e < 0) {
			assert_int_equal(e, -FERRY_EPROTO);
			assert_int_equal(buf_append_str(log, "!"), 0);
			return false;
		}
		assert_true(used <= n);
		assert_true(event != BLOCK_MORE || used == n);
		if (event == BLOCK_DATA) {
			assert_true(data.n > 0 && data.p >= (const uint8_t *)in);
			assert_true(data.p + data.n == (const uint8_t *)in + used);
			assert_int_equal(buf_append(log, data.p, data.n), 0);
		} else if (event != BLOCK_MORE) {
			bool bad = event == BLOCK_END && block_suspect(r);

			assert_int_equal(
			    buf_append_str(log, bad ? "?" : signs[event]), 0);
		}
		in += used;
		n -= used;
	} while (event != BLOCK_MORE);
	return true;
}

struct row {
	const char *in;
	size_t n;
	const char *log;
	bool pending;
};

#define ROW(in, ...)                                                                     \
	{                                                                                \
		in, sizeof(in) - 1, __VA_ARGS__                                          \
	}

static const struct row rows[] = {
    ROW("", "", false),
    ROW("\0\0\3abc\x40\0\0", "abc$", false),
    ROW("\x40\0\3abc", "abc$", false),
    ROW("\x40\0\0", "$", false),
    /* two files, then the half of a third */
    ROW("\x40\0\1a\0\0\1b\x40\0\1c\0\0\2d", "a$bc$d", true),
    ROW("\0", "", true),
    ROW("\0\0", "", true),
    ROW("\0\0\0", "", true),
    ROW("\0\0\0\0\0\0\x40\0\0", "$", false),
    /* records */
    ROW("\x80\0\2ab\xc0\0\1c", "ab|c|$", false),
    ROW("\xc0\0\0", "|$", false),
    /* a restart marker is no data, whatever is in it */
    ROW("\0\0\1a\x10\0\3\x40\0\0\x40\0\1b", "a^b$", false),
    ROW("\x50\0\2xy", "^$", false),
    ROW("\x10\0\0\x40\0\0", "^$", false),
    ROW("\x10\0\2x", "", true),
    /* suspect: of the whole file, and of no other */
    ROW("\x20\0\1a\x40\0\1b\x40\0\1c", "ab?c$", false),
    ROW("\x60\0\0\x40\0\0", "?$", false),
    ROW("\0\0\1a\x60\0\0\0\0\1b\x40\0\0", "a?b$", false),
    ROW("\xf0\0\1x", "^|?", false),
    /* no header: a plain stream, TLS, a reserved bit */
    ROW("hello", "!", false),
    ROW("\x16\x03\x01", "!", false),
    ROW("\x40\0\1a\x01\0\0", "a$!", false),
    ROW("\0\0\1a\x48\0\0", "a!", true),
};

static void
check(const struct row *row, size_t cut1, size_t cut2)
{
	struct buf log = BUF_INIT(1000);
	struct block_reader r = BLOCK_READER_INIT;

	if (feed(&r, row->in, cut1, &log) && feed(&r, row->in + cut1, cut2 - cut1, &log))
		feed(&r, row->in + cut2, row->n - cut2, &log);
	assert_string_equal(buf_cstr(&log), row->log);
	assert_int_equal(block_pending(&r), row->pending);
	buf_free(&log);
}

static void
check_bytewise(const struct row *row)
{
	struct buf log = BUF_INIT(1000);
	struct block_reader r = BLOCK_READER_INIT;

	for (size_t i = 0; i < row->n; i++)
		if (!feed(&r, row->in + i, 1, &log))
			break;
	assert_string_equal(buf_cstr(&log), row->log);
	buf_free(&log);
}

static void
every_cut_gives_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t a = 0; a <= rows[i].n; a++)
			for (size_t b = a; b <= rows[i].n; b++)
				check(&rows[i], a, b);
		check_bytewise(&rows[i]);
	}
}

static void
every_other_descriptor_is_refused(void **state)
{
	(void)state;
	for (unsigned d = 0; d < 256; d++) {
		struct block_reader r = BLOCK_READER_INIT;
		uint8_t byte = (uint8_t)d;
		enum block_event event;
		struct bytes data;
		size_t used;
		int e = block_feed(&r, &byte, 1, &used, &event, &data);

		assert_int_equal(e, d & 0x0f ? -FERRY_EPROTO : 0);
	}
}

static void
a_full_block_comes_whole(void **state)
{
	static char block[BLOCK_HEADER_LEN + BLOCK_DATA_MAX];
	struct block_reader r = BLOCK_READER_INIT;
	struct buf log = BUF_INIT(BLOCK_DATA_MAX + 1);

	(void)state;
	memset(block, 'x', sizeof(block));
	block_header((uint8_t *)block, BLOCK_EOF, BLOCK_DATA_MAX);
	assert_memory_equal(block, "\x40\xff\xff", 3);
	assert_true(feed(&r, block, sizeof(block) - 1, &log));
	assert_int_equal(buf_len(&log), BLOCK_DATA_MAX - 1);
	assert_true(block_pending(&r));
	assert_true(feed(&r, block, 1, &log));
	assert_int_equal(buf_len(&log), BLOCK_DATA_MAX + 1);
	assert_int_equal(buf_data(&log)[BLOCK_DATA_MAX], '$');
	assert_false(block_pending(&r));
	buf_free(&log);
}

static void
headers_are_network_order(void **state)
{
	uint8_t out[BLOCK_HEADER_LEN];

	(void)state;
	block_header(out, 0, 0x1234);
	assert_memory_equal(out, "\0\x12\x34", 3);
	block_header(out, BLOCK_EOF | BLOCK_SUSPECT, 0);
	assert_memory_equal(out, "\x60\0\0", 3);
	block_header(out, BLOCK_EOR | BLOCK_MARKER, 255);
	assert_memory_equal(out, "\x90\0\xff", 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cut_gives_the_same),
	    cmocka_unit_test(every_other_descriptor_is_refused),
	    cmocka_unit_test(a_full_block_comes_whole),
	    cmocka_unit_test(headers_are_network_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
