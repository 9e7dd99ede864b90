/*
 * Any bytes as a line of a listing, and as the name, owner and link of an entry that is
 * written. What is read keeps within its line; what is written is one line that reads
 * back as the same name.
 */
#include <assert.h>
#include <string.h>

#include "listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define YEAR_0 (-62167219200LL)
#define YEAR_10 (YEAR_0 + 3653LL * 86400)
#define YEAR_10000 253402300800LL

static void
check_entry(const struct ferry_entry *e, const char *line, size_t n)
{
	size_t len = strlen(e->name);

	assert(e->struct_size == sizeof(*e));
	assert(len > 0 && len <= n && memmem(line, n, e->name, len));
	assert(!e->link || memmem(line, n, e->link, strlen(e->link)));
	assert(e->size >= -1 && e->mode >= -1 && e->mode <= 07777);
	assert(e->mtime == INT64_MIN ||
	       (e->mtime >= YEAR_0 && e->mtime <= YEAR_10000 + 366 * 86400));
}

static void
check_reading(const char *line, size_t n, int64_t now)
{
	struct ferry_entry e = {0};
	int r = listing_parse_list(line, n, now, &e);

	if (r == 0)
		check_entry(&e, line, n);
	else
		assert(!e.name && e.struct_size == 0);
	ferry_entry_clear(&e);
	r = listing_parse_mlsx(line, n, &e);
	if (r == 0)
		check_entry(&e, line, n);
	else
		assert(!e.name && e.struct_size == 0);
	ferry_entry_clear(&e);
}

static void
check_time(const char *text, size_t n)
{
	int64_t t = INT64_MAX;
	char back[16];

	if (listing_parse_time(text, n, &t) < 0) {
		assert(t == INT64_MAX);
		return;
	}
	listing_format_time(t, back);
	assert(t >= YEAR_0 && t <= YEAR_10000 && strlen(back) == 14);
	/* A leap second is the first of the next minute. */
	assert(memcmp(text, back, 14) == 0 || memcmp(text + 12, "60", 2) == 0);
}

static void
check_facts(const char *text, size_t n)
{
	unsigned facts = 0;

	if (listing_parse_facts(text, n, &facts) == 0)
		assert((facts & ~(unsigned)FACT_ALL) == 0);
	else
		assert(facts == 0);
}

/* Exactly one line: the only CR LF is at the end, and there is no NUL. */
static void
check_one_line(const struct buf *out, size_t ending)
{
	size_t n = buf_len(out) - ending;

	assert(buf_len(out) >= ending);
	assert(!memchr(buf_data(out), '\r', n) && !memchr(buf_data(out), '\n', n));
	assert(!memchr(buf_data(out), '\0', n));
}

static void
check_ls(const struct listing_item *it, int64_t now)
{
	struct buf out = BUF_INIT(1 << 20);
	struct ferry_entry e = {0};
	int r = listing_format_ls(&out, it, now, false);

	if (r == 0) {
		check_one_line(&out, 2);
		r = listing_parse_list(
		    (const char *)buf_data(&out), buf_len(&out) - 2, now, &e);
		/* At the ends of time no year can be guessed for a date that has none. */
		if (now < YEAR_10 || now >= YEAR_10000)
			goto out;
		assert(r == 0);
		if (S_ISREG(it->st->st_mode)) {
			assert(strlen(e.name) == it->name_len);
			assert(memcmp(e.name, it->name, it->name_len) == 0);
			assert(e.size == it->st->st_size &&
			       e.mode == (int)(it->st->st_mode & 07777));
		}
	} else {
		assert(!listing_name_fits(it->name, it->name_len) && buf_len(&out) == 0);
	}
out:
	ferry_entry_clear(&e);
	buf_free(&out);
}

static void
check_mlsx(const struct listing_item *it, unsigned facts)
{
	struct buf out = BUF_INIT(1 << 20);
	struct ferry_entry e = {0};
	int r = listing_format_mlsx(&out, it, facts);

	if (r == 0) {
		check_one_line(&out, 0);
		r = listing_parse_mlsx((const char *)buf_data(&out), buf_len(&out), &e);
		assert(r == 0 && strlen(e.name) == it->name_len);
		assert(memcmp(e.name, it->name, it->name_len) == 0);
		if ((facts & FACT_MODIFY) && it->st->st_mtime >= YEAR_0 &&
		    it->st->st_mtime < YEAR_10000)
			assert(e.mtime == it->st->st_mtime);
		if ((facts & FACT_SIZE) && S_ISREG(it->st->st_mode))
			assert(e.size == it->st->st_size);
	} else {
		assert(!listing_name_fits(it->name, it->name_len) && buf_len(&out) == 0);
	}
	ferry_entry_clear(&e);
	buf_free(&out);
}

static void
check_writing(const char *text, size_t n, int64_t now, int64_t number)
{
	static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFSOCK};
	char *copy = strndup(text, n);
	struct stat st = {
	    .st_mode = types[(uint64_t)number % 5] | ((uint64_t)number >> 8 & 07777),
	    .st_nlink = 1,
	    .st_size = number & INT64_MAX,
	    .st_mtim.tv_sec = number,
	};
	struct listing_item it = {
	    .name = text,
	    .name_len = n,
	    .st = &st,
	    .owner = "owner",
	    .group = "group",
	    .link = copy,
	    .type = "file",
	};

	assert(copy);
	check_ls(&it, now);
	check_mlsx(&it, (unsigned)now & FACT_ALL);
	/* The same bytes everywhere: still one line, and of MLSx still the right name. */
	it.owner = it.group = it.type = it.perm = copy;
	check_mlsx(&it, FACT_ALL);
	it.name = "name";
	it.name_len = 4;
	check_mlsx(&it, FACT_ALL);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data + 16;
	int64_t now, number;

	if (size < 16 || size > 1 << 14)
		return 0;
	memcpy(&now, data, 8);
	memcpy(&number, data + 8, 8);
	size -= 16;
	check_reading(line, size, now);
	check_time(line, size);
	check_facts(line, size);
	check_writing(line, size, now, number);
	return 0;
}
