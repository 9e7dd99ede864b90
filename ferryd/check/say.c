/*
 * Printing for people and for programs. Must never let a control byte through to a
 * terminal.
 */
#include "say.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 90

static void
put_word(const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		putchar((unsigned char)word[i] < 0x20 || word[i] == 0x7f ? '?' : word[i]);
}

void
say_wrapped(const char *label, const char *text)
{
	size_t column = SAY_INDENT;

	printf("%-*s", SAY_INDENT, label);
	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > SAY_INDENT && column + 1 + n > WIDTH) {
			printf("\n%*s", SAY_INDENT, "");
			column = SAY_INDENT;
		} else if (column > SAY_INDENT) {
			putchar(' ');
			column++;
		}
		put_word(text, n);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void
print_json(json_t *value, size_t flags)
{
	json_dumpf(value, stdout, flags);
	putchar('\n');
	json_decref(value);
}

void
say_json(json_t *value)
{
	print_json(value, JSON_INDENT(1));
}

void
say_json_line(json_t *value)
{
	print_json(value, JSON_COMPACT);
}
