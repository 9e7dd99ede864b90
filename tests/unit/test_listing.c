/*
 * Listings: what the server writes, what the client understands of all that servers
 * write, and that neither lets a name become something else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "listing.h"

#define HOUR 3600LL
#define DAY (24 * HOUR)
/* 2026-11-23 08:00:00 UTC */
#define NOW 1795420800LL

/* ---------------------------------------------------------------- times */

static void
times(void **state)
{
	static const struct {
		const char *text;
		int64_t value; /* -1: refused (no row means that second) */
	} rows[] = {
	    {"19700101000000", 0},
	    {"19700101000001", 1},
	    {"19691231235958", -2},
	    {"20261123080000", NOW},
	    {"20380119031407", INT32_MAX},
	    {"20380119031408", 2147483648},
	    {"19011213204552", -2147483648},
	    {"21060207062816", 4294967296},
	    {"20000229120000", 951825600},
	    {"19000228235959", -2203891201},
	    {"16010101000000", -11644473600},
	    {"00000101000000", -62167219200},
	    {"99991231235959", 253402300799},
	    {"20240229000000", 1709164800},
	    {"20161231235960", 1483228800},
	    {"20261123080000.5", NOW},
	    {"20261123080000.000", NOW},
	    {"20261123080000.", -1},
	    {"20261123080000.5x", -1},
	    {"20261123080000 ", -1},
	    {"2026112308000", -1},
	    {"202611230800000", -1},
	    {"191260311080000", -1},
	    {"", -1},
	    {"20230229000000", -1},
	    {"19000229000000", -1},
	    {"20261131000000", -1},
	    {"20261301000000", -1},
	    {"20260001000000", -1},
	    {"20260100000000", -1},
	    {"20260101240000", -1},
	    {"20260101006000", -1},
	    {"20260101000061", -1},
	    {"2026 101000000", -1},
	    {"-2261123080000", -1},
	    {"+2261123080000", -1},
	    {"20261123T80000", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 4711;
		int r = listing_parse_time(rows[i].text, strlen(rows[i].text), &value);

		if (r != (rows[i].value == -1 ? -FERRY_EPROTO : 0) ||
		    value != (rows[i].value == -1 ? 4711 : rows[i].value))
			fail_msg("%s: %d, %lld", rows[i].text, r, (long long)value);
	}
}

static void
times_come_back(void **state)
{
	char text[16];
	int64_t value;

	/* A step that is prime, so that all months, days and hours come by. */
	for (int64_t t = -62167219200; t <= 253402300799; t += 864007919) {
		listing_format_time(t, text);
		assert_int_equal(strlen(text), 14);
		assert_int_equal(listing_parse_time(text, 14, &value), 0);
		assert_int_equal(value, t);
	}
	/* Every day of 800 years, at its ends. */
	for (int64_t day = -141428; day < 150770; day++) {
		listing_format_time(day * DAY, text);
		assert_int_equal(listing_parse_time(text, 14, &value), 0);
		assert_int_equal(value, day * DAY);
		listing_format_time(day * DAY + DAY - 1, text);
		assert_int_equal(listing_parse_time(text, 14, &value), 0);
		assert_int_equal(value, day * DAY + DAY - 1);
	}
	listing_format_time(INT64_MAX, text);
	assert_string_equal(text, "99991231235959");
	listing_format_time(INT64_MIN, text);
	assert_string_equal(text, "00000101000000");
}

/* ---------------------------------------------------------------- writing */

static const struct stat some_file = {
    .st_mode = S_IFREG | 0644,
    .st_nlink = 1,
    .st_uid = 1000,
    .st_gid = 100,
    .st_size = 1234,
    .st_mtim.tv_sec = NOW,
    .st_dev = 0x801,
    .st_ino = 0xabc,
};

static struct listing_item
item(const struct stat *st, const char *name)
{
	return (struct listing_item){
	    .name = name,
	    .name_len = strlen(name),
	    .st = st,
	    .owner = "owner",
	    .group = "group",
	    .perm = "r",
	};
}

static void
assert_ls(const struct listing_item *it, time_t now, const char *expected)
{
	struct buf out = BUF_INIT(10000);

	assert_int_equal(listing_format_ls(&out, it, now, false), 0);
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
}

static void
writes_ls(void **state)
{
	struct stat st = some_file;
	struct listing_item it = item(&st, "name");

	assert_ls(
	    &it, NOW, "-rw-r--r--    1 owner    group        1234 Nov 23 08:00 name\r\n");
	/* Over half a year old, and one second newer; the future. */
	assert_ls(&it, NOW + 15778476,
	    "-rw-r--r--    1 owner    group        1234 Nov 23 08:00 name\r\n");
	assert_ls(&it, NOW + 15778477,
	    "-rw-r--r--    1 owner    group        1234 Nov 23  2026 name\r\n");
	assert_ls(&it, NOW - 1,
	    "-rw-r--r--    1 owner    group        1234 Nov 23  2026 name\r\n");
	st.st_mtim.tv_sec = -1;
	assert_ls(
	    &it, NOW, "-rw-r--r--    1 owner    group        1234 Dec 31  1969 name\r\n");
	st.st_mtim.tv_sec = 4294967296;
	assert_ls(
	    &it, NOW, "-rw-r--r--    1 owner    group        1234 Feb  7  2106 name\r\n");
	st.st_mtim.tv_sec = INT64_MAX;
	assert_ls(
	    &it, NOW, "-rw-r--r--    1 owner    group        1234 Dec 31  9999 name\r\n");
	st.st_mtim.tv_sec = INT64_MIN;
	assert_ls(
	    &it, NOW, "-rw-r--r--    1 owner    group        1234 Jan  1  0000 name\r\n");
	st = some_file;
	st.st_size = 5000000000;
	assert_ls(&it, NOW,
	    "-rw-r--r--    1 owner    group    5000000000 Nov 23 08:00 name\r\n");
	st.st_nlink = 12345;
	it.owner = "a-very-long-owner";
	it.group = NULL;
	assert_ls(&it, NOW,
	    "-rw-r--r-- 12345 a-very-long-owner 100      5000000000 Nov 23 08:00 "
	    "name\r\n");
}

static void
writes_modes(void **state)
{
	static const struct {
		mode_t mode;
		const char *text;
	} rows[] = {
	    {S_IFREG | 0, "----------"},
	    {S_IFREG | 0777, "-rwxrwxrwx"},
	    {S_IFREG | 06755, "-rwsr-sr-x"},
	    {S_IFREG | 07000, "---S--S--T"},
	    {S_IFDIR | 01777, "drwxrwxrwt"},
	    {S_IFLNK | 0777, "lrwxrwxrwx"},
	    {S_IFIFO | 0600, "prw-------"},
	    {S_IFSOCK | 0600, "srw-------"},
	    {S_IFCHR | 0600, "crw-------"},
	    {S_IFBLK | 0660, "brw-rw----"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stat st = {.st_mode = rows[i].mode};
		struct listing_item it = item(&st, "x");
		struct buf out = BUF_INIT(200);

		assert_int_equal(listing_format_ls(&out, &it, NOW, false), 0);
		assert_memory_equal(buf_data(&out), rows[i].text, 10);
		buf_free(&out);
	}
}

static void
writes_links_and_devices(void **state)
{
	struct stat st = some_file;
	struct listing_item it = item(&st, "l");

	st.st_mode = S_IFLNK | 0777;
	st.st_size = 3;
	it.link = "a b";
	assert_ls(&it, NOW,
	    "lrwxrwxrwx    1 owner    group           3 Nov 23 08:00 l -> a b\r\n");
	/* A link's text that would make a line of its own is left out. */
	it.link = "a\r\n-rw-r--r-- forged";
	assert_ls(
	    &it, NOW, "lrwxrwxrwx    1 owner    group           3 Nov 23 08:00 l\r\n");
	it.link = NULL;
	assert_ls(
	    &it, NOW, "lrwxrwxrwx    1 owner    group           3 Nov 23 08:00 l\r\n");
	st.st_mode = S_IFBLK | 0660;
	st.st_rdev = makedev(8, 1);
	it.link = "not a link";
	assert_ls(
	    &it, NOW, "brw-rw----    1 owner    group      8,   1 Nov 23 08:00 l\r\n");
	/* So is a blank in an account's name: columns are found by blanks. */
	it.owner = "Jane Doe\r\n";
	it.group = "\t";
	assert_ls(
	    &it, NOW, "brw-rw----    1 Jane_Doe__ _          8,   1 Nov 23 08:00 l\r\n");
}

static void
assert_mlsx(const struct listing_item *it, unsigned facts, const char *expected)
{
	struct buf out = BUF_INIT(10000);

	assert_int_equal(listing_format_mlsx(&out, it, facts), 0);
	assert_string_equal(buf_cstr(&out), expected);
	buf_free(&out);
}

static void
writes_mlsx(void **state)
{
	struct stat st = some_file;
	struct listing_item it = item(&st, " na;me=");

	assert_mlsx(&it, FACT_DEFAULT,
	    "type=file;size=1234;modify=20261123080000;perm=r;unique=801gabc;UNIX.mode="
	    "0644;"
	    "UNIX.owner=owner;UNIX.group=group;  na;me=");
	it.numeric_ids = true;
	assert_mlsx(&it, FACT_UNIX_OWNER | FACT_UNIX_GROUP,
	    "UNIX.owner=1000;UNIX.group=100;  na;me=");
	assert_mlsx(&it, FACT_SIZE, "size=1234;  na;me=");
	assert_mlsx(&it, 0, "  na;me=");
	st.st_mode = S_IFDIR | 02755;
	it.type = "cdir";
	it.perm = NULL;
	assert_mlsx(&it, FACT_TYPE | FACT_SIZE | FACT_PERM | FACT_UNIX_MODE,
	    "type=cdir;UNIX.mode=2755;  na;me=");
	/* Nothing from outside can end its fact or begin a name. */
	it.numeric_ids = false;
	it.type = "OS.unix=slink:/a b;type=dir\r\n";
	it.perm = "";
	it.owner = "x;type=dir; y";
	assert_mlsx(&it, FACT_TYPE | FACT_PERM | FACT_UNIX_OWNER,
	    "type=OS.unix=slink:/a_b_type=dir__;perm=;UNIX.owner=x_type=dir__y;  na;me=");
	st.st_mtim.tv_sec = -86400;
	assert_mlsx(&it, FACT_MODIFY, "modify=19691231000000;  na;me=");
}

static void
names_that_do_not_fit(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		bool fits;
	} rows[] = {
	    {"a", 1, true},
	    {" ", 1, true},
	    {"\xff\x80\x1b\"", 4, true},
	    {"", 0, false},
	    {"a\r", 2, false},
	    {"a\nb", 3, false},
	    {"a\0b", 3, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct listing_item it = item(&some_file, rows[i].name);
		struct buf out = BUF_INIT(1000);
		int expected = rows[i].fits ? 0 : -FERRY_EINVAL;

		it.name_len = rows[i].n;
		assert_int_equal(
		    listing_name_fits(rows[i].name, rows[i].n), rows[i].fits);
		assert_int_equal(listing_format_ls(&out, &it, NOW, false), expected);
		assert_int_equal(listing_format_mlsx(&out, &it, FACT_ALL), expected);
		assert_int_equal(buf_len(&out) > 0, rows[i].fits);
		buf_free(&out);
	}
}

/* A line is whole or not there. */
static void
no_half_lines(void **state)
{
	struct listing_item it = item(&some_file, "name");

	for (size_t max = 4; max < 62; max++) {
		struct buf out = BUF_INIT(max);

		assert_int_equal(buf_append_str(&out, "old\n"), 0);
		assert_int_equal(
		    listing_format_ls(&out, &it, NOW, false), -FERRY_ETOOBIG);
		assert_int_equal(
		    listing_format_mlsx(&out, &it, FACT_ALL), -FERRY_ETOOBIG);
		assert_string_equal(buf_cstr(&out), "old\n");
		buf_free(&out);
	}
}

/* Room for a line is reserved before it is written: the longest of everything fits. */
static void
longest_lines(void **state)
{
	static const mode_t types[] = {S_IFREG, S_IFBLK, S_IFLNK};
	char text[256];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct stat st = {
		    .st_mode = types[i] | 07777,
		    .st_nlink = UINT64_MAX,
		    .st_uid = UINT32_MAX,
		    .st_gid = UINT32_MAX,
		    .st_size = INT64_MAX,
		    .st_rdev = UINT64_MAX,
		    .st_dev = UINT64_MAX,
		    .st_ino = UINT64_MAX,
		    .st_mtim.tv_sec = INT64_MAX,
		};
		struct listing_item it = item(&st, text);
		struct buf out = BUF_INIT(10000);

		it.owner = it.group = it.link = it.type = it.perm = text;
		it.has_birth = true;
		for (int named = 1; named >= 0; named--) {
			buf_clear(&out);
			assert_int_equal(listing_format_ls(&out, &it, NOW, false), 0);
			assert_int_equal(listing_format_mlsx(&out, &it, FACT_ALL), 0);
			it.owner = it.group = NULL;
		}
		assert_non_null(strstr(buf_cstr(&out),
		    "unique=ffffffffffffffffgffffffffffffffff;UNIX.mode=7777;"
		    "UNIX.owner=4294967295;UNIX.group=4294967295;create="));
		assert_non_null(strstr(buf_cstr(&out), "18446744073709551615"));
		buf_free(&out);
	}
}

/* Each byte as an account's name in a fact: what RFC 3659 7.2 allows, and else "_". */
static void
fact_characters(void **state)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    ",.:!@#$%^&()-_+?/\\'\"=";

	for (unsigned c = 1; c < 256; c++) {
		struct listing_item it = item(&some_file, "x");
		char name[2] = {(char)c, '\0'}, expected[] = "UNIX.owner=_; x";

		it.owner = name;
		if (strchr(allowed, (char)c))
			expected[11] = (char)c;
		assert_mlsx(&it, FACT_UNIX_OWNER, expected);
	}
}

static void
facts(void **state)
{
	static const struct {
		const char *arg;
		int result;
		unsigned facts;
	} rows[] = {
	    {"", 0, 0},
	    {"type;size;", 0, FACT_TYPE | FACT_SIZE},
	    {"SIZE;Unix.Mode;", 0, FACT_SIZE | FACT_UNIX_MODE},
	    {"lang;media-type;", 0, 0},
	    {"create;modify;", 0, FACT_CREATE | FACT_MODIFY},
	    {"type;type;", 0, FACT_TYPE},
	    {"type;size", -FERRY_EINVAL, 0},
	    {";", -FERRY_EINVAL, 0},
	    {"type;;size;", -FERRY_EINVAL, 0},
	    {"type; size;", -FERRY_EINVAL, 0},
	    {" type;", -FERRY_EINVAL, 0},
	    {"type=file;", -FERRY_EINVAL, 0},
	    {"type;\r\n;", -FERRY_EINVAL, 0},
	};
	unsigned all = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned value = 4711;

		assert_int_equal(
		    listing_parse_facts(rows[i].arg, strlen(rows[i].arg), &value),
		    rows[i].result);
		assert_int_equal(value, rows[i].result == 0 ? rows[i].facts : 4711);
	}
	for (unsigned bit = 1; bit <= FACT_ALL; bit <<= 1)
		if (listing_fact_name(bit))
			all |= bit;
	assert_int_equal(all, FACT_ALL);
	assert_string_equal(listing_fact_name(FACT_UNIX_MODE), "UNIX.mode");
	assert_null(listing_fact_name(0x200));
}

/* ---------------------------------------------------------------- reading */

/* struct ferry_entry, but with texts that nobody frees. */
struct expected {
	enum ferry_entry_type type;
	int64_t size, mtime;
	int mode;
	const char *name, *link, *owner, *group, *perm, *unique;
	bool current, parent;
};

struct row {
	const char *line;
	int result;
	struct expected entry;
};

#define NONE INT64_MIN

static void
assert_same_text(const char *line, const char *got, const char *expected)
{
	if (!got != !expected || (got && strcmp(got, expected) != 0))
		fail_msg("%s: \"%s\", not \"%s\"", line, got ? got : "(null)",
		    expected ? expected : "(null)");
}

static void
assert_same_number(const char *line, const char *what, int64_t got, int64_t expected)
{
	if (got != expected)
		fail_msg("%s: %s %lld, not %lld", line, what, (long long)got,
		    (long long)expected);
}

static void
assert_same_entry(const char *line, const struct ferry_entry *e, const struct expected *x)
{
	assert_int_equal(e->struct_size, sizeof(*e));
	assert_same_number(line, "type", e->type, x->type);
	assert_same_number(line, "size", e->size, x->size);
	assert_same_number(line, "mtime", e->mtime, x->mtime);
	assert_same_number(line, "mode", e->mode, x->mode);
	assert_same_number(line, "current", e->current, x->current);
	assert_same_number(line, "parent", e->parent, x->parent);
	assert_same_text(line, e->name, x->name);
	assert_same_text(line, e->link, x->link);
	assert_same_text(line, e->owner, x->owner);
	assert_same_text(line, e->group, x->group);
	assert_same_text(line, e->perm, x->perm);
	assert_same_text(line, e->unique, x->unique);
}

static int
parse_list_now(const char *line, size_t n, struct ferry_entry *ret)
{
	return listing_parse_list(line, n, NOW, ret);
}

static void
check_rows(int (*parse)(const char *, size_t, struct ferry_entry *),
    const struct row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		struct ferry_entry e = {.size = 4711};
		/* A copy without a NUL behind it, so that the sanitizer sees a read too
		 * far. */
		size_t n = strlen(rows[i].line);
		_cleanup_free_ char *copy = malloc(n + !n);

		memcpy(copy, rows[i].line, n);
		assert_same_number(
		    rows[i].line, "result", parse(copy, n, &e), rows[i].result);
		if (rows[i].result == 0)
			assert_same_entry(rows[i].line, &e, &rows[i].entry);
		else
			assert_int_equal(e.size, 4711);
		ferry_entry_clear(&e);
		assert_null(e.name);
	}
	ferry_entry_clear(NULL);
}

#define FILE_AT(when, bytes, bits, label, ...)                                           \
	{                                                                                \
		.type = FERRY_ENTRY_FILE, .size = (bytes), .mtime = (when),              \
		.mode = (bits), .name = label, __VA_ARGS__                               \
	}
#define DIR_AT(when, bytes, bits, label, ...)                                            \
	{                                                                                \
		.type = FERRY_ENTRY_DIRECTORY, .size = (bytes), .mtime = (when),         \
		.mode = (bits), .name = label, __VA_ARGS__                               \
	}
#define LINK_AT(when, bytes, bits, label, ...)                                           \
	{                                                                                \
		.type = FERRY_ENTRY_LINK, .size = (bytes), .mtime = (when),              \
		.mode = (bits), .name = label, __VA_ARGS__                               \
	}
#define OTHER_AT(when, bytes, bits, label, ...)                                          \
	{                                                                                \
		.type = FERRY_ENTRY_OTHER, .size = (bytes), .mtime = (when),             \
		.mode = (bits), .name = label, __VA_ARGS__                               \
	}
#define OG .owner = "owner", .group = "group"
#define BAD(line)                                                                        \
	{                                                                                \
		line, -FERRY_EPROTO,                                                     \
		{                                                                        \
			0                                                                \
		}                                                                        \
	}
#define SKIP(line)                                                                       \
	{                                                                                \
		line, 1,                                                                 \
		{                                                                        \
			0                                                                \
		}                                                                        \
	}

static void
reads_ls(void **state)
{
	static const struct row rows[] = {
	    {"-rw-r--r--    1 owner    group        1234 Nov 23 08:00 name", 0,
		FILE_AT(NOW, 1234, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 5000000000 Nov 23 08:00 name", 0,
		FILE_AT(NOW, 5000000000, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 9223372036854775807 Nov 23 08:00 name", 0,
		FILE_AT(NOW, INT64_MAX, 0644, "name", OG)},
	    {"drwxrwsr-t+  2 owner group 4096 Nov 23 08:00 d", 0,
		DIR_AT(NOW, 4096, 03775, "d", OG)},
	    {"-rwSr-Sr-T.  2 owner group 1 Nov 23 08:00 d", 0,
		FILE_AT(NOW, 1, 07644, "d", OG)},
	    {"-rwsr-xr-x@  2 owner group 1 Nov 23 08:00 d", 0,
		FILE_AT(NOW, 1, 04755, "d", OG)},
	    /* The date in the other order, in small letters, with seconds, and as ISO. */
	    {"-rw-r--r-- 1 owner group 1 23 Nov 08:00 name", 0,
		FILE_AT(NOW, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 nov 23 8:00 name", 0,
		FILE_AT(NOW, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00:01 name", 0,
		FILE_AT(NOW + 1, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 2026-11-23 08:00 name", 0,
		FILE_AT(NOW, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 2026-11-23 08:00 Nov 24 07:00 x", 0,
		FILE_AT(NOW, 1, 0644, "Nov 24 07:00 x", OG)},
	    /* Years: given, this one, the last one; a server whose clock is ahead of
	       ours. */
	    {"-rw-r--r-- 1 owner group 1 Nov 23  2026 name", 0,
		FILE_AT(NOW - 8 * HOUR, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Jan  1  1970 name", 0,
		FILE_AT(0, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Jan  1  1900 name", 0,
		FILE_AT(-2208988800, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Feb  7  2106 name", 0,
		FILE_AT(4294944000, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 24 07:59 name", 0,
		FILE_AT(NOW + DAY - 60, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 24 08:01 name", 0,
		FILE_AT(NOW + DAY + 60 - 365 * DAY, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Dec 31 23:59 name", 0,
		FILE_AT(1767225540, 1, 0644, "name", OG)},
	    {"-rw-r--r-- 1 owner group 1 Feb 29 00:00 name", 0,
		FILE_AT(1709164800, 1, 0644, "name", OG)},
	};

	check_rows(parse_list_now, rows, ARRAY_LEN(rows));
}

static void
reads_names_of_ls(void **state)
{
	static const struct row rows[] = {
	    /* Names with blanks, in front, behind and alone; with what looks like a date.
	     */
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00   two in front", 0,
		FILE_AT(NOW, 1, 0644, "  two in front", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 behind  ", 0,
		FILE_AT(NOW, 1, 0644, "behind  ", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00  ", 0,
		FILE_AT(NOW, 1, 0644, " ", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23  2026  x", 0,
		FILE_AT(NOW - 8 * HOUR, 1, 0644, " x", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 7 Nov 24 07:00 x", 0,
		FILE_AT(NOW, 1, 0644, "7 Nov 24 07:00 x", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 a -> b", 0,
		FILE_AT(NOW, 1, 0644, "a -> b", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 \xff\"\r\x1b", 0,
		FILE_AT(NOW, 1, 0644, "\xff\"\r\x1b", OG)},
	    /* A name is never a path here, but it is kept as it came: the caller refuses
	       it. */
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 ../x", 0,
		FILE_AT(NOW, 1, 0644, "../x", OG)},
	    {"-rw-r--r-- 1 owner group 1 Nov 23 08:00 /etc/passwd", 0,
		FILE_AT(NOW, 1, 0644, "/etc/passwd", OG)},
	    /* Accounts: none, one, with blanks, numbers, months. */
	    {"-rw-r--r-- 1 1000 100 1 Nov 23 08:00 n", 0,
		FILE_AT(NOW, 1, 0644, "n", .owner = "1000", .group = "100")},
	    {"-rw-r--r-- 1 owner 1 Nov 23 08:00 n", 0,
		FILE_AT(NOW, 1, 0644, "n", .owner = "owner")},
	    {"-rw-r--r-- 1 Nov 23 08:00 n", 0, FILE_AT(NOW, 1, 0644, "n")},
	    {"-rw-r--r-- owner group 1 Nov 23 08:00 n", 0,
		FILE_AT(NOW, 1, 0644, "n", OG)},
	    {"-rw-r--r-- 1 DOM\\user Domain Users 1 Nov 23 08:00 n", 0,
		FILE_AT(
		    NOW, 1, 0644, "n", .owner = "DOM\\user", .group = "Domain Users")},
	    {"-rw-r--r-- 1 Jan Feb 1 Nov 23 08:00 n", 0,
		FILE_AT(NOW, 1, 0644, "n", .owner = "Jan", .group = "Feb")},
	};

	check_rows(parse_list_now, rows, ARRAY_LEN(rows));
}

static void
reads_links_and_devices_of_ls(void **state)
{
	static const struct row rows[] = {
	    /* Links. */
	    {"lrwxrwxrwx 1 owner group 3 Nov 23 08:00 l -> a b", 0,
		LINK_AT(NOW, 3, 0777, "l", .link = "a b", OG)},
	    {"lrwxrwxrwx 1 owner group 3 Nov 23 08:00 l", 0,
		LINK_AT(NOW, 3, 0777, "l", OG)},
	    {"lrwxrwxrwx 1 owner group 1 Nov 23 08:00 a -> b -> c", 0,
		LINK_AT(NOW, 1, 0777, "a -> b", .link = "c", OG)},
	    {"lrwxrwxrwx 1 owner group 6 Nov 23 08:00 a -> b -> c", 0,
		LINK_AT(NOW, 6, 0777, "a", .link = "b -> c", OG)},
	    {"lrwxrwxrwx 1 owner group 99 Nov 23 08:00 a -> b -> c", 0,
		LINK_AT(NOW, 99, 0777, "a", .link = "b -> c", OG)},
	    {"lrwxrwxrwx 1 owner group 1 Nov 23 08:00 a -> ", 0,
		LINK_AT(NOW, 1, 0777, "a -> ", OG)},
	    {"lrwxrwxrwx 1 owner group 1 Nov 23 08:00  -> b", 0,
		LINK_AT(NOW, 1, 0777, " -> b", OG)},
	    /* Devices and the rest. */
	    {"brw-rw----    1 owner    group      8,   1 Nov 23 08:00 sda1", 0,
		OTHER_AT(NOW, -1, 0660, "sda1", OG)},
	    {"crw-rw---- 1 owner group 4,64 Nov 23 08:00 tty", 0,
		OTHER_AT(NOW, -1, 0660, "tty", OG)},
	    {"prw------- 1 owner group 0 Nov 23 08:00 p", 0,
		OTHER_AT(NOW, 0, 0600, "p", OG)},
	    {"srw------- 1 owner group 0 Nov 23 08:00 s", 0,
		OTHER_AT(NOW, 0, 0600, "s", OG)},
	    {"drwxr-xr-x 2 owner group 4096 Nov 23 08:00 .", 0,
		DIR_AT(NOW, 4096, 0755, ".", .current = true, OG)},
	    {"drwxr-xr-x 2 owner group 4096 Nov 23 08:00 ..", 0,
		DIR_AT(NOW, 4096, 0755, "..", .parent = true, OG)},
	    {"drwxr-xr-x 2 owner group 4096 Nov 23 08:00 marked/", 0,
		DIR_AT(NOW, 4096, 0755, "marked", OG)},
	};

	check_rows(parse_list_now, rows, ARRAY_LEN(rows));
}

static void
refuses_lines_of_ls(void **state)
{
	static const struct row rows[] = {
	    SKIP(""),
	    SKIP("   "),
	    SKIP("total 12"),
	    SKIP("total 4.0K"),
	    SKIP("Total 0"),
	    BAD("total"),
	    BAD("total 12 files"),
	    BAD("hello"),
	    BAD("ls: cannot access 'x': No such file or directory"),
	    BAD("./sub:"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 08:00"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 08:00 "),
	    BAD("-rw-r--r-- 1 owner group Nov 23 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group -1 Nov 23 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 4.0K Nov 23 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 9223372036854775808 Nov 23 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 31 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 0 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 24:00 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 08:60 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 0:0 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 26 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Feb 29  2026 n"),
	    BAD("-rw-r--r-- 1 owner group 1 Now 23 08:00 n"),
	    BAD("-rw-r--r-- 1 owner group 1 2026-13-23 08:00 n"),
	    BAD("-rw-r--r- 1 owner group 1 Nov 23 08:00 n"),
	    BAD("-rw-r--rx- 1 owner group 1 Nov 23 08:00 n"),
	    BAD("-rw-r--r--++ 1 owner group 1 Nov 23 08:00 n"),
	    BAD("xrw-r--r-- 1 owner group 1 Nov 23 08:00 n"),
	    BAD("-wr-r--r-- 1 owner group 1 Nov 23 08:00 n"),
	    BAD("a b c d e f g h i j k l m n o p q r s t u v w 1 Nov 23 08:00 n"),
	};

	check_rows(parse_list_now, rows, ARRAY_LEN(rows));
}

static void
reads_dos(void **state)
{
	static const struct row rows[] = {
	    {"11-23-26  08:00AM       <DIR>          name", 0,
		DIR_AT(NOW, -1, -1, "name")},
	    {"11-23-26  08:00AM                 1234 name", 0,
		FILE_AT(NOW, 1234, -1, "name")},
	    {"11-23-2026  08:00AM       <DIR>          name", 0,
		DIR_AT(NOW, -1, -1, "name")},
	    {"11-23-2026  08:00AM        5000000000 name", 0,
		FILE_AT(NOW, 5000000000, -1, "name")},
	    {"11/23/2026 08:00 1,234,567 name", 0, FILE_AT(NOW, 1234567, -1, "name")},
	    {"2026-11-23 08:00 1.234 name", 0, FILE_AT(NOW, 1234, -1, "name")},
	    {"23.11.2026  08:00    <DIR>          name", 0, DIR_AT(NOW, -1, -1, "name")},
	    {"11-23-26  08:00PM 1 n", 0, FILE_AT(NOW + 12 * HOUR, 1, -1, "n")},
	    {"11-23-26  12:00AM 1 n", 0, FILE_AT(NOW - 8 * HOUR, 1, -1, "n")},
	    {"11-23-26  12:30pm 1 n", 0, FILE_AT(NOW + 4 * HOUR + 1800, 1, -1, "n")},
	    {"11-23-26  20:00 1 n", 0, FILE_AT(NOW + 12 * HOUR, 1, -1, "n")},
	    {"01-01-70  12:00AM 1 n", 0, FILE_AT(0, 1, -1, "n")},
	    {"12-31-69  11:59PM 1 n", 0, FILE_AT(-60, 1, -1, "n")},
	    {"01-01-68  12:00AM 1 n", 0, FILE_AT(3092601600, 1, -1, "n")},
	    {"02-29-00  12:00PM 1 n", 0, FILE_AT(951825600, 1, -1, "n")},
	    {"11-23-26  08:00AM       <JUNCTION>     j -> x", 0,
		LINK_AT(NOW, -1, -1, "j", .link = "x")},
	    /* Blanks in names: one stands between a size and a name, columns for <DIR>.
	     */
	    {"11-23-26  08:00AM                 1234   two in front ", 0,
		FILE_AT(NOW, 1234, -1, "  two in front ")},
	    {"11-23-26  08:00AM       <DIR>            two in front ", 0,
		DIR_AT(NOW, -1, -1, "  two in front ")},
	    {"11-23-26 08:00AM <DIR> a b", 0, DIR_AT(NOW, -1, -1, "a b")},
	    BAD("11-23-26"),
	    BAD("11-23-26  08:00AM"),
	    BAD("11-23-26  08:00AM 1"),
	    BAD("11-23-26  08:00AM 1 "),
	    BAD("11-23-26  08:00AM <DIR>     "),
	    BAD("11-31-26  08:00AM 1 n"),
	    BAD("13-13-26  08:00AM 1 n"),
	    BAD("11-23-26  13:00PM 1 n"),
	    BAD("11-23-26  00:00AM 1 n"),
	    BAD("11-23-26  08:00XM 1 n"),
	    BAD("11-23-26  08:00AMx 1 n"),
	    BAD("11-23  08:00AM 1 n"),
	    BAD("11-23/26  08:00AM 1 n"),
	    BAD("11-23-26-1  08:00AM 1 n"),
	    BAD("11-23-26  08:00AM <DIRR> n"),
	    BAD("11-23-26  08:00AM -1 n"),
	    BAD("11-23-26  08:00AM 12,34 n"),
	    BAD("11-23-26  08:00AM ,123 n"),
	    BAD("11-23-26  08:00AM 1, n"),
	    BAD("11-23-26  08:00AM 9223372036854775808 n"),
	    BAD("11-23-26  08:00AM 00000000000000000000000000000000000000001 n"),
	    BAD("11-23-126  08:00AM 1 n"),
	    BAD("99999-23-26  08:00AM 1 n"),
	    BAD("1234 name"),
	};

	check_rows(parse_list_now, rows, ARRAY_LEN(rows));
}

static void
reads_mlsx(void **state)
{
	static const struct row rows[] = {
	    {"type=file;size=1234;modify=20261123080000;perm=r;unique=801gabc;UNIX.mode="
	     "0644;"
	     "UNIX.owner=owner;UNIX.group=group; name",
		0,
		FILE_AT(NOW, 1234, 0644, "name", OG, .perm = "r", .unique = "801gabc")},
	    {"Type=FILE;Size=5000000000;Modify=20261123080000.123; name", 0,
		FILE_AT(NOW, 5000000000, -1, "name")},
	    {"type=cdir;perm=el; /pub", 0,
		DIR_AT(NONE, -1, -1, "/pub", .current = true, .perm = "el")},
	    {"type=pdir; ..", 0, DIR_AT(NONE, -1, -1, "..", .parent = true)},
	    {"type=dir;sizd=4096;perm=; d", 0, DIR_AT(NONE, -1, -1, "d", .perm = "")},
	    {"type=OS.unix=slink:/a/b; l", 0, LINK_AT(NONE, -1, -1, "l", .link = "/a/b")},
	    {"type=OS.unix=slink; l", 0, LINK_AT(NONE, -1, -1, "l")},
	    {"type=OS.UNIX=symlink:; l", 0, LINK_AT(NONE, -1, -1, "l")},
	    {"type=OS.unix=chr-8/1; c", 0, OTHER_AT(NONE, -1, -1, "c")},
	    {"type=; x", 0, OTHER_AT(NONE, -1, -1, "x")},
	    /* Facts that nobody knows, none at all, a last one without ";". */
	    {"X.y=z=1;lang=de;type=file; n", 0, FILE_AT(NONE, -1, -1, "n")},
	    {"type=file;size=3 n", 0, FILE_AT(NONE, 3, -1, "n")},
	    {" n", 0, {.size = -1, .mtime = NONE, .mode = -1, .name = "n"}},
	    /* The first blank ends the facts: the rest is the name. */
	    {"type=file;  two  blanks ", 0, FILE_AT(NONE, -1, -1, " two  blanks ")},
	    {"type=file; a;size=1; b", 0, FILE_AT(NONE, -1, -1, "a;size=1; b")},
	    {"type=file; \xff\"\r\x1b", 0, FILE_AT(NONE, -1, -1, "\xff\"\r\x1b")},
	    {"type=file; ../x", 0, FILE_AT(NONE, -1, -1, "../x")},
	    {"UNIX.uid=1;UNIX.ownername=o;UNIX.gid=2;UNIX.groupname=g;type=file; n", 0,
		FILE_AT(NONE, -1, -1, "n", .owner = "o", .group = "g")},
	    {"UNIX.ownername=o;UNIX.owner=1;UNIX.mode=99;type=file; n", 0,
		FILE_AT(NONE, -1, -1, "n", .owner = "o")},
	    BAD(""),
	    BAD("name"),
	    BAD("type=file;"),
	    BAD("type=file; "),
	    BAD("type=file;name"),
	    BAD("-rw-r--r-- 1 owner group 1 Nov 23 08:00 name"),
	    BAD("type; n"),
	    BAD("=x; n"),
	    BAD(";; n"),
	    /* A size or time that is wrong is worse than a line that is not understood.
	     */
	    BAD("size=; n"),
	    BAD("size=-1; n"),
	    BAD("size=1x; n"),
	    BAD("size=0x1; n"),
	    BAD("size=9223372036854775808; n"),
	    BAD("size=99999999999999999999999; n"),
	    BAD("modify=; n"),
	    BAD("modify=2026; n"),
	    BAD("modify=20261323080000; n"),
	    BAD("modify=20230229000000; n"),
	    BAD("modify=20261123080000Z; n"),
	};

	check_rows(listing_parse_mlsx, rows, ARRAY_LEN(rows));
}

/* A NUL would cut a name short. */
static void
refuses_nul(void **state)
{
	static const char ls[] = "-rw-r--r-- 1 owner group 1 Nov 23 08:00 a\0b";
	static const char dos[] = "11-23-26  08:00AM 1 a\0b";
	static const char mlsx[] = "type=file; a\0b";
	struct ferry_entry e = {0};

	assert_int_equal(listing_parse_list(ls, sizeof(ls) - 1, NOW, &e), -FERRY_EPROTO);
	assert_int_equal(
	    listing_parse_list(dos, sizeof(dos) - 1, NOW, &e), -FERRY_EPROTO);
	assert_int_equal(listing_parse_mlsx(mlsx, sizeof(mlsx) - 1, &e), -FERRY_EPROTO);
}

/* The year of a date without one, around New Year and at the ends of time. */
static void
guesses_the_year(void **state)
{
	static const struct {
		int64_t now;
		const char *date;
		int64_t mtime; /* INT64_MIN: refused */
	} rows[] = {
	    /* 2026-12-31 23:30: a server ahead of us writes tomorrow. */
	    {1798759800, "Jan  1 08:00", 1798790400},
	    /* 2027-01-01 00:30: one behind us writes yesterday. */
	    {1798763400, "Dec 31 20:00", 1798747200},
	    {1798763400, "Jan  1 09:00", 1798794000},
	    /* 2101-02-01: the last 29th of February was in 2096. */
	    {4136918400, "Feb 29 12:00", 3981355200},
	    {0, "Jan  1 12:00", 43200},
	    {0, "Jan  2 12:00", 43200 + DAY - 365 * DAY},
	    {4294967296, "Feb  7 00:00", 4294944000},
	    {INT64_MAX, "Jan  1 00:00", INT64_MIN},
	    {INT64_MAX - 86400, "Jan  1 00:00", 253402300800},
	    {INT64_MIN, "Jan  1 00:00", INT64_MIN},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ferry_entry e = {0};
		char line[100];
		int r;

		snprintf(line, sizeof(line), "-rw-r--r-- 1 owner group 1 %s name",
		    rows[i].date);
		r = listing_parse_list(line, strlen(line), rows[i].now, &e);
		assert_same_number(
		    line, "result", r, rows[i].mtime == INT64_MIN ? -FERRY_EPROTO : 0);
		if (r == 0)
			assert_same_number(line, "mtime", e.mtime, rows[i].mtime);
		ferry_entry_clear(&e);
	}
}

/* What the server writes, the client understands. */
static void
lines_come_back(void **state)
{
	static const char *const names[] = {
	    "a", " a ", "a -> b", "Nov 23 08:00 x", "\xc3\xa9", ";"};
	static const time_t mtimes[] = {
	    NOW, NOW - 100 * DAY, NOW - 1000 * DAY, NOW + DAY, -DAY};

	for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(mtimes); i++) {
		struct stat st = some_file;
		struct listing_item it = item(&st, names[i % ARRAY_LEN(names)]);
		struct buf out = BUF_INIT(1000);
		struct ferry_entry e = {0};

		st.st_mtim.tv_sec = mtimes[i / ARRAY_LEN(names)];
		assert_int_equal(listing_format_ls(&out, &it, NOW, false), 0);
		assert_int_equal(listing_parse_list((const char *)buf_data(&out),
				     buf_len(&out) - 2, NOW, &e),
		    0);
		assert_string_equal(e.name, it.name);
		assert_int_equal(e.size, 1234);
		assert_true(
		    e.mtime <= st.st_mtim.tv_sec && e.mtime > st.st_mtim.tv_sec - DAY);
		ferry_entry_clear(&e);
		buf_clear(&out);
		assert_int_equal(listing_format_mlsx(&out, &it, FACT_ALL), 0);
		assert_int_equal(
		    listing_parse_mlsx((const char *)buf_data(&out), buf_len(&out), &e),
		    0);
		assert_string_equal(e.name, it.name);
		assert_int_equal(e.mtime, st.st_mtim.tv_sec);
		assert_int_equal(e.mode, 0644);
		ferry_entry_clear(&e);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times),
	    cmocka_unit_test(times_come_back),
	    cmocka_unit_test(writes_ls),
	    cmocka_unit_test(writes_modes),
	    cmocka_unit_test(writes_links_and_devices),
	    cmocka_unit_test(writes_mlsx),
	    cmocka_unit_test(names_that_do_not_fit),
	    cmocka_unit_test(no_half_lines),
	    cmocka_unit_test(longest_lines),
	    cmocka_unit_test(fact_characters),
	    cmocka_unit_test(facts),
	    cmocka_unit_test(reads_ls),
	    cmocka_unit_test(reads_names_of_ls),
	    cmocka_unit_test(reads_links_and_devices_of_ls),
	    cmocka_unit_test(refuses_lines_of_ls),
	    cmocka_unit_test(reads_dos),
	    cmocka_unit_test(reads_mlsx),
	    cmocka_unit_test(refuses_nul),
	    cmocka_unit_test(guesses_the_year),
	    cmocka_unit_test(lines_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
