/*
 * Nothing that a server sends may reach a terminal as more than text.
 */
#include "safe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *in;
	size_t n;
	unsigned flags;
	const char *out;
} rows[] = {
#define ROW(in, flags, out)                                                              \
	{                                                                                \
		in, sizeof in - 1, flags, out                                            \
	}
    ROW("report.txt", 0, "report.txt"),
    ROW("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2", 0,
	"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa2"),
    ROW("\033]0;owned\a\033[2J", 0, "^[]0;owned^G^[[2J"),
    ROW("a\nb\tc\rd", 0, "a^Jb^Ic^Md"),
    ROW("a\nb\tc\rd\r\n", SAFE_LINES, "a\nb\tc^Md\n"),
    ROW("\0\x7f", SAFE_LINES, "^@^?"),
    ROW("\xc2\x9b"
	"2J",
	0, "\\u{009b}2J"), /* CSI as one character */
    ROW("\x9b"
	"2J",
	0, "\\x9b2J"),                                  /* and as one byte */
    ROW("\xc0\xaf", 0, "\\xc0\\xaf"),                   /* overlong "/" */
    ROW("\xed\xa0\x80", 0, "\\xed\\xa0\\x80"),          /* surrogate */
    ROW("\xf4\x90\x80\x80", 0, "\\xf4\\x90\\x80\\x80"), /* past the end */
    ROW("\xe2\x82", 0, "\\xe2\\x82"),                   /* cut */
    ROW("\xff", 0, "\\xff"),
    ROW("gnp\xe2\x80\xae"
	"exe.",
	0, "gnp\\u{202e}exe."),
    ROW("a\xe2\x80\x8b"
	"b",
	0, "a\\u{200b}b"),
    ROW("", 0, ""),
};

static void
writes(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *out = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&out, &n);
		safe_write(f, rows[i].in, rows[i].n, rows[i].flags);
		fclose(f);
		assert_string_equal(out, rows[i].out);
		free(out);
	}
}

/* Whatever the bytes: printable ASCII and whole UTF-8 only. */
static void
never_passes_control(void **state)
{
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			char in[2] = {(char)a, (char)b};
			char buf[64];
			FILE *f = fmemopen(buf, sizeof buf, "w");
			safe_write(f, in, 2, 0);
			long n = ftell(f);
			fclose(f);
			for (long i = 0; i < n; i++) {
				unsigned char c = (unsigned char)buf[i];
				assert_true(c >= 0x20 && c != 0x7f);
				assert_true(c < 0x80 || (unsigned char)in[0] == c ||
					    (unsigned char)in[1] == c);
			}
		}
}

static void
raw_where_no_terminal(void **state)
{
	char buf[16] = "";
	FILE *f = tmpfile();

	assert_int_equal(safe_stream(f, "\033x\xff", 3, false), 3);
	rewind(f);
	assert_int_equal(fread(buf, 1, sizeof buf, f), 3);
	assert_memory_equal(buf, "\033x\xff", 3);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes),
	    cmocka_unit_test(never_passes_control),
	    cmocka_unit_test(raw_where_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
