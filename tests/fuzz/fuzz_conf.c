/*
 * ferryd.conf from anybody: parsing ends, says why, and what was accepted survives
 * printing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "util.h"

static void
told(enum conf_severity severity, const char *file, unsigned line, const char *text,
    void *user)
{
	unsigned *errors = user;

	/* A sentence for a terminal: printable ASCII, and not empty. */
	if (text[0] == '\0')
		abort();
	for (const char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
	*errors += severity == CONF_ERROR;
}

static int
print_row(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	fprintf(user, "%s=%s\n", name, value);
	return 0;
}

static char *
print_conf(const struct conf *c, size_t *ret_n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_n);

	if (out == NULL || conf_each(c, print_row, out) != 0 || fclose(out) != 0)
		abort();
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf c, back;
	unsigned errors = 0;
	size_t n, n_back;

	if (conf_init(&c) < 0 || conf_init(&back) < 0)
		abort();
	int r = conf_parse(&c, "fuzz", (const char *)data, size, told, &errors);
	if ((r < 0) != (errors > 0))
		abort();
	if (r == 0) {
		_cleanup_free_ char *text = print_conf(&c, &n);
		if (conf_parse(&back, "back", text, n, told, &errors) < 0)
			abort();
		_cleanup_free_ char *again = print_conf(&back, &n_back);
		if (n != n_back || memcmp(text, again, n) != 0)
			abort();
		errors = 0;
		r = conf_check(&c, told, &errors);
		if ((r < 0) != (errors > 0))
			abort();
	}
	conf_free(&c);
	conf_free(&back);
	return 0;
}
