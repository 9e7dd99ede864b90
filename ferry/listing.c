/*
 * Lines of ferry ls. What the server did not tell is shown as "-" or "?".
 */
#include "listing.h"

#include "own.h"
#include "safe.h"

#include <time.h>

static void
print_name(FILE *out, const char *name)
{
	if (isatty(fileno(out)))
		safe_write(out, name, strlen(name), 0);
	else
		fputs(name, out);
}

static char
type_letter(enum ferry_entry_type type)
{
	static const char letters[] = {
	    [FERRY_ENTRY_UNKNOWN] = '?',
	    [FERRY_ENTRY_FILE] = '-',
	    [FERRY_ENTRY_DIRECTORY] = 'd',
	    [FERRY_ENTRY_LINK] = 'l',
	    [FERRY_ENTRY_OTHER] = 'o',
	};

	return (size_t)type < sizeof letters ? letters[type] : '?';
}

static void
print_mode(FILE *out, const struct ferry_entry *e)
{
	static const char bits[] = "rwxrwxrwx";

	putc(type_letter(e->type), out);
	for (int i = 0; i < 9; i++)
		putc(e->mode < 0 ? '?' : e->mode & 0400 >> i ? bits[i] : '-', out);
}

static void
print_time(FILE *out, int64_t mtime)
{
	char text[32] = "-";
	time_t t = (time_t)mtime;
	struct tm tm;

	if (mtime != INT64_MIN && gmtime_r(&t, &tm) != NULL)
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%-19s", text);
}

void
listing_print(FILE *out, const struct ferry_entry *e, bool is_long)
{
	if (is_long) {
		print_mode(out, e);
		putc(' ', out);
		print_name(out, e->owner != NULL ? e->owner : "-");
		putc(' ', out);
		print_name(out, e->group != NULL ? e->group : "-");
		if (e->size >= 0)
			fprintf(out, " %12lld ", (long long)e->size);
		else
			fprintf(out, " %12s ", "-");
		print_time(out, e->mtime);
		putc(' ', out);
	}
	print_name(out, e->name != NULL ? e->name : "");
	if (is_long && e->link != NULL) {
		fputs(" -> ", out);
		print_name(out, e->link);
	}
	putc('\n', out);
}
