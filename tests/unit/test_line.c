/*
 * The line reader: the same events for every cut of the input, whatever the peer sends;
 * and names that cannot make a line of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "line.h"

#define MAX_LINE 16

/* One event as text: "[line]", "!" for one that was too long, "<\377\374\001>" for an
 * answer, "*" for a synch. Special bytes as line_append_safe() writes them. */
static void
note(struct buf *log, const struct line_reader *lr, enum line_event event)
{
	struct bytes text = line_text(lr);

	switch (event) {
	case LINE_MORE:
		break;
	case LINE_READY:
		assert_true(text.n <= MAX_LINE);
		assert_int_equal(buf_append_str(log, "["), 0);
		assert_int_equal(line_append_safe(log, text.p, text.n), 0);
		assert_int_equal(buf_append_str(log, "]"), 0);
		break;
	case LINE_TOO_LONG:
		assert_int_equal(buf_append_str(log, "!"), 0);
		break;
	case LINE_ANSWER:
		assert_int_equal(buf_append_str(log, "<"), 0);
		assert_int_equal(line_append_safe(log, lr->answer, 3), 0);
		assert_int_equal(buf_append_str(log, ">"), 0);
		break;
	case LINE_SYNCH:
		assert_int_equal(buf_append_str(log, "*"), 0);
		break;
	}
}

static void
feed(struct line_reader *lr, const char *in, size_t n, struct buf *log)
{
	enum line_event event;
	size_t used;

	while (n > 0) {
		assert_int_equal(line_feed(lr, (const uint8_t *)in, n, &used, &event), 0);
		assert_true(used > 0 && used <= n);
		assert_true(event != LINE_MORE || used == n);
		assert_true(lr->text.cap <= MAX_LINE + 1);
		note(log, lr, event);
		in += used;
		n -= used;
	}
}

struct row {
	const char *in;
	size_t n;
	const char *events;
	bool pending;
};

#define ROW(in, ...)                                                                     \
	{                                                                                \
		in, sizeof(in) - 1, __VA_ARGS__                                          \
	}

static void
check(const struct row *row, enum line_flags flags, size_t cut1, size_t cut2)
{
	struct buf log = BUF_INIT(1000);
	struct line_reader lr;

	line_init(&lr, MAX_LINE, flags);
	feed(&lr, row->in, cut1, &log);
	feed(&lr, row->in + cut1, cut2 - cut1, &log);
	feed(&lr, row->in + cut2, row->n - cut2, &log);
	assert_string_equal(buf_cstr(&log), row->events);
	assert_int_equal(line_pending(&lr), row->pending);
	line_free(&lr);
	buf_free(&log);
}

static void
check_bytewise(const struct row *row, enum line_flags flags)
{
	struct buf log = BUF_INIT(1000);
	struct line_reader lr;

	line_init(&lr, MAX_LINE, flags);
	for (size_t i = 0; i < row->n; i++)
		feed(&lr, row->in + i, 1, &log);
	assert_string_equal(buf_cstr(&log), row->events);
	line_free(&lr);
	buf_free(&log);
}

static void
check_rows(const struct row *rows, size_t n_rows, enum line_flags flags)
{
	for (size_t i = 0; i < n_rows; i++) {
		for (size_t a = 0; a <= rows[i].n; a++)
			for (size_t b = a; b <= rows[i].n; b++)
				check(&rows[i], flags, a, b);
		check_bytewise(&rows[i], flags);
	}
}

static void
reads_commands(void **state)
{
	static const struct row rows[] = {
	    ROW("", ""),
	    ROW("NOOP\r\n", "[NOOP]"),
	    ROW("\r\n\r\n", "[][]"),
	    ROW("NOOP", "", true),
	    ROW("NOOP\r", "", true),
	    ROW("\r", "", true),
	    ROW("A\r\nB\r\nC\r\n", "[A][B][C]"),
	    /* A bare LF ends nothing: no line is read once as one and once as two. */
	    ROW("CWD a\nDELE b\r\n", "[CWD a\\012DELE b]"),
	    ROW("\n\n", "", true),
	    /* CR NUL is a CR, and CR NUL LF a CR and a LF within a name (RFC 2640 3.1).
	     */
	    ROW("a\r\0b\r\n", "[a\\015b]"),
	    ROW("a\r\0\nQUIT\r\n", "[a\\015\\012QUIT]"),
	    ROW("a\r\0\r\n", "[a\\015]"),
	    ROW("a\rb\r\n", "[a\\015b]"),
	    ROW("a\r\r\n", "[a\\015]"),
	    ROW("\r\r\r\n", "[\\015\\015]"),
	    /* A NUL elsewhere stays: the caller sees it and refuses the line. */
	    ROW("a\0b\r\n", "[a\\000b]"),
	    ROW("\0\0\r\n", "[\\000\\000]"),
	    ROW("\xc3\xa9\x80\r\n", "[\xc3\xa9\\200]"),
	    /* Exactly the maximum, and one more. */
	    ROW("0123456789abcdef\r\n", "[0123456789abcdef]"),
	    ROW("0123456789abcdefg\r\nA\r\n", "![A]"),
	    ROW("0123456789abcdef\r\0\r\nA\r\n", "![A]"),
	    ROW("0123456789abcde\r\0\r\nA\r\n", "[0123456789abcde\\015][A]"),
	    ROW("0123456789abcdef0123456789abcdef0123456789abcdef", "", true),
	    ROW("0123456789abcdef0123456789\n\r\0\r\n\r\n", "![]"),
	    ROW("0123456789abcdef012\xff\xfd\x01\x33\r\nA\r\n", "<\\377\\374\\001>![A]"),
	};

	check_rows(rows, ARRAY_LEN(rows), LINE_STRICT);
}

static void
takes_telnet_out(void **state)
{
	static const struct row rows[] = {
	    ROW("a\xff\xff"
		"b\r\n",
		"[a\\377b]"),
	    ROW("\xff\xff\xff\xff\r\n", "[\\377\\377]"),
	    ROW("NO\xff\xf1OP\r\n", "[NOOP]"),
	    /* Between CR and LF too. */
	    ROW("NOOP\r\xff\xf1\nA\r\n", "[NOOP][A]"),
	    ROW("NOOP\r\xff\xfb\x03\n", "<\\377\\376\\003>[NOOP]"),
	    ROW("a\r\xff\xf1\0b\r\n", "[a\\015b]"),
	    ROW("\xff\xfd\x06"
		"A\r\n",
		"<\\377\\374\\006>[A]"),
	    ROW("\xff\xfb\xff"
		"A\r\n",
		"<\\377\\376\\377>[A]"),
	    ROW("\xff\xfb\r\n", "<\\377\\376\\015>", true),
	    ROW("\xff\xfc\x01\xff\xfe\x01"
		"A\r\n",
		"[A]"),
	    /* A subnegotiation, with an IAC IAC and a CR LF inside. */
	    ROW("A\xff\xfa\x18\x01x\r\n\xff\xffz\xff\xf0"
		"B\r\n",
		"[AB]"),
	    ROW("\xff\xfa\x18\r\n\xff\xff\xf0\r\n", "", true),
	    /* ABOR as BSD clients send it: IAC IP, IAC DM, then the command. */
	    ROW("\xff\xf4\xff\xf2"
		"ABOR\r\n",
		"**[ABOR]"),
	    ROW("RE\xff\xf4TR a\r\n\xff\xf5\xff\xee", "*[RETR a]**"),
	    /* Not Telnet: the 0xFF of somebody who does not double it. No byte is lost.
	     */
	    ROW("\xff"
		"a\r\n",
		"[\\377a]"),
	    ROW("x\xff\r\nA\r\n", "[x\\377][A]"),
	    ROW("x\xff\0\r\n", "[x\\377\\000]"),
	    ROW("\xff", "", true),
	    ROW("\xff\xfd", "", true),
	    ROW("\xff\xfa", "", true),
	};

	check_rows(rows, ARRAY_LEN(rows), LINE_STRICT);
}

static void
is_lenient_for_replies(void **state)
{
	static const struct row rows[] = {
	    ROW("220 a\n221 b\r\n", "[220 a][221 b]"),
	    ROW("\n\r\n\n", "[][][]"),
	    ROW("a\rb\n", "[a\\015b]"),
	    ROW("a\r\0\n", "[a\\015]"),
	    ROW("0123456789abcdefg\nA\n", "![A]"),
	    ROW("0123456789abcdef\nA\n", "[0123456789abcdef][A]"),
	    ROW("x\xff\nA\n", "[x\\377][A]"),
	};

	check_rows(rows, ARRAY_LEN(rows), LINE_LENIENT);
}

/* A megabyte without a line end costs no more than a short line, and one report. */
static void
overlong_line_is_bounded(void **state)
{
	struct buf log = BUF_INIT(100);
	struct line_reader lr;
	char block[1000];

	memset(block, 'x', sizeof(block));
	line_init(&lr, MAX_LINE, LINE_STRICT);
	for (int i = 0; i < 1000; i++)
		feed(&lr, block, sizeof(block), &log);
	assert_true(line_pending(&lr));
	assert_int_equal(buf_len(&log), 0);
	feed(&lr, "\r\nNOOP\r\n", 8, &log);
	assert_string_equal(buf_cstr(&log), "![NOOP]");
	line_free(&lr);
	buf_free(&log);
}

static void
text_is_gone_with_the_next_feed(void **state)
{
	enum line_event event;
	struct line_reader lr;
	size_t used;

	line_init(&lr, MAX_LINE, LINE_STRICT);
	assert_int_equal(
	    line_feed(&lr, (const uint8_t *)"ab\r\ncd\r\n", 8, &used, &event), 0);
	assert_int_equal(used, 4);
	assert_int_equal(event, LINE_READY);
	assert_int_equal(line_text(&lr).n, 2);
	assert_false(line_pending(&lr));
	assert_int_equal(line_feed(&lr, NULL, 0, &used, &event), 0);
	assert_int_equal(used, 0);
	assert_int_equal(event, LINE_MORE);
	assert_int_equal(line_text(&lr).n, 0);
	line_free(&lr);
	line_free(NULL);
}

/* ---------------------------------------------------------------- names */

struct text_row {
	const char *in;
	size_t n;
	bool quote;
	const char *out;
	size_t out_len;
};

#define NAME(in, quote, out)                                                             \
	{                                                                                \
		in, sizeof(in) - 1, quote, out, sizeof(out) - 1                          \
	}

static const struct text_row names[] = {
    NAME("plain", true, "plain"),
    NAME("", true, ""),
    NAME("a\"b", true, "a\"\"b"),
    NAME("a\"b", false, "a\"b"),
    NAME("\xff", false, "\xff\xff"),
    NAME("\xff\xf4", false, "\xff\xff\xf4"),
    NAME("a\rb", true, "a\r\0b"),
    NAME("x\r\n226 forged", true, "x\r\0\n226 forged"),
    NAME("x\" created\r\n", true, "x\"\" created\r\0\n"),
    NAME("\xc3\xa9 \xf0\x9f\x98\x80", true, "\xc3\xa9 \xf0\x9f\x98\x80"),
};

static void
names_on_a_line(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf out = BUF_INIT(100);

		assert_int_equal(buf_append_str(&out, "257 \""), 0);
		assert_int_equal(line_append_name(&out, (const uint8_t *)names[i].in,
				     names[i].n, names[i].quote),
		    0);
		assert_int_equal(buf_len(&out), 5 + names[i].out_len);
		assert_memory_equal(buf_data(&out) + 5, names[i].out, names[i].out_len);
		buf_free(&out);
	}
}

/* What one side writes, the other reads back: one line, the same bytes. */
static void
names_come_back(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf out = BUF_INIT(100);
		enum line_event event;
		struct line_reader lr;
		size_t used;

		line_init(&lr, 100, LINE_STRICT);
		assert_int_equal(line_append_name(&out, (const uint8_t *)names[i].in,
				     names[i].n, false),
		    0);
		assert_int_equal(buf_append_str(&out, "\r\n"), 0);
		assert_int_equal(
		    line_feed(&lr, buf_data(&out), buf_len(&out), &used, &event), 0);
		assert_int_equal(event, LINE_READY);
		assert_int_equal(used, buf_len(&out));
		assert_int_equal(line_text(&lr).n, names[i].n);
		assert_memory_equal(line_text(&lr).p, names[i].in, names[i].n);
		line_free(&lr);
		buf_free(&out);
	}
}

#define SAFE(in, out)                                                                    \
	{                                                                                \
		in, sizeof(in) - 1, false, out, sizeof(out) - 1                          \
	}

static void
safe_text(void **state)
{
	static const struct text_row rows[] = {
	    SAFE("plain text, ~ and \"quotes\"", "plain text, ~ and \"quotes\""),
	    SAFE("a\\b", "a\\\\b"),
	    SAFE("a\r\n226 forged", "a\\015\\012226 forged"),
	    SAFE("\0\t\x1b[2J\x7f", "\\000\\011\\033[2J\\177"),
	    SAFE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
	    SAFE("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf"
		 "\xbf",
		"\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf"
		"\xbf"),
	    /* C1 control characters: U+009B is CSI to a terminal. */
	    SAFE("\xc2\x9b"
		 "2J",
		"\\302\\2332J"),
	    SAFE("\xc2\x80\xc2\x9f", "\\302\\200\\302\\237"),
	    SAFE("\x9b"
		 "2J",
		"\\2332J"),
	    /* Line and paragraph separator, right-to-left override and isolate. */
	    SAFE("\xe2\x80\xa8", "\\342\\200\\250"),
	    SAFE("gpj\xe2\x80\xae"
		 "exe",
		"gpj\\342\\200\\256exe"),
	    SAFE("\xe2\x81\xa6", "\\342\\201\\246"),
	    SAFE("\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf"),
	    /* Overlong, surrogate, too big, cut short, lonely. */
	    SAFE("\xc0\xaf", "\\300\\257"),
	    SAFE("\xc1\xbf", "\\301\\277"),
	    SAFE("\xe0\x80\xaf", "\\340\\200\\257"),
	    SAFE("\xf0\x82\x82\xac", "\\360\\202\\202\\254"),
	    SAFE("\xe0\x80\x8a", "\\340\\200\\212"),
	    SAFE("\xf0\x80\x80\x8a", "\\360\\200\\200\\212"),
	    SAFE("\xed\xa0\x80", "\\355\\240\\200"),
	    SAFE("\xf4\x90\x80\x80", "\\364\\220\\200\\200"),
	    SAFE("\xf5\x80\x80\x80", "\\365\\200\\200\\200"),
	    SAFE("\xff\xfe", "\\377\\376"),
	    SAFE("\xc3", "\\303"),
	    SAFE("\xc3(", "\\303("),
	    SAFE("\xe2\x82(\xc3\xa9", "\\342\\202(\xc3\xa9"),
	    SAFE("\xe2\x82", "\\342\\202"),
	    SAFE("\x80\xc3\xa9", "\\200\xc3\xa9"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = BUF_INIT(200);

		assert_int_equal(
		    line_append_safe(&out, (const uint8_t *)rows[i].in, rows[i].n), 0);
		assert_string_equal(buf_cstr(&out), rows[i].out);
		buf_free(&out);
	}
}

static void
all_or_nothing(void **state)
{
	struct buf out = BUF_INIT(8);

	assert_int_equal(buf_append_str(&out, "ab"), 0);
	assert_int_equal(
	    line_append_name(&out, (const uint8_t *)"\xff\xff\xff\xff", 4, false),
	    -FERRY_ETOOBIG);
	assert_string_equal(buf_cstr(&out), "ab");
	assert_int_equal(
	    line_append_safe(&out, (const uint8_t *)"\n\n", 2), -FERRY_ETOOBIG);
	assert_string_equal(buf_cstr(&out), "ab");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_commands),
	    cmocka_unit_test(takes_telnet_out),
	    cmocka_unit_test(is_lenient_for_replies),
	    cmocka_unit_test(overlong_line_is_bounded),
	    cmocka_unit_test(text_is_gone_with_the_next_feed),
	    cmocka_unit_test(names_on_a_line),
	    cmocka_unit_test(names_come_back),
	    cmocka_unit_test(safe_text),
	    cmocka_unit_test(all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
