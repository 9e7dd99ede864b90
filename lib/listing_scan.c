/*
 * Spans, numbers and dates of listing lines; see listing_scan.h.
 */
#include "listing_scan.h"

#include <string.h>

void
entry_clearp(struct ferry_entry *e)
{
	ferry_entry_clear(e);
}

struct ferry_entry
entry_empty(void)
{
	return (struct ferry_entry){
	    .struct_size = sizeof(struct ferry_entry),
	    .size = -1,
	    .mtime = INT64_MIN,
	    .mode = -1,
	};
}

bool
span_is(struct span s, const char *word)
{
	return s.n == strlen(word) && equal_nocase(s.p, word, s.n);
}

bool
span_starts(struct span s, const char *word)
{
	return s.n >= strlen(word) && equal_nocase(s.p, word, strlen(word));
}

int
span_keep(struct span s, char **ret)
{
	char *copy = malloc(s.n + 1);

	if (!copy)
		return -FERRY_ENOMEM;
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	free(*ret);
	*ret = copy;
	return 0;
}

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool
date_is_real(const struct date *d)
{
	static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (d->month < 1 || d->month > 12 || d->day < 1 || d->hour > 23 ||
	    d->minute > 59 || d->second > 60)
		return false;
	return d->day <= days[d->month - 1] + (d->month == 2 && is_leap(d->year));
}

int64_t
date_days_before(int64_t year)
{
	/* Leap days of the years before; from 0000-01-01 to 1970-01-01 it is 719528 days.
	 */
	int64_t leaps =
	    year == 0 ? 0 : (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;

	return year * 365 + leaps - 719528;
}

int64_t
date_to_seconds(const struct date *d)
{
	static const unsigned before[] = {
	    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t days = date_days_before(d->year) + before[d->month - 1] + d->day - 1;

	days += d->month > 2 && is_leap(d->year);
	return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}

bool
scan_number(const char *p, size_t n, unsigned *ret)
{
	uint64_t value;

	if (parse_uint(p, n, 9999, &value) < 0)
		return false;
	*ret = (unsigned)value;
	return true;
}
