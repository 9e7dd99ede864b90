/*
 * Directory listings as the server writes them: LIST and MLSx lines. Must never let a
 * name, an owner or a link's text make a line or a fact of its own.
 */
#include "listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* 0000-01-01 00:00:00 and 9999-12-31 23:59:59: what four digits of a year can say. */
#define TIME_FIRST (-62167219200LL)
#define TIME_LAST 253402300799LL
/* Half of a mean Gregorian year, as ls counts it. */
#define SIX_MONTHS (31556952 / 2)

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

static struct tm
broken_down(time_t t, bool local)
{
	struct tm tm = {.tm_mday = 1, .tm_year = 70};

	if (t < TIME_FIRST)
		t = TIME_FIRST;
	if (t > TIME_LAST)
		t = TIME_LAST;
	if (local)
		localtime_r(&t, &tm);
	else
		gmtime_r(&t, &tm);
	return tm;
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
static void
format_mode(mode_t mode, char out[11])
{
	static const char letters[] = "rwxrwxrwx";
	static const mode_t special[] = {S_ISUID, S_ISGID, S_ISVTX};

	out[0] = type_letter(mode);
	for (size_t i = 0; i < 9; i++)
		out[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
	for (size_t i = 0; i < ARRAY_LEN(special); i++) {
		char *x = &out[3 * i + 3];

		if (mode & special[i])
			*x = *x == 'x' ? "sst"[i] : "SST"[i];
	}
	out[10] = '\0';
}

/* A name of an account as one word: clients find the columns by blanks. */
static int
append_word(struct buf *out, const char *text, size_t width)
{
	size_t n = strlen(text);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		uint8_t c = (uint8_t)text[i];

		r = buf_append_byte(out, c <= ' ' || c == 0x7f ? '_' : c);
	}
	for (size_t i = n; i < width && r == 0; i++)
		r = buf_append_byte(out, ' ');
	return r;
}

static int
append_account(struct buf *out, const char *name, unsigned long id)
{
	char number[24];

	if (name && name[0] != '\0')
		return append_word(out, name, 8);
	snprintf(number, sizeof(number), "%lu", id);
	return append_word(out, number, 8);
}

static int
append_size(struct buf *out, const struct stat *st)
{
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return buf_printf(
		    out, " %3u, %3u", major(st->st_rdev), minor(st->st_rdev));
	return buf_printf(out, " %8" PRIu64, st->st_size < 0 ? 0 : (uint64_t)st->st_size);
}

static int
append_date(struct buf *out, time_t mtime, time_t now, bool local)
{
	struct tm tm = broken_down(mtime, local);
	const char *month = month_names[tm.tm_mon];

	if (mtime > now || mtime < now - SIX_MONTHS)
		return buf_printf(
		    out, " %s %2d %5.4d ", month, tm.tm_mday, tm.tm_year + 1900);
	return buf_printf(
	    out, " %s %2d %02d:%02d ", month, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

static int
append_link(struct buf *out, const struct listing_item *it)
{
	int r;

	if (!S_ISLNK(it->st->st_mode) || !it->link ||
	    !fits_line(it->link, strlen(it->link)))
		return 0;
	r = buf_append_str(out, " -> ");
	if (r < 0)
		return r;
	return buf_append_str(out, it->link);
}

static int
append_ls(struct buf *out, const struct listing_item *it, time_t now, bool local)
{
	const struct stat *st = it->st;
	char mode[11];
	int r;

	format_mode(st->st_mode, mode);
	r = buf_printf(out, "%s %4ju ", mode, (uintmax_t)st->st_nlink);
	if (r == 0)
		r = append_account(out, it->owner, st->st_uid);
	if (r == 0)
		r = buf_append_byte(out, ' ');
	if (r == 0)
		r = append_account(out, it->group, st->st_gid);
	if (r == 0)
		r = append_size(out, st);
	if (r == 0)
		r = append_date(out, st->st_mtime, now, local);
	if (r == 0)
		r = buf_append(out, it->name, it->name_len);
	if (r == 0)
		r = append_link(out, it);
	if (r == 0)
		r = buf_append_str(out, "\r\n");
	return r;
}

int
listing_format_ls(
    struct buf *out, const struct listing_item *it, time_t now, bool localtime)
{
	size_t before = buf_len(out);
	int r;

	if (!listing_name_fits(it->name, it->name_len))
		return -FERRY_EINVAL;
	r = append_ls(out, it, now, localtime);
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

/* ---------------------------------------------------------------- MLSx */

/* RFC 3659 7.2: what a value may consist of. Everything else becomes "_". */
static bool
is_fact_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(",.:!@#$%^&()-_+?/\\'\"=", c));
}

static int
append_fact_text(struct buf *out, const char *text)
{
	int r = 0;

	for (; *text != '\0' && r == 0; text++)
		r = buf_append_byte(out, (uint8_t)(is_fact_char(*text) ? *text : '_'));
	return r;
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

static int
value_type(struct buf *out, const struct listing_item *it)
{
	return append_fact_text(out, it->type ? it->type : default_type(it->st));
}

static int
value_size(struct buf *out, const struct listing_item *it)
{
	return buf_printf(out, "%jd", (intmax_t)it->st->st_size);
}

static int
value_modify(struct buf *out, const struct listing_item *it)
{
	char text[16];

	listing_format_time(it->st->st_mtime, text);
	return buf_append_str(out, text);
}

static int
value_create(struct buf *out, const struct listing_item *it)
{
	char text[16];

	listing_format_time(it->birth, text);
	return buf_append_str(out, text);
}

static int
value_perm(struct buf *out, const struct listing_item *it)
{
	return append_fact_text(out, it->perm);
}

static int
value_unique(struct buf *out, const struct listing_item *it)
{
	return buf_printf(
	    out, "%jxg%jx", (uintmax_t)it->st->st_dev, (uintmax_t)it->st->st_ino);
}

static int
value_mode(struct buf *out, const struct listing_item *it)
{
	return buf_printf(out, "%04o", (unsigned)(it->st->st_mode & 07777));
}

static int
value_account(
    struct buf *out, const struct listing_item *it, const char *name, unsigned long id)
{
	if (it->numeric_ids || !name || name[0] == '\0')
		return buf_printf(out, "%lu", id);
	return append_fact_text(out, name);
}

static int
value_owner(struct buf *out, const struct listing_item *it)
{
	return value_account(out, it, it->owner, it->st->st_uid);
}

static int
value_group(struct buf *out, const struct listing_item *it)
{
	return value_account(out, it, it->group, it->st->st_gid);
}

/* The order here is the order on the line and in FEAT. */
static const struct fact_row {
	enum listing_fact fact;
	const char *name;
	int (*value)(struct buf *out, const struct listing_item *it);
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

static int
append_fact(struct buf *out, const struct fact_row *row, const struct listing_item *it)
{
	int r = buf_printf(out, "%s=", row->name);

	if (r == 0)
		r = row->value(out, it);
	if (r == 0)
		r = buf_append_byte(out, ';');
	return r;
}

int
listing_format_facts(struct buf *out, const struct listing_item *it, unsigned facts)
{
	size_t before = buf_len(out);
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(fact_rows) && r == 0; i++)
		if ((facts & fact_rows[i].fact) && has_fact(it, fact_rows[i].fact))
			r = append_fact(out, &fact_rows[i], it);
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

int
listing_format_mlsx(struct buf *out, const struct listing_item *it, unsigned facts)
{
	size_t before = buf_len(out);
	int r;

	if (!listing_name_fits(it->name, it->name_len))
		return -FERRY_EINVAL;
	r = listing_format_facts(out, it, facts);
	if (r == 0)
		r = buf_append_byte(out, ' ');
	if (r == 0)
		r = buf_append(out, it->name, it->name_len);
	if (r < 0)
		buf_truncate(out, before);
	return r;
}

void
listing_format_time(time_t t, char out[16])
{
	struct tm tm = broken_down(t, false);

	snprintf(out, 16, "%04u%02u%02u%02u%02u%02u", (tm.tm_year + 1900u) % 10000u,
	    (tm.tm_mon + 1u) % 100u, tm.tm_mday % 100u, tm.tm_hour % 100u,
	    tm.tm_min % 100u, tm.tm_sec % 100u);
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
			if (!is_fact_char(arg[i]) || arg[i] == '=')
				return -FERRY_EINVAL;
		facts |= find_fact(arg, len);
		arg += len + 1;
		n -= len + 1;
	}
	*ret_facts = facts;
	return 0;
}
