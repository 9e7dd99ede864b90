/*
 * Text of a listing line, piece by piece: spans, numbers, dates. For the parsers of
 * listings, and the dates for what writes them as well. Must never look past the span it
 * was given.
 */
#ifndef FERRY_LIB_LISTING_SCAN_H
#define FERRY_LIB_LISTING_SCAN_H

#include "listing.h"

/* Text between two places of a line. */
struct span {
	const char *p;
	size_t n;
};

static inline struct span
span_skip(struct span s, size_t n)
{
	return (struct span){.p = s.p + n, .n = s.n - n};
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* In any case of letters: all of it, or how it begins. */
bool span_is(struct span s, const char *word);
bool span_starts(struct span s, const char *word);
/* An allocated copy in *ret, whose old text is freed. 0 or -FERRY_ENOMEM. */
int span_keep(struct span s, char **ret);

/* An entry about which nothing is known yet. */
struct ferry_entry entry_empty(void);
void entry_clearp(struct ferry_entry *e);

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
	unsigned hour, minute, second;
};

/* 0000-01-01 00:00:00 and 9999-12-31 23:59:59: what four digits of a year can say. */
#define DATE_FIRST (-62167219200LL)
#define DATE_LAST 253402300799LL

/* Is there such a day, and such a time of day? */
bool date_is_real(const struct date *d);
/* Of a real date: seconds since 1970. timegm() for our range, without its struct tm and
 * its locale's lock. */
int64_t date_to_seconds(const struct date *d);
/* The other way, UTC; what is before DATE_FIRST or behind DATE_LAST becomes that. */
void date_of_seconds(int64_t seconds, struct date *ret);
/* Days from 1970-01-01 to the first of January of a year >= 0. */
int64_t date_days_before(int64_t year);

/* Number of exactly n digits at p, up to 9999. */
bool scan_number(const char *p, size_t n, unsigned *ret);

#endif
