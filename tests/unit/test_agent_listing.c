/*
 * Listings as they leave the agent: every form of them, names that want to be more than
 * names, directories of any size without a lost entry, and an end that tells whether it
 * is one.
 */
#include "agent_world.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

#include "facts.h"
#include "name_set.h"

#define ALL 1
#define ANON 2
#define NONE 3

static struct buf got; /* the text of the last listing */

static void
touch_old(const char *name)
{
	struct timespec times[2] = {{.tv_sec = 86400}, {.tv_sec = 86400}};

	assert_int_equal(utimensat(world.root, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static int
setup(void **state)
{
	world_become_nobody();
	world_make_tree();
	put("b", "12345", 0644);
	put("a file", "1", 0600);
	put(".hidden", "", 0644);
	put("c.txt", "", 0644);
	assert_int_equal(mkdirat(world.root, "dir", 0755), 0);
	assert_int_equal(mkdirat(world.root, "dir/sub", 0755), 0);
	assert_int_equal(mkdirat(world.root, "dir/sub/deep", 0755), 0);
	put("dir/x", "x", 0644);
	put("dir/sub/y", "y", 0644);
	assert_int_equal(mkdirat(world.root, "empty", 0755), 0);
	assert_int_equal(mkdirat(world.root, "shut", 0), 0);
	assert_int_equal(mkdirat(world.root, "half", 0444), 0);
	assert_int_equal(symlinkat("b", world.root, "link"), 0);
	assert_int_equal(symlinkat("dir", world.root, "dirlink"), 0);
	assert_int_equal(symlinkat("nothing", world.root, "dangling"), 0);
	assert_int_equal(symlinkat("../outside", world.root, "out"), 0);
	static const char *const names[] = {"b", "a file", ".hidden", "c.txt", "dir/x",
	    "dir/sub/y", "dir/sub/deep", "dir/sub", "dir", "empty", "shut", "half",
	    "link", "dirlink", "dangling", "out"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		touch_old(names[i]);
	world_start(&store_dir);
	world.conf.hide_ids = true;
	assert_int_equal(world_grant(1, "", "/", RIGHT_READ_ONLY), 0);
	assert_int_equal(world_grant(1, "", "/", RIGHT_READ), 0);
	buf_init(&got, 64 << 20);
	return 0;
}

static int
end(void **state)
{
	buf_free(&got);
	return world_end(state);
}

/* Reads the pipe of the last answer to its end, as a worker does. The status byte. */
static int
read_listing(void)
{
	_cleanup_close_ int fd = answer_take_fd();
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	buf_clear(&got);
	for (;;) {
		uint8_t *room;
		assert_int_equal(buf_reserve(&got, 65536, &room), 0);
		ssize_t n = read(fd, room, 65536);
		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n <= 0)
			break;
		else
			buf_commit(&got, (size_t)n);
	}
	assert_true(buf_len(&got) > 0);
	int status = buf_data(&got)[buf_len(&got) - 1];
	got.tail--;
	return status;
}

static uint32_t
ask_list(uint32_t grant, const char *path, enum list_format format, uint32_t flags,
    const char *shown, const char *pattern)
{
	return ASK(LIST, list, .grant = grant, PATH(path), .format = format,
	    .flags = flags, .facts = FACT_TYPE | FACT_SIZE | FACT_PERM,
	    .shown = bytes_of(shown), .pattern = bytes_of(pattern));
}

static const char *
list(uint32_t grant, const char *path, enum list_format format, uint32_t flags,
    const char *shown, const char *pattern)
{
	if (ask_list(grant, path, format, flags, shown, pattern) != 0)
		return world.text;
	assert_int_equal(read_listing(), LIST_COMPLETE);
	return buf_cstr(&got);
}

#define ROOT_NAMES                                                                       \
	"a "                                                                             \
	"file\r\nb\r\nc."                                                                \
	"txt\r\ndangling\r\ndir\r\ndirlink\r\nempty\r\nhalf\r\nlink\r\nout\r\nshut\r\n"

static void
test_names(void **state)
{
	static const struct {
		const char *path;
		uint32_t flags;
		const char *shown, *pattern, *text;
	} table[] = {
	    {"/", 0, "", "", ROOT_NAMES},
	    {"/", LIST_ALL, "", "", ".hidden\r\n" ROOT_NAMES},
	    {"/", LIST_DOTFILES, "", "", ".hidden\r\n" ROOT_NAMES},
	    {"/dir", 0, "", "", "sub\r\nx\r\n"},
	    {"/dir", 0, "dir", "", "dir/sub\r\ndir/x\r\n"},
	    {"/dir", 0, "dir/", "", "dir/sub\r\ndir/x\r\n"},
	    {"/dir", 0, "/dir", "", "/dir/sub\r\n/dir/x\r\n"},
	    {"/dirlink", 0, "dirlink", "", "dirlink/sub\r\ndirlink/x\r\n"},
	    {"/", 0, "/", "",
		"/a file\r\n/b\r\n/c.txt\r\n/dangling\r\n/dir\r\n/dirlink\r\n"
		"/empty\r\n/half\r\n/link\r\n/out\r\n/shut\r\n"},
	    {"/b", 0, "../b", "", "../b\r\n"},
	    {"/b", 0, "", "", "b\r\n"},
	    {"/dangling", 0, "dangling", "", "dangling\r\n"},
	    {"/dir", LIST_DIRECTORY, "dir", "", "dir\r\n"},
	    {"/", 0, "", "*.txt", "c.txt\r\n"},
	    {"/", 0, "", "d*", "dangling\r\ndir\r\ndirlink\r\n"},
	    {"/", 0, "", ".*", ".hidden\r\n"},
	    {"/", LIST_ALL, "", "*", ROOT_NAMES},
	    {"/", 0, "", "none*", ""},
	    {"/empty", 0, "", "", ""},
	    {"/half", 0, "", "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *is = list(ALL, table[i].path, LIST_NAMES, table[i].flags,
		    table[i].shown, table[i].pattern);
		if (strcmp(is, table[i].text) != 0)
			fail_msg("row %zu %s: \"%s\"", i, table[i].path, is);
	}
	world.conf.force_dot_files = true;
	assert_string_equal(
	    list(ALL, "/", LIST_NAMES, 0, "", ""), ".hidden\r\n" ROOT_NAMES);
	world.conf.force_dot_files = false;
}

static void
test_refused(void **state)
{
	static const struct {
		uint32_t grant;
		const char *path;
		enum list_format format;
		const char *pattern;
		uint32_t error;
		const char *text;
	} table[] = {
	    {NONE, "/", LIST_LS, "", EACCES,
		"listing directories is not allowed for this account"},
	    {ALL, "/none", LIST_LS, "", ENOENT, "'none': no such file or directory"},
	    {ALL, "/shut", LIST_LS, "", EACCES, "'shut': permission denied"},
	    {ALL, "/shut", LIST_NAMES, "", EACCES, "'shut': permission denied"},
	    {ALL, "/half", LIST_LS, "", EACCES, "'half': permission denied"},
	    {ALL, "/half", LIST_MLSD, "", EACCES, "'half': permission denied"},
	    {ALL, "/b", LIST_MLSD, "", ENOTDIR,
		"'b' is not a directory; MLST tells about a file"},
	    {ALL, "/dangling", LIST_MLSD, "", ENOENT,
		"'dangling': no such file or directory"},
	    {ALL, "/b", LIST_LS, "*", ENOTDIR, "'b': is not a directory"},
	    {ALL, "/out/x", LIST_LS, "", ENOENT,
		"part of the path, 'out', does not exist"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ask_list(table[i].grant, table[i].path, table[i].format, 0,
		    "", table[i].pattern);
		if (e != table[i].error || strcmp(world.text, table[i].text) != 0)
			fail_msg("%s: %u \"%s\"", table[i].path, e, world.text);
	}
}

/* One line of the last listing that ends in this, without its CR LF; NULL when there is
 * none. */
static const char *
line_ending(const char *tail)
{
	static char line[8192];
	const char *p = buf_cstr(&got);

	while (*p) {
		const char *cr = strchr(p, '\r');
		assert_non_null(cr);
		snprintf(line, sizeof(line), "%.*s", (int)(cr - p), p);
		if (strlen(line) >= strlen(tail) &&
		    strcmp(line + strlen(line) - strlen(tail), tail) == 0)
			return line;
		p = cr + 2;
	}
	return NULL;
}

/* A line of ls -l, with blanks squeezed: the widths are lib/listing.c's. */
static const char *
squeezed(const char *line)
{
	static char out[8192];
	size_t n = 0;

	if (!line)
		return "";
	for (; *line; line++)
		if (*line != ' ' || line[1] != ' ')
			out[n++] = *line;
	out[n] = '\0';
	return out;
}

static void
test_ls(void **state)
{
	static const struct {
		const char *tail, *line;
	} table[] = {
	    {" b", "-rw-r--r-- 1 ftp ftp 5 Jan 2 1970 b"},
	    {" a file", "-rw------- 1 ftp ftp 1 Jan 2 1970 a file"},
	    {"-> b", "lrwxrwxrwx 1 ftp ftp 1 Jan 2 1970 link -> b"},
	    {"-> nothing", "lrwxrwxrwx 1 ftp ftp 7 Jan 2 1970 dangling -> nothing"},
	    {" .", "drwxr-xr-x"},
	    {" ..", "drwxr-xr-x"},
	};

	list(ALL, "/", LIST_LS, LIST_ALL, "", "");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *is = squeezed(line_ending(table[i].tail));
		if (strncmp(is, table[i].line, strlen(table[i].line)) != 0)
			fail_msg("\"%s\"", is);
	}
	list(ALL, "/", LIST_LS, LIST_DOTFILES, "", "");
	assert_null(line_ending(" ."));
	assert_non_null(line_ending(" .hidden"));
	list(ALL, "/b", LIST_LS, 0, "", "");
	assert_string_equal(squeezed(line_ending(" b")), table[0].line);
	list(ALL, "/link", LIST_LS, 0, "", "");
	assert_string_equal(squeezed(line_ending("-> b")), table[2].line);
	list(ALL, "/dangling", LIST_LS, 0, "", "");
	assert_string_equal(squeezed(line_ending("-> nothing")), table[3].line);
	list(ALL, "/dir", LIST_LS, LIST_DIRECTORY, "", "");
	assert_int_equal(strncmp(squeezed(line_ending(" dir")), "drwxr-xr-x", 10), 0);
	list(ALL, "/", LIST_LS, LIST_DIRECTORY, "", "");
	assert_non_null(line_ending(" ."));
	assert_string_equal(list(ALL, "/empty", LIST_LS, 0, "", ""), "");
}

/* ".." of the root is the root: nothing is told of what is above it. */
static void
test_dots_of_root(void **state)
{
	char dot[8192];
	struct timespec times[2] = {{.tv_sec = 86400 * 400}, {.tv_sec = 86400 * 400}};

	assert_int_equal(futimens(world.top, times), 0);
	list(ALL, "/", LIST_LS, LIST_ALL, "", "");
	snprintf(dot, sizeof(dot), "%s.", line_ending(" ."));
	assert_string_equal(line_ending(" .."), dot);
	/* Everywhere else it is the directory above. */
	list(ALL, "/dir", LIST_LS, LIST_ALL, "", "");
	assert_string_equal(line_ending(" .."), dot);
	list(ALL, "/dir/sub", LIST_LS, LIST_ALL, "", "");
	assert_string_not_equal(line_ending(" .."), dot);
}

static void
test_ids(void **state)
{
	char expected[64];

	world.conf.hide_ids = false;
	list(ALL, "/b", LIST_LS, 0, "", "");
	snprintf(
	    expected, sizeof(expected), "-rw-r--r-- 1 %u %u 5 ", geteuid(), getegid());
	assert_int_equal(
	    strncmp(squeezed(line_ending(" b")), expected, strlen(expected)), 0);
	struct names *names = names_load();
	if (names_user(names, geteuid())) {
		world.agent.names = names;
		list(ALL, "/b", LIST_LS, 0, "", "");
		snprintf(expected, sizeof(expected), "-rw-r--r-- 1 %s ",
		    names_user(names, geteuid()));
		assert_int_equal(
		    strncmp(squeezed(line_ending(" b")), expected, strlen(expected)), 0);
		world.agent.names = NULL;
	}
	assert_string_equal(names_user(names, 0), "root");
	assert_null(names_user(names, 4000000000U));
	names_free(names);
	world.conf.hide_ids = true;
}

static void
test_mlsd(void **state)
{
	static const struct {
		const char *tail, *line;
	} table[] = {
	    {"; .", "type=cdir;"},
	    {"; b", "type=file;size=5;perm=r; b"},
	    {"; a file", "type=file;size=1;perm=; a file"},
	    {"; dir", "type=dir;"},
	    {"; link", "type=file;size=5;perm=r; link"},
	    {"; dirlink", "type=dir;"},
	    {"; dangling", "type=OS.unix=slink:"},
	    {"; out", "type=OS.unix=slink:"},
	};

	list(ANON, "/", LIST_MLSD, 0, "", "");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *is = line_ending(table[i].tail);
		if (!is || strncmp(is, table[i].line, strlen(table[i].line)) != 0)
			fail_msg("%s: \"%s\"", table[i].tail, is ? is : "");
	}
	assert_null(line_ending("; .."));
	assert_null(line_ending("; .hidden"));
	list(ALL, "/dir", LIST_MLSD, LIST_ALL | LIST_RECURSIVE, "ignored", "");
	assert_int_equal(strncmp(line_ending("; .."), "type=pdir;", 10), 0);
	assert_non_null(line_ending("perm=adfrw; x"));
	assert_non_null(line_ending("perm=cdeflmp; sub"));
	assert_non_null(line_ending("; sub"));
	assert_null(line_ending("y"));
	assert_int_equal(ASK(LIST, list, .grant = ALL, PATH("/dir"), .format = LIST_MLSD,
			     .facts = FACT_SIZE),
	    0);
	assert_int_equal(read_listing(), LIST_COMPLETE);
	assert_null(line_ending(" ."));
	assert_null(line_ending(" .."));
	assert_non_null(line_ending("size=1; x"));
	assert_string_equal(list(ALL, "/empty", LIST_MLSD, 0, "", "*"), "");
}

static void
test_recursive(void **state)
{
	/* Not unless the operator wants it. */
	assert_string_equal(
	    list(ALL, "/dir", LIST_NAMES, LIST_RECURSIVE, "", ""), "sub\r\nx\r\n");
	world.conf.ls_recurse_enable = true;
	assert_string_equal(list(ALL, "/dir", LIST_NAMES, LIST_RECURSIVE, "", ""),
	    "sub\r\nx\r\nsub/deep\r\nsub/y\r\n");
	assert_string_equal(list(ALL, "/dir", LIST_NAMES, LIST_RECURSIVE, "dir", ""),
	    "dir/sub\r\ndir/x\r\ndir/sub/deep\r\ndir/sub/y\r\n");
	list(ALL, "/dir", LIST_LS, LIST_RECURSIVE, "", "");
	const char *text = buf_cstr(&got);
	const char *headers[] = {".:\r\n", " sub\r\n", " x\r\n", "\r\n\r\n./sub:\r\n",
	    " deep\r\n", " y\r\n", "\r\n\r\n./sub/deep:\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		text = strstr(text, headers[i]);
		if (!text)
			fail_msg("no \"%s\" in \"%s\"", headers[i], buf_cstr(&got));
	}
	/* Links are not followed, so a loop of them is none; what may not be read is left
	 * out. */
	list(ALL, "/", LIST_LS, LIST_RECURSIVE, "/", "");
	assert_non_null(strstr(buf_cstr(&got), "\r\n/dir/sub/deep:\r\n"));
	assert_null(strstr(buf_cstr(&got), "dirlink:"));
	assert_null(strstr(buf_cstr(&got), "out:"));
	world.conf.ls_recurse_enable = false;
}

/* Deeper than the bound: what is listed ends as incomplete. */
static void
test_too_deep(void **state)
{
	int at = openat(world.root, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 80; i++) {
		assert_int_equal(mkdirat(at, "n", 0755), 0);
		int next = openat(at, "n", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	world.conf.ls_recurse_enable = true;
	assert_int_equal(ask_list(ALL, "/empty", LIST_LS, LIST_RECURSIVE, "", ""), 0);
	assert_int_equal(read_listing(), LIST_FAILED);
	world.conf.ls_recurse_enable = false;
	assert_string_equal(list(ALL, "/empty", LIST_NAMES, 0, "", ""), "n\r\n");
}

static void
test_hostile_names(void **state)
{
	static const char *const bad[] = {
	    "cr\rlf", "lf\n226 done", "crlf\r\n226 done\r\n"};
	static const char *const good[] = {"\x01", "ends with \x01", "\xff\xfe",
	    "'\"`$(x)", "-rf", " leading", "trailing ", "%s%n", "type=dir; x", "a;b"};

	assert_int_equal(mkdirat(world.root, "hostile", 0755), 0);
	int at = openat(world.root, "hostile", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		put_at(at, bad[i], "", 0644);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		put_at(at, good[i], "", 0644);
	assert_int_equal(symlinkat("text\r\n226 done", at, "badlink"), 0);
	for (enum list_format format = LIST_LS; format <= LIST_MLSD; format++) {
		list(ALL, "/hostile", format, 0, "", "");
		assert_null(strstr(buf_cstr(&got), "226"));
		assert_non_null(line_ending("badlink"));
		for (size_t i = 0; i < ARRAY_LEN(good); i++)
			if (!line_ending(good[i]))
				fail_msg("%s is missing", good[i]);
	}
	close(at);
	/* A prefix that a line cannot hold. */
	assert_string_equal(list(ALL, "/dir", LIST_NAMES, 0, "di\r\n226 r", ""), "");
}

/* ---- large directories ---- */

#define MANY 100000

/* A name of 3 to 200 bytes: entries end at every place of the kernel's buffer. */
static const char *
many_name(unsigned i, char out[256])
{
	size_t n = (size_t)snprintf(out, 256, "%u-", i);
	size_t pad = (i * 2654435761U) % 190;

	memset(out + n, 'x', pad);
	out[n + pad] = '\0';
	return out;
}

static void
make_many(const char *dir, unsigned from, unsigned n)
{
	char name[256];

	mkdirat(world.root, dir, 0755);
	int at = openat(world.root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = from; i < n; i++) {
		int fd =
		    openat(at, many_name(i, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	close(at);
}

/* Each name once, and nothing else. */
static void
check_many(unsigned n)
{
	_cleanup_free_ bool *seen = calloc(n, 1);
	const char *p = buf_cstr(&got);
	unsigned lines = 0;
	char name[256];

	for (; *p; lines++) {
		const char *cr = strchr(p, '\r');
		unsigned i = (unsigned)strtoul(p, NULL, 10);
		assert_non_null(cr);
		assert_true(i < n && !seen[i]);
		seen[i] = true;
		many_name(i, name);
		assert_int_equal(cr - p, strlen(name));
		assert_memory_equal(p, name, strlen(name));
		p = cr + 2;
	}
	assert_int_equal(lines, n);
}

static void
test_many(void **state)
{
	make_many("many", 0, MANY);
	list(ALL, "/many", LIST_NAMES, 0, "", "");
	check_many(MANY);
	list(ALL, "/many", LIST_LS, 0, "", "");
	unsigned lines = 0;
	for (const char *p = buf_cstr(&got); (p = strchr(p, '\r')) != NULL; p += 2)
		lines++;
	assert_int_equal(lines, MANY);
}

/* Up to the bound the order is by name, past it each name still comes once. */
static void
test_sorted(void **state)
{
	static const unsigned sizes[] = {
	    NAME_SET_ENTRIES - 1, NAME_SET_ENTRIES, NAME_SET_ENTRIES + 1};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		make_many("sorted", i ? sizes[i - 1] : 0, sizes[i]);
		list(ALL, "/sorted", LIST_NAMES, 0, "", "");
		check_many(sizes[i]);
		if (sizes[i] > NAME_SET_ENTRIES)
			continue;
		const char *last = "";
		for (char *p = (char *)buf_cstr(&got), *cr; (cr = strchr(p, '\r'));
		     p = cr + 2) {
			*cr = '\0';
			assert_true(strcmp(last, p) < 0);
			last = p;
		}
	}
}

/* A link whose text is as long as one can be. */
static void
make_long_link(int at, unsigned i)
{
	char name[32], text[4096];

	snprintf(name, sizeof(name), "link-%u", i);
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(symlinkat(text, at, name), 0);
}

/* How many threads look at a directory does not show: in one of everything, with lines so
 * long that a piece of it does not fit into its buffer. */
static void
test_helpers(void **state)
{
	static const enum list_format formats[] = {LIST_LS, LIST_NAMES, LIST_MLSD};
	_cleanup_(buf_free)
	struct buf alone = BUF_INIT(64 << 20);
	char name[32];

	make_many("mixed", 0, 2 * NAME_SET_ENTRIES);
	int at = openat(world.root, "mixed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 300; i++) {
		make_long_link(at, i);
		snprintf(name, sizeof(name), "to-%u", i);
		assert_int_equal(symlinkat("../dir", at, name), 0);
		snprintf(name, sizeof(name), "dir-%u", i);
		assert_int_equal(mkdirat(at, name, i & 0777), 0);
	}
	close(at);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		buf_clear(&alone);
		world.agent.spare = 0;
		list(ALL, "/mixed", formats[i], 0, "", "");
		assert_int_equal(buf_append(&alone, buf_data(&got), buf_len(&got)), 0);
		world.agent.spare = 3;
		list(ALL, "/mixed", formats[i], 0, "", "");
		assert_int_equal(buf_len(&got), buf_len(&alone));
		assert_memory_equal(buf_data(&got), buf_data(&alone), buf_len(&alone));
		/* A channel's place is free when the helpers are. */
		while (world.agent.channels->listings > 0)
			sched_yield();
		assert_int_equal(world.agent.spare, 3);
	}
	assert_non_null(line_ending("; to-299"));
}

/* Nobody reads, or the reader goes away: the listing's thread ends and its place is free
 * again. */
static void
test_reader_gone(void **state)
{
	int fds[AGENT_LISTINGS_MAX];
	struct channel *c = world.agent.channels;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		enum list_format format = i % 3 == 0   ? LIST_LS
					  : i % 3 == 1 ? LIST_NAMES
						       : LIST_MLSD;
		assert_int_equal(ask_list(ALL, "/many", format, 0, "", ""), 0);
		fds[i] = answer_take_fd();
	}
	assert_int_equal(ask_list(ALL, "/many", LIST_NAMES, 0, "", ""), EAGAIN);
	assert_string_equal(world.text, "too many listings at once");
	/* Other requests go on meanwhile. */
	assert_int_equal(ASK(STAT, stat, .grant = ALL, PATH("/b")), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	while (c->listings > 0)
		sched_yield();
	assert_string_equal(list(ALL, "/dir", LIST_NAMES, 0, "", ""), "sub\r\nx\r\n");
}

/* ---- entries that come and go ---- */

static _Atomic bool churning;

static void *
churn(void *user)
{
	while (churning) {
		int fd = openat(
		    world.root, "churn/comes", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		close(fd);
		unlinkat(world.root, "churn/comes", 0);
	}
	return NULL;
}

static void
test_vanishing(void **state)
{
	pthread_t thread;

	assert_int_equal(mkdirat(world.root, "churn", 0755), 0);
	put("churn/stays", "", 0644);
	churning = true;
	assert_int_equal(pthread_create(&thread, NULL, churn, NULL), 0);
	for (int i = 0; i < 300; i++) {
		list(ALL, "/churn", i % 2 ? LIST_LS : LIST_MLSD, 0, "", "");
		assert_non_null(line_ending(" stays"));
	}
	churning = false;
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_ls),
	    cmocka_unit_test(test_dots_of_root),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_mlsd),
	    cmocka_unit_test(test_recursive),
	    cmocka_unit_test(test_too_deep),
	    cmocka_unit_test(test_hostile_names),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_sorted),
	    cmocka_unit_test(test_helpers),
	    cmocka_unit_test(test_reader_gone),
	    cmocka_unit_test(test_vanishing),
	};

	alarm(55);
	return cmocka_run_group_tests(tests, setup, end);
}
