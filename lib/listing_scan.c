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

/* Days of a year before the first of a month. */
static int64_t
days_before_month(int64_t year, unsigned month)
{
	static const unsigned before[] = {
	    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

	return before[month - 1] + (month > 2 && is_leap(year));
}

int64_t
date_to_seconds(const struct date *d)
{
	int64_t days =
	    date_days_before(d->year) + days_before_month(d->year, d->month) + d->day - 1;

	return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}

void
date_of_seconds(int64_t seconds, struct date *ret)
{
	struct date d;

	seconds = seconds < DATE_FIRST ? DATE_FIRST : seconds;
	seconds = seconds > DATE_LAST ? DATE_LAST : seconds;
	int64_t of_day = ((seconds % 86400) + 86400) % 86400;
	int64_t days = (seconds - of_day) / 86400;
	/* 400 years have 146097 days: with that the year is right, or the one beside. */
	d.year = (days - date_days_before(0)) * 400 / 146097;
	if (date_days_before(d.year) > days)
		d.year--;
	days -= date_days_before(d.year);
	if (days >= 365 + is_leap(d.year)) {
		days -= 365 + is_leap(d.year);
		d.year++;
	}
	/* No month has more than 31 days: this one is right, or the next. */
	d.month = (unsigned)days / 31 + 1;
	if (d.month < 12 && days_before_month(d.year, d.month + 1) <= days)
		d.month++;
	d.day = (unsigned)(days - days_before_month(d.year, d.month)) + 1;
	d.hour = (unsigned)(of_day / 3600);
	d.minute = (unsigned)(of_day / 60 % 60);
	d.second = (unsigned)(of_day % 60);
	*ret = d;
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
