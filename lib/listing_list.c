/*
 * LIST lines, read for the client: "ls -l" in its many forms, and DOS/IIS. A line is
 * hostile: must never shorten a name, never guess a size, and never read outside of it.
 */
#include <string.h>

#include "listing_scan.h"

/* Columns that stand before the date of an "ls -l" line, with room for blanks in account
 * names. */
#define LS_WORDS_MAX 16

/* ---------------------------------------------------------------- words of a line */

/* The next word at or behind *at, and *at behind it; empty at the end of the line. */
static struct span
next_word(const char *line, size_t n, size_t *at)
{
	size_t begin = *at, end;

	while (begin < n && line[begin] == ' ')
		begin++;
	end = begin;
	while (end < n && line[end] != ' ')
		end++;
	*at = end;
	return (struct span){.p = line + begin, .n = end - begin};
}

static bool
all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]))
			return false;
	return s.n > 0;
}

static bool
short_number(struct span s, unsigned max, unsigned *ret)
{
	uint64_t value;

	if (s.n > 4 || parse_uint(s.p, s.n, max, &value) < 0)
		return false;
	*ret = (unsigned)value;
	return true;
}

/* "8:00", "08:00", "08:00:59"; the rest of the word, if any, in *ret_rest. */
static bool
read_clock(struct span s, struct date *d, struct span *ret_rest)
{
	const char *colon = memchr(s.p, ':', s.n);
	size_t hours = colon ? (size_t)(colon - s.p) : 0;

	if (hours < 1 || hours > 2 || s.n < hours + 3 ||
	    !scan_number(s.p, hours, &d->hour) || !scan_number(colon + 1, 2, &d->minute))
		return false;
	s = span_skip(s, hours + 3);
	d->second = 0;
	if (s.n >= 3 && s.p[0] == ':' && scan_number(s.p + 1, 2, &d->second))
		s = span_skip(s, 3);
	*ret_rest = s;
	return d->hour < 24 && d->minute < 60 && d->second < 60;
}

static bool
read_month(struct span s, unsigned *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (size_t i = 0; i < 12; i++)
		if (s.n == 3 && equal_nocase(s.p, names + 3 * i, 3)) {
			*ret = (unsigned)i + 1;
			return true;
		}
	return false;
}

/* A date without its year is the last one that is not in the future. A day of grace,
 * because the server's zone and clock are unknown; nine years back, because of the 29th
 * of February. */
static bool
guess_year(struct date *d, int64_t now)
{
	struct date today;

	if (now > INT64_MAX - 86400)
		return false;
	date_of_seconds(now, &today);
	int64_t newest = today.year + 1;
	for (d->year = newest; d->year >= 0 && d->year > newest - 10; d->year--)
		if (date_is_real(d) && date_to_seconds(d) <= now + 86400)
			return true;
	return false;
}

/* ---------------------------------------------------------------- "ls -l" */

/* An "ls -l" line taken apart: words before the date, and where the name begins. */
struct ls_line {
	struct span words[LS_WORDS_MAX];
	size_t n_words; /* all before the date */
	int64_t mtime;
	size_t name_at;
};

/* "08:00" or "2026" behind month and day. */
static bool
read_clock_or_year(struct span s, struct date *d, int64_t now)
{
	struct span rest;
	unsigned year;

	if (read_clock(s, d, &rest))
		return rest.n == 0 && guess_year(d, now);
	if (s.n != 4 || !short_number(s, 9999, &year))
		return false;
	d->year = year;
	return true;
}

/* "Nov 23 08:00", "23 Nov 2026" and the like. */
static bool
read_ls_date(const struct span w[3], int64_t now, int64_t *ret)
{
	struct date d = {0};
	bool month_first = read_month(w[0], &d.month);

	if (!month_first && !read_month(w[1], &d.month))
		return false;
	if (!short_number(month_first ? w[1] : w[0], 31, &d.day) ||
	    !read_clock_or_year(w[2], &d, now) || !date_is_real(&d))
		return false;
	*ret = date_to_seconds(&d);
	return true;
}

/* "2026-11-23 08:00" (ls --time-style=long-iso). */
static bool
read_iso_date(const struct span w[2], int64_t *ret)
{
	struct date d = {0};
	struct span rest;
	unsigned year;

	if (w[0].n != 10 || w[0].p[4] != '-' || w[0].p[7] != '-' ||
	    !scan_number(w[0].p, 4, &year) || !scan_number(w[0].p + 5, 2, &d.month) ||
	    !scan_number(w[0].p + 8, 2, &d.day) || !read_clock(w[1], &d, &rest) ||
	    rest.n > 0)
		return false;
	d.year = year;
	if (!date_is_real(&d))
		return false;
	*ret = date_to_seconds(&d);
	return true;
}

/* Finds the first date and what is before it. Not by counting columns: the group may be
 * missing, an account's name may hold blanks, a device has two numbers. */
static bool
split_ls(const char *line, size_t n, int64_t now, struct ls_line *ret)
{
	struct ls_line l = {0};
	size_t at = 0, ends[LS_WORDS_MAX];

	while (l.n_words < LS_WORDS_MAX) {
		size_t i = l.n_words;

		l.words[i] = next_word(line, n, &at);
		if (l.words[i].n == 0)
			return false;
		ends[i] = at;
		l.n_words++;
		/* Mode, size and a date are the least. */
		if (i >= 4 && read_ls_date(&l.words[i - 2], now, &l.mtime))
			l.n_words = i - 2;
		else if (i >= 3 && read_iso_date(&l.words[i - 1], &l.mtime))
			l.n_words = i - 1;
		else
			continue;
		l.name_at = ends[i] + 1;
		*ret = l;
		return true;
	}
	return false;
}

/* "rwxr-sr-t" to bits; false if the text is something else. */
static bool
read_permissions(const char *p, int *ret)
{
	static const int special[] = {04000, 02000, 01000};
	int mode = 0;

	for (unsigned i = 0; i < 9; i++) {
		bool execute = i % 3 == 2;
		char c = p[i];

		if (c == "rwx"[i % 3])
			mode |= 0400 >> i;
		else if (execute && strchr("stST", c) && c != '\0')
			mode |= special[i / 3] | (c >= 'a' ? 0400 >> i : 0);
		else if (c != '-' && !(execute && (c == 'l' || c == 'L')))
			return false;
	}
	*ret = mode;
	return true;
}

static enum ferry_entry_type
type_of_letter(char c)
{
	switch (c) {
	case '-':
		return FERRY_ENTRY_FILE;
	case 'd':
		return FERRY_ENTRY_DIRECTORY;
	case 'l':
		return FERRY_ENTRY_LINK;
	default:
		return FERRY_ENTRY_OTHER;
	}
}

/* The first word: type, nine permissions, and a mark for ACLs ("+", ".", "@"). */
static bool
read_ls_mode(struct span s, struct ferry_entry *e)
{
	if (s.n < 10 || s.n > 11 || !strchr("-dlbcpsDCMnPw?", s.p[0]) || s.p[0] == '\0' ||
	    !read_permissions(s.p + 1, &e->mode))
		return false;
	if (s.n == 11 && s.p[10] != '+' && s.p[10] != '.' && s.p[10] != '@')
		return false;
	e->type = type_of_letter(s.p[0]);
	return true;
}

/* The last word before the date; false if there is none where there must be one. */
static bool
read_ls_size(struct ls_line *l, struct ferry_entry *e)
{
	struct span last = l->words[--l->n_words];
	uint64_t size;

	if (e->type == FERRY_ENTRY_OTHER && l->n_words > 1) {
		struct span before = l->words[l->n_words - 1];

		/* "8, 0" and "8,0": major and minor number of a device. */
		if (before.p[before.n - 1] == ',' && all_digits(last)) {
			l->n_words--;
			return true;
		}
		if (memchr(last.p, ',', last.n))
			return true;
	}
	if (parse_uint(last.p, last.n, INT64_MAX, &size) < 0)
		return false;
	e->size = (int64_t)size;
	return true;
}

/* What is between mode and size: [links] [owner [group]]. */
static int
read_accounts(const struct ls_line *l, struct ferry_entry *e)
{
	size_t first = l->n_words > 2 && all_digits(l->words[1]) ? 2 : 1;
	struct span group;
	int r;

	if (l->n_words <= first)
		return 0;
	r = span_keep(l->words[first], &e->owner);
	if (r < 0 || l->n_words == first + 1)
		return r;
	group = l->words[first + 1];
	group.n =
	    (size_t)(l->words[l->n_words - 1].p + l->words[l->n_words - 1].n - group.p);
	return span_keep(group, &e->group);
}

/* Where " -> " divides a link's name from its text. Both may hold one themselves: the
 * text is as long as the link's size says; where that fits nowhere, the first one counts.
 */
static size_t
find_arrow(struct span name, int64_t size)
{
	size_t first = name.n;

	for (size_t i = 1; i + 4 < name.n; i++) {
		if (memcmp(name.p + i, " -> ", 4) != 0)
			continue;
		if (first == name.n)
			first = i;
		if (size >= 0 && (uint64_t)size == name.n - i - 4)
			return i;
	}
	return first;
}

static int
read_ls_name(struct span name, struct ferry_entry *e)
{
	size_t arrow = e->type == FERRY_ENTRY_LINK ? find_arrow(name, e->size) : name.n;
	int r;

	if (arrow < name.n) {
		r = span_keep(span_skip(name, arrow + 4), &e->link);
		if (r < 0)
			return r;
		name.n = arrow;
	}
	/* "ls -F": no name ends with a "/" by itself. */
	if (e->type == FERRY_ENTRY_DIRECTORY && name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	e->current = span_is(name, ".");
	e->parent = span_is(name, "..");
	return span_keep(name, &e->name);
}

static int
parse_ls(const char *line, size_t n, int64_t now, struct ferry_entry *e)
{
	struct ls_line l;
	int r;

	if (!split_ls(line, n, now, &l) || !read_ls_mode(l.words[0], e) ||
	    !read_ls_size(&l, e) || l.name_at >= n)
		return -FERRY_EPROTO;
	e->mtime = l.mtime;
	r = read_accounts(&l, e);
	if (r < 0)
		return r;
	return read_ls_name(span_skip((struct span){.p = line, .n = n}, l.name_at), e);
}

/* ---------------------------------------------------------------- DOS */

/* "11-23-26", "11-23-2026", "2026-11-23", "23.11.2026"; also with "/". */
static bool
read_dos_date(struct span s, struct date *d)
{
	unsigned numbers[3];
	char separator = '\0';

	for (size_t i = 0; i < 3; i++) {
		size_t digits = 0;

		while (digits < s.n && is_digit(s.p[digits]))
			digits++;
		if (!short_number(
			(struct span){.p = s.p, .n = digits}, 9999, &numbers[i]))
			return false;
		s = span_skip(s, digits);
		if (i == 2)
			break;
		if (s.n == 0 || !strchr("-/.", s.p[0]) || (i == 1 && s.p[0] != separator))
			return false;
		separator = s.p[0];
		s = span_skip(s, 1);
	}
	if (s.n > 0)
		return false;
	if (numbers[0] > 31)
		*d = (struct date){
		    .year = numbers[0], .month = numbers[1], .day = numbers[2]};
	else if (separator == '.' || numbers[0] > 12)
		*d = (struct date){
		    .year = numbers[2], .month = numbers[1], .day = numbers[0]};
	else
		*d = (struct date){
		    .year = numbers[2], .month = numbers[0], .day = numbers[1]};
	/* Two digits, as POSIX reads them: 69 to 99 are 19xx. */
	if (d->year < 100)
		d->year += d->year < 69 ? 2000 : 1900;
	return d->year >= 1000;
}

/* "08:00AM", "08:00PM", "20:00". */
static bool
read_dos_time(struct span s, struct date *d)
{
	struct span half;

	if (!read_clock(s, d, &half))
		return false;
	if (half.n == 0)
		return true;
	if (d->hour < 1 || d->hour > 12 || (!span_is(half, "AM") && !span_is(half, "PM")))
		return false;
	d->hour = d->hour % 12 + (span_is(half, "PM") ? 12 : 0);
	return true;
}

/* Digits, perhaps with "," or "." between groups of three. */
static bool
read_dos_size(struct span s, struct ferry_entry *e)
{
	char digits[32];
	size_t made = 0;
	uint64_t size;

	for (size_t i = 0; i < s.n; i++) {
		if (is_digit(s.p[i]) && made < sizeof(digits))
			digits[made++] = s.p[i];
		else if ((s.p[i] != ',' && s.p[i] != '.') || i == 0 || (s.n - i) % 4 != 0)
			return false;
	}
	if (parse_uint(digits, made, INT64_MAX, &size) < 0)
		return false;
	e->size = (int64_t)size;
	return true;
}

static bool
read_dos_kind(struct span s, struct ferry_entry *e)
{
	if (span_is(s, "<DIR>"))
		e->type = FERRY_ENTRY_DIRECTORY;
	else if (span_is(s, "<JUNCTION>") || span_is(s, "<SYMLINK>") ||
		 span_is(s, "<SYMLINKD>"))
		e->type = FERRY_ENTRY_LINK;
	else if (read_dos_size(s, e))
		e->type = FERRY_ENTRY_FILE;
	else
		return false;
	return true;
}

/* IIS writes "%s %20s %s" for files and pads "<DIR>" to the same width: the name begins
 * 22 columns behind the time. Elsewhere it begins one blank behind a size, and where
 * blanks end behind a <DIR>. */
static size_t
dos_name_at(const char *line, size_t n, size_t time_end, size_t kind_end, bool sized)
{
	size_t column = time_end + 22, at = kind_end + 1;

	if (sized)
		return at;
	while (at < n && line[at] == ' ')
		at++;
	return column > kind_end && column < at && at < n ? column : at;
}

static int
parse_dos(const char *line, size_t n, struct ferry_entry *e)
{
	size_t at = 0, time_end, name_at;
	struct span date = next_word(line, n, &at), clock = next_word(line, n, &at), kind;
	struct date d;

	time_end = at;
	kind = next_word(line, n, &at);
	if (!read_dos_date(date, &d) || !read_dos_time(clock, &d) || !date_is_real(&d) ||
	    !read_dos_kind(kind, e))
		return -FERRY_EPROTO;
	name_at = dos_name_at(line, n, time_end, at, e->type == FERRY_ENTRY_FILE);
	if (name_at >= n)
		return -FERRY_EPROTO;
	e->mtime = date_to_seconds(&d);
	return read_ls_name(span_skip((struct span){.p = line, .n = n}, name_at), e);
}

/* ---------------------------------------------------------------- LIST */

/* "total 12", blanks. */
static bool
is_no_entry(const char *line, size_t n)
{
	size_t at = 0;
	struct span first = next_word(line, n, &at), second = next_word(line, n, &at);

	return first.n == 0 ||
	       (span_is(first, "total") && second.n > 0 && is_digit(second.p[0]) &&
		   next_word(line, n, &at).n == 0);
}

int
listing_parse_list(const char *line, size_t n, int64_t now, struct ferry_entry *ret)
{
	_cleanup_(entry_clearp)
	struct ferry_entry e = entry_empty();
	int r;

	if (is_no_entry(line, n))
		return 1;
	if (memchr(line, '\0', n))
		return -FERRY_EPROTO;
	r = is_digit(line[0]) ? parse_dos(line, n, &e) : parse_ls(line, n, now, &e);
	if (r < 0)
		return r;
	*ret = e;
	e = (struct ferry_entry){0};
	return 0;
}
