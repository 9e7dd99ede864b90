/*
 * Directory listings as the server writes them: LIST and MLSx lines. Must never let a
 * name, an owner or a link's text make a line or a fact of its own.
 */
#include "listing.h"

#include <assert.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "listing_scan.h"

/* Half of a mean Gregorian year, as ls counts it. */
#define SIX_MONTHS (31556952 / 2)
/* Digits of the longest number. */
#define NUMBER_MAX 24
/* Most that a line of LIST takes without its names, and one fact of MLSx without its
 * text. */
#define LS_FIXED 128
#define FACT_FIXED 64

static const char month_names[12][4] = {
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
};

static struct date
date_of(time_t t, bool local)
{
	struct date d;
	struct tm tm;

	/* At the ends of time a zone could lead out of the four digits. */
	if (!local || t < DATE_FIRST + 86400 || t > DATE_LAST - 86400 ||
	    !localtime_r(&t, &tm)) {
		date_of_seconds(t, &d);
		return d;
	}
	return (struct date){
	    .year = tm.tm_year + 1900,
	    .month = (unsigned)tm.tm_mon + 1,
	    .day = (unsigned)tm.tm_mday,
	    .hour = (unsigned)tm.tm_hour,
	    .minute = (unsigned)tm.tm_min,
	    .second = (unsigned)tm.tm_sec,
	};
}

static bool
fits_line(const char *text, size_t n)
{
	return !memchr(text, '\r', n) && !memchr(text, '\n', n) && !memchr(text, '\0', n);
}

bool
listing_name_fits(const char *name, size_t n)
{
	return n > 0 && fits_line(name, n);
}

/* ---------------------------------------------------------------- pieces of a line
 *
 * A line is put together in room that was reserved for all of it: it is written a hundred
 * thousand times. Each of these writes at p and returns where it has stopped. */

static char *
put(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

static char *
put_str(char *p, const char *text)
{
	return put(p, text, strlen(text));
}

static char *
put_blanks(char *p, size_t n)
{
	memset(p, ' ', n);
	return p + n;
}

/* A number's digits before end; where they begin. */
static char *
digits_before(char *end, uint64_t value, unsigned base)
{
	do {
		*--end = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	return end;
}

static char *
put_number(char *p, uint64_t value, unsigned base)
{
	char text[NUMBER_MAX], *end = text + sizeof(text);
	char *from = digits_before(end, value, base);

	return put(p, from, (size_t)(end - from));
}

/* In decimal, with blanks before it. */
static char *
put_right(char *p, uint64_t value, size_t width)
{
	char text[NUMBER_MAX], *end = text + sizeof(text);
	char *from = digits_before(end, value, 10);
	size_t n = (size_t)(end - from);

	return put(put_blanks(p, n < width ? width - n : 0), from, n);
}

/* The last n digits of it, with zeros before them. */
static char *
put_digits(char *p, unsigned value, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		p[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + n;
}

/* ---------------------------------------------------------------- LIST */

static char
type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	default:
		return '-';
	}
}

/* "drwxr-xr-x", with s, S, t, T where a special bit is set. */
static char *
put_mode(char *p, mode_t mode)
{
	static const char letters[] = "rwxrwxrwx";
	static const mode_t special[] = {S_ISUID, S_ISGID, S_ISVTX};

	p[0] = type_letter(mode);
	for (size_t i = 0; i < 9; i++)
		p[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		char *x = &p[3 * i + 3];

		if (mode & special[i])
			*x = *x == 'x' ? "sst"[i] : "SST"[i];
	}
	return p + 10;
}

/* The name of an account as one word, or its number: clients find the columns by
 * blanks. */
static char *
put_account(char *p, const char *name, uint64_t id)
{
	char *from = p;

	if (!name || name[0] == '\0')
		p = put_number(p, id, 10);
	else
		for (; *name != '\0'; name++)
			*p++ = (uint8_t)*name <= ' ' || *name == 0x7f ? '_' : *name;
	size_t n = (size_t)(p - from);
	return put_blanks(p, n < 8 ? 8 - n : 0);
}

static char *
put_size(char *p, const struct stat *st)
{
	*p++ = ' ';
	if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		return put_right(p, st->st_size < 0 ? 0 : (uint64_t)st->st_size, 8);
	p = put_right(p, major(st->st_rdev), 3);
	return put_right(put(p, ", ", 2), minor(st->st_rdev), 3);
}

/* " Nov 23 08:00 " or " Nov 23  2026 ". */
static char *
put_date(char *p, time_t mtime, time_t now, bool local)
{
	struct date d = date_of(mtime, local);

	*p++ = ' ';
	p = put(p, month_names[d.month - 1], 3);
	*p++ = ' ';
	p = put_right(p, d.day, 2);
	*p++ = ' ';
	if (mtime > now || mtime < now - SIX_MONTHS) {
		*p++ = ' ';
		p = put_digits(p, (unsigned)d.year, 4);
	} else {
		p = put_digits(p, d.hour, 2);
		*p++ = ':';
		p = put_digits(p, d.minute, 2);
	}
	*p++ = ' ';
	return p;
}

static size_t
text_len(const char *text)
{
	return text ? strlen(text) : 0;
}

/* The link's text where there is one to show. */
static const char *
link_of(const struct listing_item *it)
{
	if (!S_ISLNK(it->st->st_mode) || !it->link ||
	    !fits_line(it->link, strlen(it->link)))
		return NULL;
	return it->link;
}

int
listing_format_ls(
    struct buf *out, const struct listing_item *it, time_t now, bool localtime)
{
	const char *link = link_of(it);
	size_t room = LS_FIXED + text_len(it->owner) + text_len(it->group) +
		      it->name_len + text_len(link);
	uint8_t *from;

	if (!listing_name_fits(it->name, it->name_len))
		return -FERRY_EINVAL;
	int r = buf_reserve(out, room, &from);
	if (r < 0)
		return r;
	char *p = put_mode((char *)from, it->st->st_mode);
	*p++ = ' ';
	p = put_right(p, it->st->st_nlink, 4);
	*p++ = ' ';
	p = put_account(p, it->owner, it->st->st_uid);
	*p++ = ' ';
	p = put_account(p, it->group, it->st->st_gid);
	p = put_size(p, it->st);
	p = put_date(p, it->st->st_mtime, now, localtime);
	p = put(p, it->name, it->name_len);
	if (link)
		p = put_str(put(p, " -> ", 4), link);
	p = put(p, "\r\n", 2);
	assert((size_t)(p - (char *)from) <= room);
	buf_commit(out, (size_t)(p - (char *)from));
	return 0;
}

/* ---------------------------------------------------------------- MLSx */

/* RFC 3659 7.2: what a value may consist of. Everything else becomes "_". */
/* clang-format off */
static const bool fact_chars[256] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
    [','] = true, ['.'] = true, [':'] = true, ['!'] = true, ['@'] = true, ['#'] = true,
    ['$'] = true, ['%'] = true, ['^'] = true, ['&'] = true, ['('] = true, [')'] = true,
    ['-'] = true, ['_'] = true, ['+'] = true, ['?'] = true, ['/'] = true, ['\\'] = true,
    ['\''] = true, ['"'] = true, ['='] = true,
};
/* clang-format on */

static char *
put_fact_text(char *p, const char *text)
{
	for (; *text != '\0'; text++)
		*p++ = fact_chars[(uint8_t)*text] ? *text : '_';
	return p;
}

static const char *
default_type(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "OS.unix=slink:";
	default:
		return "OS.unix=other";
	}
}

static const char *
type_of(const struct listing_item *it)
{
	return it->type ? it->type : default_type(it->st);
}

static char *
value_type(char *p, const struct listing_item *it)
{
	return put_fact_text(p, type_of(it));
}

static char *
value_size(char *p, const struct listing_item *it)
{
	return put_number(p, (uint64_t)it->st->st_size, 10);
}

/* "YYYYMMDDHHMMSS" */
static char *
put_time(char *p, time_t t)
{
	struct date d = date_of(t, false);

	p = put_digits(p, (unsigned)d.year, 4);
	p = put_digits(p, d.month, 2);
	p = put_digits(p, d.day, 2);
	p = put_digits(p, d.hour, 2);
	p = put_digits(p, d.minute, 2);
	return put_digits(p, d.second, 2);
}

static char *
value_modify(char *p, const struct listing_item *it)
{
	return put_time(p, it->st->st_mtime);
}

static char *
value_create(char *p, const struct listing_item *it)
{
	return put_time(p, it->birth);
}

static char *
value_perm(char *p, const struct listing_item *it)
{
	return put_fact_text(p, it->perm);
}

static char *
value_unique(char *p, const struct listing_item *it)
{
	p = put_number(p, it->st->st_dev, 16);
	*p++ = 'g';
	return put_number(p, it->st->st_ino, 16);
}

/* Four octal digits. */
static char *
value_mode(char *p, const struct listing_item *it)
{
	for (int shift = 9; shift >= 0; shift -= 3)
		*p++ = (char)('0' + (it->st->st_mode >> shift & 7));
	return p;
}

static char *
value_account(char *p, const struct listing_item *it, const char *name, uint64_t id)
{
	if (it->numeric_ids || !name || name[0] == '\0')
		return put_number(p, id, 10);
	return put_fact_text(p, name);
}

static char *
value_owner(char *p, const struct listing_item *it)
{
	return value_account(p, it, it->owner, it->st->st_uid);
}

static char *
value_group(char *p, const struct listing_item *it)
{
	return value_account(p, it, it->group, it->st->st_gid);
}

/* The order here is the order on the line and in FEAT. */
static const struct fact_row {
	enum listing_fact fact;
	const char *name;
	char *(*value)(char *p, const struct listing_item *it);
} fact_rows[] = {
    {FACT_TYPE, "type", value_type},
    {FACT_SIZE, "size", value_size},
    {FACT_MODIFY, "modify", value_modify},
    {FACT_PERM, "perm", value_perm},
    {FACT_UNIQUE, "unique", value_unique},
    {FACT_UNIX_MODE, "UNIX.mode", value_mode},
    {FACT_UNIX_OWNER, "UNIX.owner", value_owner},
    {FACT_UNIX_GROUP, "UNIX.group", value_group},
    {FACT_CREATE, "create", value_create},
};

/* A directory has no size that a transfer would have (RFC 3659 7.5.7); perm may be
 * unknown. A file that was made here after its content was last changed (a copy that
 * kept its time) has no time of creation: that must not be later (7.5.4). */
static bool
has_fact(const struct listing_item *it, enum listing_fact fact)
{
	if (fact == FACT_SIZE)
		return S_ISREG(it->st->st_mode) && it->st->st_size >= 0;
	if (fact == FACT_CREATE)
		return it->has_birth && it->birth <= it->st->st_mtime;
	return fact != FACT_PERM || it->perm;
}

static char *
put_facts(char *p, const struct listing_item *it, unsigned facts)
{
	for (size_t i = 0; i < ARRAY_LEN(fact_rows); i++) {
		if (!(facts & fact_rows[i].fact) || !has_fact(it, fact_rows[i].fact))
			continue;
		p = put_str(p, fact_rows[i].name);
		*p++ = '=';
		p = fact_rows[i].value(p, it);
		*p++ = ';';
	}
	return p;
}

/* Most that the facts of an item take. */
static size_t
facts_room(const struct listing_item *it)
{
	return ARRAY_LEN(fact_rows) * FACT_FIXED + strlen(type_of(it)) +
	       text_len(it->perm) + text_len(it->owner) + text_len(it->group);
}

int
listing_format_facts(struct buf *out, const struct listing_item *it, unsigned facts)
{
	uint8_t *from;
	int r = buf_reserve(out, facts_room(it), &from);

	if (r < 0)
		return r;
	char *p = put_facts((char *)from, it, facts);
	assert((size_t)(p - (char *)from) <= facts_room(it));
	buf_commit(out, (size_t)(p - (char *)from));
	return 0;
}

int
listing_format_mlsx(struct buf *out, const struct listing_item *it, unsigned facts)
{
	size_t room = facts_room(it) + 1 + it->name_len;
	uint8_t *from;

	if (!listing_name_fits(it->name, it->name_len))
		return -FERRY_EINVAL;
	int r = buf_reserve(out, room, &from);
	if (r < 0)
		return r;
	char *p = put_facts((char *)from, it, facts);
	*p++ = ' ';
	p = put(p, it->name, it->name_len);
	assert((size_t)(p - (char *)from) <= room);
	buf_commit(out, (size_t)(p - (char *)from));
	return 0;
}

void
listing_format_time(time_t t, char out[16])
{
	*put_time(out, t) = '\0';
}

const char *
listing_fact_name(unsigned fact)
{
	for (size_t i = 0; i < ARRAY_LEN(fact_rows); i++)
		if (fact_rows[i].fact == fact)
			return fact_rows[i].name;
	return NULL;
}

static unsigned
find_fact(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(fact_rows); i++)
		if (strlen(fact_rows[i].name) == n &&
		    equal_nocase(fact_rows[i].name, name, n))
			return fact_rows[i].fact;
	return 0;
}

int
listing_parse_facts(const char *arg, size_t n, unsigned *ret_facts)
{
	unsigned facts = 0;

	while (n > 0) {
		const char *end = memchr(arg, ';', n);
		size_t len = end ? (size_t)(end - arg) : 0;

		if (len == 0)
			return -FERRY_EINVAL;
		for (size_t i = 0; i < len; i++)
			if (!fact_chars[(uint8_t)arg[i]] || arg[i] == '=')
				return -FERRY_EINVAL;
		facts |= find_fact(arg, len);
		arg += len + 1;
		n -= len + 1;
	}
	*ret_facts = facts;
	return 0;
}
