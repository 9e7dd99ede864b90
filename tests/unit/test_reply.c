/*
 * Replies: which line ends one, what is refused, and that no server can make one grow for
 * ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "line.h"
#include "reply.h"

#define LINES_MAX 6

struct row {
	const char *lines[LINES_MAX];
	int result; /* of the last line; all before it give 0 */
	int code;
	const char *text;
};

static int
feed(struct reply *r, const char *line)
{
	return reply_feed(r, (const uint8_t *)line, strlen(line));
}

static void
check(struct reply *r, const struct row *row)
{
	struct buf all = BUF_INIT(1000);

	for (size_t i = 0; i < LINES_MAX && row->lines[i]; i++) {
		bool last = i + 1 == LINES_MAX || !row->lines[i + 1];

		assert_int_equal(feed(r, row->lines[i]), last ? row->result : 0);
		buf_printf(&all, i > 0 ? "\n%s" : "%s", row->lines[i]);
	}
	assert_int_equal(r->code, row->code);
	if (row->result >= 0) {
		assert_string_equal(reply_text(r), row->text);
		assert_string_equal(buf_cstr(&r->text), buf_cstr(&all));
		assert_int_equal(r->open, row->result == 0);
	}
	buf_free(&all);
}

static void
replies(void **state)
{
	static const struct row rows[] = {
	    {{"220 hello"}, 1, 220, "hello"},
	    {{"220"}, 1, 220, ""},
	    {{"220 "}, 1, 220, ""},
	    {{"220  two blanks"}, 1, 220, " two blanks"},
	    {{"599 last"}, 1, 599, "last"},
	    {{"100 first"}, 1, 100, "first"},
	    {{"220-a", "b", "220 c"}, 1, 220, "c"},
	    {{"220-a", "220-b", "220 c"}, 1, 220, "c"},
	    {{"220-a", "", " 220 c", "220 d"}, 1, 220, "d"},
	    /* Other codes inside are text, and so are things that look nearly right. */
	    {{"220-a", "500 no", "221 bye", "2200 x", "220 d"}, 1, 220, "d"},
	    {{"211-Features", " SIZE", "211 End"}, 1, 211, "End"},
	    {{"220-a", "220x", "220_", "220"}, 1, 220, ""},
	    {{"220-"}, 0, 0, ""},
	    {{"220-a", "b"}, 0, 0, ""},
	    {{""}, -FERRY_EPROTO, 0, NULL},
	    {{"hello"}, -FERRY_EPROTO, 0, NULL},
	    {{"22"}, -FERRY_EPROTO, 0, NULL},
	    {{"2200 x"}, -FERRY_EPROTO, 0, NULL},
	    {{"220x"}, -FERRY_EPROTO, 0, NULL},
	    {{" 220 x"}, -FERRY_EPROTO, 0, NULL},
	    {{"099 x"}, -FERRY_EPROTO, 0, NULL},
	    {{"600 x"}, -FERRY_EPROTO, 0, NULL},
	    {{"2a0 x"}, -FERRY_EPROTO, 0, NULL},
	    {{"SSH-2.0-OpenSSH_9.2"}, -FERRY_EPROTO, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct reply r;

		reply_init(&r);
		check(&r, &rows[i]);
		reply_free(&r);
	}
	reply_free(NULL);
}

static void
one_after_another(void **state)
{
	static const struct row rows[] = {
	    {{"220-a", "220 b"}, 1, 220, "b"},
	    {{"331 password"}, 1, 331, "password"},
	    {{"230-x", "230-y", "230 z"}, 1, 230, "z"},
	    {{"200"}, 1, 200, ""},
	};
	struct reply r;

	reply_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(&r, &rows[i]);
	reply_free(&r);
}

static void
too_many_lines(void **state)
{
	struct reply r;

	reply_init(&r);
	assert_int_equal(feed(&r, "220-begin"), 0);
	for (unsigned i = 1; i < REPLY_MAX_LINES; i++)
		assert_int_equal(feed(&r, "x"), 0);
	assert_int_equal(feed(&r, "220 end"), -FERRY_ETOOBIG);
	assert_int_equal(r.lines, REPLY_MAX_LINES);
	reply_free(&r);
}

static void
too_many_bytes(void **state)
{
	char line[1023];
	struct reply r;
	int e = 0, count = 0;

	memset(line, 'x', sizeof(line));
	reply_init(&r);
	assert_int_equal(feed(&r, "220-begin"), 0);
	for (; e == 0; count++)
		e = reply_feed(&r, (const uint8_t *)line, sizeof(line));
	assert_int_equal(e, -FERRY_ETOOBIG);
	assert_true(count <= 256 && count > 250);
	assert_true(buf_len(&r.text) <= REPLY_MAX_BYTES);
	reply_free(&r);
}

/* Bytes of every kind may stand in the text. */
static void
hostile_bytes(void **state)
{
	struct reply r;

	reply_init(&r);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"220-a\0b\nc", 9), 0);
	assert_int_equal(reply_feed(&r, (const uint8_t *)"220 \x1b[2J\xff", 9), 1);
	assert_int_equal(r.code, 220);
	assert_int_equal(buf_len(&r.text), 9 + 1 + 9);
	buf_consume(&r.text, 10);
	assert_memory_equal(buf_data(&r.text), "220 \x1b[2J\xff", 9);
	reply_free(&r);
}

/* ---- as a client reads them: bytes, cut anywhere ---- */

struct stream {
	struct line_reader lines;
	struct reply reply;
	struct buf log; /* "code text|" for each reply, "!" for what is none */
};

static void
take_line(struct stream *s)
{
	struct bytes line = line_text(&s->lines);
	int r = reply_feed(&s->reply, line.p, line.n);

	if (r == 1)
		r = buf_printf(&s->log, "%d %s|", s->reply.code, reply_text(&s->reply));
	else if (r == -FERRY_EPROTO)
		r = buf_append_str(&s->log, "!");
	assert_int_equal(r, 0);
}

static void
take(struct stream *s, const char *p, size_t n)
{
	while (n > 0) {
		enum line_event event;
		size_t used;

		assert_int_equal(
		    line_feed(&s->lines, (const uint8_t *)p, n, &used, &event), 0);
		if (event == LINE_READY)
			take_line(s);
		p += used;
		n -= used;
	}
}

static void
check_cut(const char *in, const char *wanted, size_t a, size_t b)
{
	struct stream s = {.log = BUF_INIT(1000)};

	line_init(&s.lines, 64, LINE_LENIENT);
	reply_init(&s.reply);
	take(&s, in, a);
	take(&s, in + a, b - a);
	take(&s, in + b, strlen(in) - b);
	assert_string_equal(buf_cstr(&s.log), wanted);
	line_free(&s.lines);
	reply_free(&s.reply);
	buf_free(&s.log);
}

/* The same replies wherever the network cuts them, in two places at once. */
static void
wherever_they_are_cut(void **state)
{
	static const struct {
		const char *in, *replies;
	} rows[] = {
	    {"220-a\r\n 226 b\r\n226 c\r\n220-d\r\n220 e\r\n331 p\r\n", "220 e|331 p|"},
	    {"211-F\r\n SIZE\r\n211 End\r\n227 (1,2,3,4,5,6)\r\n",
		"211 End|227 (1,2,3,4,5,6)|"},
	    {"150 go\n226-a\n\n226 b\r\r\n", "150 go|226 b\r|"},
	    {"22\xff\xfd\x01"
	     "0 a\xff\xf1\r\xff\xf9\n250 b\r\n",
		"220 a|250 b|"},
	    {"SSH-2.0\r\n220 a\r\n", "!220 a|"},
	    {"220-a\r\n220", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t a = 0; a <= strlen(rows[i].in); a++)
			for (size_t b = a; b <= strlen(rows[i].in); b++)
				check_cut(rows[i].in, rows[i].replies, a, b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replies),
	    cmocka_unit_test(one_after_another),
	    cmocka_unit_test(too_many_lines),
	    cmocka_unit_test(too_many_bytes),
	    cmocka_unit_test(hostile_bytes),
	    cmocka_unit_test(wherever_they_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
