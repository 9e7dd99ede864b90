/*
 * The progress line: its words, and that it always fits.
 */
#include "progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	unsigned width;
	const char *name;
	uint64_t bytes;
	int64_t size;
	double seconds;
	const char *line;
} rows[] = {
    {79, "a.bin", 0, 1000, 0, "a.bin [>                  ]   0%       0 B       0 B/s"},
    {79, "a.bin", 500, 1000, 1, "a.bin [====>   ]  50%     500 B     500 B/s  left 0:01"},
    {40, "a.bin", 25000000, 100000000, 2.5, "a  25%   25.0 MB   10.0 MB/s  left 0:08"},
    {60, "a.bin", 123, -1, 3, "a.bin     123 B      41 B/s  0:03"},
    {79, "a.bin", 1000, 1000, 1,
	"a.bin [===================] 100%    1.0 kB    1.0 kB/s"},
};

static void
shows(void **state)
{
	char line[2001];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		progress_line(line, rows[i].width, rows[i].name, rows[i].bytes,
		    rows[i].size, rows[i].seconds);
		assert_string_equal(line, rows[i].line);
	}
}

static void
fits(void **state)
{
	static const int64_t sizes[] = {-1, 0, 1, 999, 1000000, INT64_MAX};
	char line[4 * 200 + 1];

	for (unsigned width = 40; width < 200; width++)
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			progress_line(line, width,
			    "a rather long name of a file that goes on and on", 12345678,
			    sizes[i], 7);
			assert_in_range(strlen(line), 1, width);
		}
}

static void
rates(void **state)
{
	char text[32];

	assert_string_equal(progress_rate(0, text), "0 B/s");
	assert_string_equal(progress_rate(999, text), "999 B/s");
	assert_string_equal(progress_rate(1000, text), "1.0 kB/s");
	assert_string_equal(progress_rate(123456789, text), "123 MB/s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shows),
	    cmocka_unit_test(fits),
	    cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
