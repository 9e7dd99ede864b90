/*
 * Makes ferryd.conf.5 while Ferry is built: copies the page's frame and puts the rows of
 * options.def where the frame says .\" OPTIONS. The manual and the program cannot
 * disagree.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"

#define MARK ".\\\" OPTIONS\n"

/* Longest line of text in the page. */
#define WIDTH 72

static void
put_byte(char c)
{
	switch (c) {
	case '\\':
		fputs("\\e", stdout);
		return;
	case '-':
		fputs("\\-", stdout);
		return;
	case '~':
		fputs("\\(ti", stdout);
		return;
	default:
		putchar(c);
	}
}

/* Text in mdoc, broken into lines: nothing in it may be taken for markup. */
static void
put_text(const char *text)
{
	size_t column = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == ' ' && column + strcspn(p + 1, " ") >= WIDTH) {
			putchar('\n');
			column = 0;
			continue;
		}
		if (column == 0 && (*p == '.' || *p == '\''))
			fputs("\\&", stdout);
		put_byte(*p);
		column++;
	}
}

/* Where else than before the first section. */
static void
put_place(unsigned status)
{
	if ((status & IN_SECTIONS) == 0)
		return;
	printf("In sections:\n%s%s%s", (status & IN_HOST) != 0 ? ".Em host" : "",
	    (status & IN_SECTIONS) == IN_SECTIONS ? " ,\n" : "",
	    (status & IN_NETWORK) != 0 ? ".Em network" : "");
	puts(" .");
}

static void
put_end(unsigned status, const char *help)
{
	putchar('\n');
	put_text(help);
	puts(".");
	put_place(status);
	if ((status & HONOURED) == 0)
		puts(".Em Not yet honoured .");
}

static void
put_group(const char *title)
{
	static bool open;

	if (open)
		puts(".El");
	open = title != NULL;
	if (!open)
		return;
	printf(".Ss ");
	put_text(title);
	puts("\n.Bl -tag -width Ds");
}

static void
put_bool(const char *name, bool def, unsigned status, const char *help)
{
	printf(".It Ic %s\nYES or NO; default %s.", name, def ? "YES" : "NO");
	put_end(status, help);
}

static void
put_number(const char *name, uint64_t def, uint64_t min, uint64_t max, unsigned status,
    const char *help)
{
	printf(".It Ic %s\nNumber from %" PRIu64, name, min);
	if (max < INT64_MAX)
		printf(" to %" PRIu64, max);
	printf("; default %" PRIu64 ".", def);
	put_end(status, help);
}

static void
put_octal(const char *name, uint64_t def, uint64_t min, uint64_t max, unsigned status,
    const char *help)
{
	printf(".It Ic %s\nOctal number from %#" PRIo64 " to %#" PRIo64
	       "; default %#" PRIo64 ".",
	    name, min, max, def);
	put_end(status, help);
}

static void
put_string(const char *name, const char *def, unsigned status, const char *help)
{
	printf(".It Ic %s\nText; default", name);
	if (def == NULL) {
		printf(" unset.");
	} else {
		printf("\n.Ql ");
		put_text(def);
		printf(" .");
	}
	put_end(status, help);
}

#define OPTION_GROUP(title) put_group(title);
#define OPTION_BOOL(name, def, status, help) put_bool(#name, def, status, help);
#define OPTION_NUMBER(name, def, min, max, status, help)                                 \
	put_number(#name, def, min, max, status, help);
#define OPTION_OCTAL(name, def, min, max, status, help)                                  \
	put_octal(#name, def, min, max, status, help);
#define OPTION_STRING(name, def, status, help) put_string(#name, def, status, help);

static void
put_options(void)
{
#include "options.def"
	put_group(NULL);
}

int
main(int argc, char **argv)
{
	char line[1024];
	FILE *frame = argc == 2 ? fopen(argv[1], "r") : NULL;
	int marks = 0;

	if (frame == NULL) {
		fprintf(stderr, "usage: options_man FRAME\n");
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), frame) != NULL) {
		if (strcmp(line, MARK) != 0) {
			fputs(line, stdout);
			continue;
		}
		put_options();
		marks++;
	}
	fclose(frame);
	return marks == 1 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
