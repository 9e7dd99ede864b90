/*
 * ferryd.conf from anybody: parsing ends, says why, and what was accepted survives
 * printing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "section.h"
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

/* What a section itself says. */
struct part {
	FILE *out;
	const struct section *section;
};

static int
print_section_row(const char *name, const char *value, const char *def, const char *help,
    bool changed, bool honoured, void *user)
{
	const struct part *p = user;

	if (section_sets(p->section, name))
		fprintf(p->out, "%s=%s\n", name, value);
	return 0;
}

static void
print_sections(const struct conf *c, FILE *out)
{
	struct part p = {.out = out};

	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		for (size_t i = 1; (p.section = section_get(c, kind, i)) != NULL; i++) {
			fprintf(
			    out, "[%s %s]\n", section_kind_name(kind), p.section->name);
			conf_each(&p.section->conf, print_section_row, &p);
		}
	}
}

static char *
print_conf(const struct conf *c, size_t *ret_n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_n);

	if (out == NULL || conf_each(c, print_row, out) != 0)
		abort();
	print_sections(c, out);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* A view has what its sections say, and a copy has the same views. */
static void
compare_views(const struct conf *c)
{
	struct conf copy;

	if (conf_copy(c, &copy) < 0)
		abort();
	for (size_t host = 0; host <= section_count(c, SECTION_HOST); host++) {
		for (size_t net = 0; net <= section_count(c, SECTION_NETWORK); net++) {
			const struct conf *a = section_view(c, host, net);
			const struct conf *b = section_view(&copy, host, net);
			size_t n_a, n_b;

			if (a == NULL || b == NULL)
				abort();
			_cleanup_free_ char *text_a = print_conf(a, &n_a);
			_cleanup_free_ char *text_b = print_conf(b, &n_b);
			if (n_a != n_b || memcmp(text_a, text_b, n_a) != 0)
				abort();
		}
	}
	conf_free(&copy);
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
		if (section_count(&c, SECTION_HOST) +
			section_count(&c, SECTION_NETWORK) <=
		    3)
			compare_views(&c);
		errors = 0;
		r = conf_check(&c, told, &errors);
		if ((r < 0) != (errors > 0))
			abort();
	}
	conf_free(&c);
	conf_free(&back);
	return 0;
}
