/*
 * What a server says of its files, read for the client: MLSx lines, their times, and the
 * life of an entry. A line is hostile: must never shorten a name, never guess a size, and
 * never read outside of it. "ls -l" and DOS lines are in listing_list.c.
 */
#include <string.h>

#include "listing_scan.h"
#include "path.h"

void
ferry_entry_clear(struct ferry_entry *e)
{
	if (!e)
		return;
	free(e->name);
	free(e->link);
	free(e->owner);
	free(e->group);
	free(e->perm);
	free(e->unique);
	*e = (struct ferry_entry){0};
}

bool
ferry_name_is_plain(const char *name)
{
	return path_name_is_plain((const uint8_t *)name, strlen(name));
}

/* ---------------------------------------------------------------- time */

int
listing_parse_time(const char *text, size_t n, int64_t *ret)
{
	struct date d;
	unsigned year;

	if (n < 14 || !scan_number(text, 4, &year) ||
	    !scan_number(text + 4, 2, &d.month) || !scan_number(text + 6, 2, &d.day) ||
	    !scan_number(text + 8, 2, &d.hour) || !scan_number(text + 10, 2, &d.minute) ||
	    !scan_number(text + 12, 2, &d.second))
		return -FERRY_EPROTO;
	if (n > 14 && (text[14] != '.' || n == 15))
		return -FERRY_EPROTO;
	for (size_t i = 15; i < n; i++)
		if (!is_digit(text[i]))
			return -FERRY_EPROTO;
	d.year = year;
	if (!date_is_real(&d))
		return -FERRY_EPROTO;
	*ret = date_to_seconds(&d);
	return 0;
}

/* ---------------------------------------------------------------- MLSx */

/* "OS.unix=slink:/where/it/leads"; some servers write symlink. */
static int
read_link_type(struct span value, struct ferry_entry *e)
{
	const char *colon = memchr(value.p, ':', value.n);
	size_t skip = colon ? (size_t)(colon - value.p) + 1 : value.n;

	e->type = FERRY_ENTRY_LINK;
	if (skip == value.n)
		return 0;
	return span_keep(span_skip(value, skip), &e->link);
}

static int
read_type(struct span value, struct ferry_entry *e)
{
	e->current = span_is(value, "cdir");
	e->parent = span_is(value, "pdir");
	if (span_is(value, "file"))
		e->type = FERRY_ENTRY_FILE;
	else if (span_is(value, "dir") || e->current || e->parent)
		e->type = FERRY_ENTRY_DIRECTORY;
	else if (span_starts(value, "OS.unix=slink") ||
		 span_starts(value, "OS.unix=symlink"))
		return read_link_type(value, e);
	else
		e->type = FERRY_ENTRY_OTHER;
	return 0;
}

static int
read_size(struct span value, struct ferry_entry *e)
{
	uint64_t size;

	if (parse_uint(value.p, value.n, INT64_MAX, &size) < 0)
		return -FERRY_EPROTO;
	e->size = (int64_t)size;
	return 0;
}

static int
read_modify(struct span value, struct ferry_entry *e)
{
	return listing_parse_time(value.p, value.n, &e->mtime);
}

static int
read_mode(struct span value, struct ferry_entry *e)
{
	uint64_t mode;

	if (parse_octal(value.p, value.n, 07777, &mode) == 0)
		e->mode = (int)mode;
	return 0;
}

static int
read_perm(struct span value, struct ferry_entry *e)
{
	return span_keep(value, &e->perm);
}

static int
read_unique(struct span value, struct ferry_entry *e)
{
	return span_keep(value, &e->unique);
}

static int
read_owner_name(struct span value, struct ferry_entry *e)
{
	return span_keep(value, &e->owner);
}

static int
read_group_name(struct span value, struct ferry_entry *e)
{
	return span_keep(value, &e->group);
}

/* A number does not replace a name. */
static int
read_owner(struct span value, struct ferry_entry *e)
{
	return e->owner ? 0 : span_keep(value, &e->owner);
}

static int
read_group(struct span value, struct ferry_entry *e)
{
	return e->group ? 0 : span_keep(value, &e->group);
}

static const struct {
	const char *name;
	int (*read)(struct span value, struct ferry_entry *e);
} fact_readers[] = {
    {"type", read_type},
    {"size", read_size},
    {"modify", read_modify},
    {"perm", read_perm},
    {"unique", read_unique},
    {"UNIX.mode", read_mode},
    {"UNIX.owner", read_owner},
    {"UNIX.ownername", read_owner_name},
    {"UNIX.uid", read_owner},
    {"UNIX.group", read_group},
    {"UNIX.groupname", read_group_name},
    {"UNIX.gid", read_group},
};

static int
read_fact(struct span fact, struct ferry_entry *e)
{
	const char *equals = memchr(fact.p, '=', fact.n);
	struct span name;

	if (!equals || equals == fact.p)
		return -FERRY_EPROTO;
	name = (struct span){.p = fact.p, .n = (size_t)(equals - fact.p)};
	for (size_t i = 0; i < ARRAY_LEN(fact_readers); i++)
		if (span_is(name, fact_readers[i].name))
			return fact_readers[i].read(span_skip(fact, name.n + 1), e);
	return 0;
}

/* "fact;fact;"; the last ";" is missing at some servers. */
static int
read_facts(struct span facts, struct ferry_entry *e)
{
	while (facts.n > 0) {
		const char *end = memchr(facts.p, ';', facts.n);
		size_t len = end ? (size_t)(end - facts.p) : facts.n;
		int r = read_fact((struct span){.p = facts.p, .n = len}, e);

		if (r < 0)
			return r;
		facts = span_skip(facts, end ? len + 1 : len);
	}
	return 0;
}

int
listing_parse_mlsx(const char *line, size_t n, struct ferry_entry *ret)
{
	_cleanup_(entry_clearp)
	struct ferry_entry e = entry_empty();
	/* RFC 3659 7.2: the first blank ends the facts; all that follow belong to the
	 * name. */
	const char *blank = memchr(line, ' ', n);
	struct span facts, name;
	int r;

	if (!blank || memchr(line, '\0', n))
		return -FERRY_EPROTO;
	facts = (struct span){.p = line, .n = (size_t)(blank - line)};
	name = span_skip((struct span){.p = line, .n = n}, facts.n + 1);
	if (name.n == 0)
		return -FERRY_EPROTO;
	r = read_facts(facts, &e);
	if (r == 0)
		r = span_keep(name, &e.name);
	if (r < 0)
		return r;
	*ret = e;
	e = (struct ferry_entry){0};
	return 0;
}
