/*
 * Escaping by what is allowed, not by what is known to be dangerous: for Mermaid, whose
 * grammar has many special characters, everything but letters, digits and a few signs is
 * written by its number.
 */
#include "markup.h"

#include "own.h"

#include <stdbool.h>
#include <time.h>

static void
put_markup(FILE *out, unsigned char c)
{
	switch (c) {
	case '&':
		fputs("&amp;", out);
		break;
	case '<':
		fputs("&lt;", out);
		break;
	case '>':
		fputs("&gt;", out);
		break;
	case '"':
		fputs("&quot;", out);
		break;
	case '\'':
		fputs("&#39;", out);
		break;
	default:
		putc(c == 0x7f || (c < 0x20 && c != '\n' && c != '\t') ? '?' : c, out);
	}
}

/* U+FFFE and U+FFFF: a picture with one of them would not be shown at all. */
static bool
is_no_character(const char *p, size_t n)
{
	return n >= 3 && memcmp(p, "\xef\xbf", 2) == 0 && (unsigned char)p[2] >= 0xbe;
}

void
markup_bytes(FILE *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool none = is_no_character(text + i, n - i);
		put_markup(out, none ? '?' : (unsigned char)text[i]);
		i += none ? 2 : 0;
	}
}

void
markup_text(FILE *out, const char *text)
{
	markup_bytes(out, text, strlen(text));
}

void
markup_mermaid(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= 'a' && *p <= 'z') ||
			     strchr(" .,/_=+*:()-", *p) != NULL;
		if (plain || *p >= 0x80)
			putc(*p, out);
		else if (*p < 0x20 || *p == 0x7f)
			putc(' ', out);
		else
			fprintf(out, "#%d;", *p);
	}
}

static bool
begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t
markup_columns(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += begins_character(*text);
	return n;
}

size_t
markup_line(const char *text, size_t columns)
{
	size_t blank = 0, i = 0;

	for (size_t n = 0; text[i] != '\0' && text[i] != '\n'; i++) {
		if (begins_character(text[i]) && n++ == columns)
			return blank > 0 ? blank : i;
		if (text[i] == ' ' && i > 0)
			blank = i;
	}
	return i;
}

const char *
markup_date(int64_t when, char *out)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (when < 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%F %T UTC", &tm) == 0)
		*out = '\0';
	return out;
}

const char *
markup_seconds(double seconds, char *out)
{
	snprintf(out, 32, seconds < 10 ? "%.3f s" : "%.1f s", seconds);
	return out;
}
