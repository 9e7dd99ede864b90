/*
 * Lines of a failures file from anybody: what is taken survives being written, and is
 * text for a terminal.
 */
#include "failure.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[FAILURE_LINE_MAX], again[FAILURE_LINE_MAX];
	struct failure_record r, back;

	if (failure_parse((const char *)data, size, &r) < 0)
		return 0;
	size_t n = failure_format(&r, line);
	if (n == 0 || line[n - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			abort();
	if (failure_parse(line, n - 1, &back) < 0 || failure_format(&back, again) != n ||
	    strcmp(line, again) != 0)
		abort();
	return 0;
}
