/*
 * What a worker may ask an agent, over a real channel and through the agent's own loop:
 * each request, each right, and the words of each refusal.
 */
#include "agent_world.h"

#include "facts.h"
#include "row.h"

/* Grants of worker 1, made in setup: all rights; none; anonymous reader. */
#define ALL 1
#define NONE 2
#define ANON 3
#define CREATOR 4 /* may create, not change */
#define MOVER 5   /* may rename, not change */

static int
setup(void **state)
{
	world_become_nobody();
	world_make_tree();
	put("file", "one\ntwo\n", 0644);
	put("private", "secret", 0640);
	put("unreadable", "secret", 0);
	put("readonly", "fixed", 0444);
	put("empty", "", 0644);
	put(".message", "Welcome\n", 0644);
	assert_int_equal(mkdirat(world.root, "d", 0755), 0);
	put("d/inner", "inner", 0644);
	assert_int_equal(mkdirat(world.root, "closed", 0), 0);
	assert_int_equal(mkdirat(world.root, "full", 0755), 0);
	put("full/x", "", 0644);
	assert_int_equal(mkfifoat(world.root, "fifo", 0666), 0);
	assert_int_equal(symlinkat("file", world.root, "link"), 0);
	assert_int_equal(symlinkat("nothing", world.root, "dangling"), 0);
	assert_int_equal(symlinkat("../outside", world.root, "out"), 0);
	world_start(&store_dir);
	assert_int_equal(world_grant(1, "", "/", 0), 0);
	assert_int_equal(world_grant(1, "", "/", RIGHT_READ_ONLY), 0);
	assert_int_equal(world_grant(1, "", "/", RIGHT_CREATE | RIGHT_READ_ONLY), 0);
	assert_int_equal(world_grant(1, "", "/", RIGHT_RENAME | RIGHT_LIST), 0);
	return 0;
}

static void
test_open(void **state)
{
	static const struct {
		uint32_t grant;
		const char *path;
		uint64_t offset;
		uint32_t error;
		const char *text, *content;
	} table[] = {
	    {ALL, "/file", 0, 0, "", "one\ntwo\n"},
	    {ALL, "/link", 4, 0, "", "two\n"},
	    {ALL, "/file", 8, 0, "", ""},
	    {ALL, "/file", 9, EINVAL, "offset 9 is past the end (8 bytes)", NULL},
	    {ALL, "/private", 0, 0, "", "secret"},
	    {ALL, "/empty", 0, 0, "", ""},
	    {ANON, "/file", 0, 0, "", "one\ntwo\n"},
	    {ANON, "/private", 0, EACCES, "'private' is not readable for everybody",
		NULL},
	    {NONE, "/file", 0, EACCES, "reading is not allowed for this account", NULL},
	    {NONE, "/nothing", 0, EACCES, "reading is not allowed for this account",
		NULL},
	    {ALL, "/unreadable", 0, EACCES, "'unreadable': permission denied", NULL},
	    {ALL, "/d", 0, EISDIR, "'d': is a directory", NULL},
	    {ALL, "/", 0, EISDIR, "is a directory", NULL},
	    {ALL, "/fifo", 0, EOPNOTSUPP, "'fifo': is not a regular file", NULL},
	    {ALL, "/nothing", 0, ENOENT, "'nothing': no such file or directory", NULL},
	    {ALL, "/no/x", 0, ENOENT, "part of the path, 'no', does not exist", NULL},
	    {ALL, "/file/x", 0, ENOTDIR, "part of the path, 'file', is not a directory",
		NULL},
	    {ALL, "/closed/x", 0, EACCES, "you may not enter the directory 'closed'",
		NULL},
	    {ALL, "/dangling", 0, ENOENT, "'dangling': no such file or directory", NULL},
	    {ALL, "/out/file", 0, ENOENT, "part of the path, 'out', does not exist",
		NULL},
	    {ALL, "/a\r\n226 b", 0, ENOENT,
		"'a\\015\\012226 b': no such file or directory", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char content[64] = "";
		uint32_t e = ASK(OPEN, open, .grant = table[i].grant, PATH(table[i].path),
		    .offset = table[i].offset);
		if (e != table[i].error || strcmp(world.text, table[i].text) != 0)
			fail_msg("%s: %u \"%s\"", table[i].path, e, world.text);
		if (e != 0)
			continue;
		_cleanup_close_ int fd = answer_take_fd();
		assert_true(read(fd, content, sizeof(content) - 1) >= 0);
		assert_string_equal(content, table[i].content);
		assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
		assert_int_equal(write(fd, "x", 1), -1);
	}
}

/* Small files come with the answer, when they are wanted so. */
static void
test_open_inlined(void **state)
{
	static const struct {
		const char *path;
		uint32_t inlined;
		uint64_t offset;
		uint32_t error;
		const char *text; /* NULL: a descriptor comes */
	} table[] = {
	    {"/file", 16384, 0, 0, "one\ntwo\n"},
	    {"/file", 16384, 4, 0, "two\n"},
	    {"/file", 16384, 8, 0, ""},
	    {"/file", 16384, 9, EINVAL, "offset 9 is past the end (8 bytes)"},
	    {"/file", 8, 0, 0, "one\ntwo\n"},
	    {"/file", 7, 0, 0, NULL},
	    {"/file", 7, 1, 0, "ne\ntwo\n"},
	    {"/file", 0, 0, 0, NULL},
	    {"/empty", 16384, 0, 0, ""},
	    {"/empty", 0, 0, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ASK(OPEN, open, .grant = ALL, PATH(table[i].path),
		    .offset = table[i].offset, .inlined = table[i].inlined);
		assert_int_equal(e, table[i].error);
		if (table[i].text == NULL)
			close(answer_take_fd());
		else
			assert_string_equal(world.text, table[i].text);
		assert_int_equal(world.box.nfds, table[i].text == NULL);
	}
}

/* Asks for as many of the paths as one answer has: "one\ntwo\n|inner|" into world.text, a
 * "!" for the one that goes alone. How many are done with. */
static size_t
ask_row(uint32_t grant, const char *const *paths, size_t n)
{
	_cleanup_(buf_free)
	struct buf row = BUF_INIT(ROW_PATHS_MAX);
	_cleanup_(buf_free)
	struct buf told = BUF_INIT(sizeof(world.text) - 1);
	struct bytes text, file;
	size_t files = 0;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(row_put_path(&row, bytes_of(paths[i])), 0);
	assert_int_equal(ASK(ROW, row, .grant = grant,
			     .paths = {.p = buf_data(&row), .n = buf_len(&row)}),
	    0);
	assert_int_equal(world.box.nfds, 0);
	text = world.box.msg.worker_answer.text;
	for (; row_get_file(&text, &file) == 1; files++) {
		assert_int_equal(buf_append(&told, file.p, file.n), 0);
		assert_int_equal(buf_append_byte(&told, '|'), 0);
	}
	assert_int_equal(text.n, 0);
	assert_in_range(world.answer.size, 1, n);
	assert_in_range(world.answer.size - files, 0, 1);
	if (world.answer.size > files)
		assert_int_equal(buf_append_byte(&told, '!'), 0);
	snprintf(world.text, sizeof(world.text), "%s", buf_cstr(&told));
	return world.answer.size;
}

/* A row may be cut when the disk takes its time; what follows then comes with the next.
 */
static void
expect_row(uint32_t grant, const char *const *paths, size_t n, const char *expected)
{
	_cleanup_(buf_free)
	struct buf all = BUF_INIT(256);

	for (size_t done = 0; done < n;) {
		done += ask_row(grant, paths + done, n - done);
		assert_int_equal(buf_append_str(&all, world.text), 0);
	}
	assert_string_equal(buf_cstr(&all), expected);
}

static void
test_row(void **state)
{
	static const char *const paths[] = {"/file", "/d/inner", "/nothing", "/empty",
	    "/d", "/private", "/unreadable", "/fifo", "/link", "/out/file", "/large",
	    "/file"};
	const size_t n = ARRAY_LEN(paths);
	_cleanup_close_ int fd = openat(world.root, "large", O_RDWR | O_CREAT, 0644);

	assert_int_equal(ftruncate(fd, ROW_FILE_MAX + 1), 0);
	expect_row(
	    ALL, paths, n, "one\ntwo\n|inner|!|!secret|!!one\ntwo\n|!!one\ntwo\n|");
	expect_row(ANON, paths, n, "one\ntwo\n|inner|!|!!!!one\ntwo\n|!!one\ntwo\n|");
	expect_row(NONE, paths, n, "!!!!!!!!!!!!");
	assert_int_equal(unlinkat(world.root, "large", 0), 0);
}

/* The largest of them fill an answer: the row ends before one that has no room, also
 * where the one before it was small. */
static void
test_row_without_room(void **state)
{
	static const char *const paths[] = {"/full/less", "/full/less", "/full/less",
	    "/file", "/full/most", "/full/most", "/full/most", "/full/most"};
	char text[ROW_FILE_MAX + 1] = "";
	size_t done = 0;

	memset(text, 'k', ROW_FILE_MAX);
	put("full/most", text, 0644);
	text[16200] = '\0';
	put("full/less", text, 0644);
	while (done < ARRAY_LEN(paths)) {
		size_t n = ask_row(ALL, paths + done, ARRAY_LEN(paths) - done);

		assert_in_range(n, 1, 4);
		assert_null(strchr(world.text, '!'));
		done += n;
	}
	assert_int_equal(unlinkat(world.root, "full/most", 0), 0);
	assert_int_equal(unlinkat(world.root, "full/less", 0), 0);
}

static void
test_stat(void **state)
{
	static const struct {
		uint32_t grant;
		const char *path;
		bool ascii, nofollow;
		uint32_t right, error;
		uint8_t type;
		uint64_t size;
	} table[] = {
	    {ALL, "/file", 0, 0, 0, 0, TYPE_FILE, 8},
	    {ALL, "/file", 1, 0, 0, 0, TYPE_FILE, 10},
	    {ALL, "/empty", 1, 0, 0, 0, TYPE_FILE, 0},
	    {NONE, "/file", 0, 0, 0, 0, TYPE_FILE, 8},
	    {NONE, "/file", 1, 0, 0, EACCES, 0, 0},
	    {ANON, "/private", 1, 0, 0, EACCES, 0, 0},
	    {ALL, "/link", 0, 0, 0, 0, TYPE_FILE, 8},
	    {ALL, "/link", 0, 1, 0, 0, TYPE_LINK, 4},
	    {ALL, "/dangling", 0, 1, 0, 0, TYPE_LINK, 7},
	    {ALL, "/dangling", 0, 0, 0, ENOENT, 0, 0},
	    {ALL, "/fifo", 0, 0, 0, 0, TYPE_OTHER, 0},
	    {ALL, "/fifo", 1, 0, 0, EOPNOTSUPP, 0, 0},
	    {ALL, "/d", 1, 0, 0, EISDIR, 0, 0},
	    {ALL, "/file", 0, 1, RIGHT_RENAME, 0, TYPE_FILE, 8},
	    {ALL, "/", 0, 1, RIGHT_RENAME, EPERM, 0, 0},
	    {ANON, "/file", 0, 1, RIGHT_RENAME, EACCES, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ASK(STAT, stat, .grant = table[i].grant, PATH(table[i].path),
		    .ascii = table[i].ascii, .nofollow = table[i].nofollow,
		    .right = table[i].right);
		if (e != table[i].error || world.answer.type != table[i].type ||
		    world.answer.size != table[i].size)
			fail_msg("%zu %s: %u type %u size %lu \"%s\"", i, table[i].path,
			    e, world.answer.type, (unsigned long)world.answer.size,
			    world.text);
	}
}

/* Past the bound the line ends are not counted. */
static void
test_stat_large(void **state)
{
	_cleanup_close_ int fd =
	    openat(world.root, "large", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, (64 << 20) + 1), 0);
	assert_int_equal(
	    ASK(STAT, stat, .grant = ALL, PATH("/large"), .ascii = 1), EFBIG);
	assert_non_null(strstr(world.text, "TYPE I"));
	assert_int_equal(ASK(STAT, stat, .grant = ALL, PATH("/large")), 0);
	assert_int_equal(world.answer.size, (64 << 20) + 1);
	unlinkat(world.root, "large", 0);
}

static void
test_chdir(void **state)
{
	assert_int_equal(ASK(CHDIR, chdir, .grant = NONE, PATH("/d"), .message = 1), 0);
	assert_string_equal(world.text, "");
	assert_int_equal(ASK(CHDIR, chdir, .grant = NONE, PATH("/file")), ENOTDIR);
	assert_string_equal(world.text, "'file': is not a directory");
	assert_int_equal(ASK(CHDIR, chdir, .grant = NONE, PATH("/closed")), EACCES);
	assert_int_equal(ASK(CHDIR, chdir, .grant = NONE, PATH("/out")), ENOENT);
	assert_int_equal(ASK(CHDIR, chdir, .grant = NONE, PATH("/fifo")), ENOTDIR);
	world.conf.dirmessage_enable = true;
	assert_int_equal(ASK(CHDIR, chdir, .grant = ANON, PATH("/"), .message = 1), 0);
	assert_string_equal(world.text, "Welcome\n");
	assert_int_equal(ASK(CHDIR, chdir, .grant = ANON, PATH("/"), .message = 0), 0);
	assert_string_equal(world.text, "");
	assert_int_equal(fchmodat(world.root, ".message", 0600, 0), 0);
	assert_int_equal(ASK(CHDIR, chdir, .grant = ANON, PATH("/"), .message = 1), 0);
	assert_string_equal(world.text, "");
	unlinkat(world.root, ".message", 0);
	assert_int_equal(mkfifoat(world.root, ".message", 0666), 0);
	assert_int_equal(ASK(CHDIR, chdir, .grant = ALL, PATH("/"), .message = 1), 0);
	assert_string_equal(world.text, "");
	char long_text[5001];
	memset(long_text, 'm', 5000);
	long_text[5000] = '\0';
	put("d/.message", long_text, 0644);
	assert_int_equal(ASK(CHDIR, chdir, .grant = ALL, PATH("/d"), .message = 1), 0);
	assert_int_equal(strlen(world.text), 4096);
	unlinkat(world.root, "d/.message", 0);
}

static void
test_facts(void **state)
{
	static const struct {
		uint32_t grant;
		const char *path, *text;
	} table[] = {
	    {ALL, "/file", "type=file;size=8;perm=adfrw; /file"},
	    {ANON, "/file", "type=file;size=8;perm=r; /file"},
	    {NONE, "/file", "type=file;size=8;perm=; /file"},
	    {ALL, "/link", "type=file;size=8;perm=adfrw; /link"},
	    {ALL, "/readonly", "type=file;size=5;perm=dfr; /readonly"},
	    {ANON, "/private", "type=file;size=6;perm=; /private"},
	    {ALL, "/d/inner", "type=file;size=5;perm=adfrw; /d/inner"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(
		    ASK(FACTS, facts, .grant = table[i].grant, PATH(table[i].path),
			.facts = FACT_TYPE | FACT_SIZE | FACT_PERM),
		    0);
		assert_string_equal(world.text, table[i].text);
	}
	ASK(FACTS, facts, .grant = ALL, PATH("/d"), .facts = FACT_PERM);
	assert_string_equal(world.text, "perm=cdeflmp; /d");
	ASK(FACTS, facts, .grant = ANON, PATH("/d"), .facts = FACT_PERM | FACT_TYPE);
	assert_string_equal(world.text, "type=dir;perm=el; /d");
	ASK(FACTS, facts, .grant = ALL, PATH("/"), .facts = FACT_PERM);
	assert_string_equal(world.text, "perm=celmp; /");
	assert_int_equal(
	    ASK(FACTS, facts, .grant = ALL, PATH("/dangling"), .facts = FACT_TYPE), 0);
	assert_non_null(strstr(world.text, "type=OS.unix=slink"));
	assert_int_equal(
	    ASK(FACTS, facts, .grant = ALL, PATH("/no"), .facts = FACT_TYPE), ENOENT);
	assert_int_equal(ASK(FACTS, facts, .grant = ALL, PATH("/file"), .facts = 0), 0);
	assert_string_equal(world.text, " /file");
}

/* The letters for each right, one at a time. */
static void
test_perm(void **state)
{
	static const struct {
		uint32_t rights;
		mode_t mode;
		int can;
		bool removable;
		const char *perm;
	} table[] = {
	    {RIGHT_ALL, S_IFREG, R_OK | W_OK, true, "adfrw"},
	    {RIGHT_ALL, S_IFREG, R_OK | W_OK, false, "arw"},
	    {RIGHT_ALL, S_IFREG, 0, true, "df"},
	    {RIGHT_READ, S_IFREG | 0644, R_OK | W_OK, true, "r"},
	    {RIGHT_READ, S_IFREG | 0640, R_OK | W_OK, true, ""},
	    {RIGHT_READ | RIGHT_PRIVATE, S_IFREG | 0640, R_OK, true, "r"},
	    {RIGHT_REPLACE, S_IFREG | 0644, W_OK, true, "aw"},
	    {RIGHT_CREATE, S_IFREG | 0644, W_OK, true, ""},
	    {RIGHT_DELETE, S_IFREG, 0, true, "d"},
	    {RIGHT_DELETE, S_IFDIR, 7, true, "ep"},
	    {RIGHT_RMDIR, S_IFDIR, X_OK, true, "de"},
	    {RIGHT_RENAME, S_IFDIR, 0, true, "f"},
	    {RIGHT_CREATE, S_IFDIR, 7, false, "ce"},
	    {RIGHT_MKDIR, S_IFDIR, 7, false, "em"},
	    {RIGHT_MKDIR, S_IFDIR, R_OK | X_OK, false, "e"},
	    {RIGHT_LIST, S_IFDIR, R_OK | X_OK, false, "el"},
	    {RIGHT_LIST, S_IFDIR, R_OK, false, ""},
	    {RIGHT_ALL, S_IFIFO, 7, true, "df"},
	};
	char perm[16];

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		facts_perm(table[i].rights, table[i].mode, table[i].can,
		    table[i].removable, perm);
		if (strcmp(perm, table[i].perm) != 0)
			fail_msg("row %zu: %s, not %s", i, perm, table[i].perm);
	}
}

static mode_t
mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(world.root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static void
test_change(void **state)
{
	static const struct {
		uint32_t grant;
		enum change_what what;
		const char *path;
		uint32_t mode, error;
		const char *text;
	} table[] = {
	    {ALL, CHANGE_DELETE, "/d", 0, EISDIR, "'d': is a directory"},
	    {ALL, CHANGE_DELETE, "/", 0, EISDIR, "is a directory"},
	    {ALL, CHANGE_DELETE, "/nothing", 0, ENOENT,
		"'nothing': no such file or directory"},
	    {ANON, CHANGE_DELETE, "/file", 0, EACCES,
		"deleting is not allowed for this account"},
	    {ALL, CHANGE_DELETE, "/closed/x", 0, EACCES,
		"you may not enter the directory 'closed'"},
	    {ALL, CHANGE_RMDIR, "/full", 0, ENOTEMPTY,
		"'full': the directory is not empty"},
	    {ALL, CHANGE_RMDIR, "/file", 0, ENOTDIR, "'file': is not a directory"},
	    {ALL, CHANGE_RMDIR, "/", 0, EPERM,
		"it is in use, or the root directory itself"},
	    {ALL, CHANGE_RMDIR, "/d/..", 0, EINVAL, "'..': that cannot be done here"},
	    {ALL, CHANGE_RMDIR, "/link", 0, ENOTDIR, "'link': is not a directory"},
	    {ANON, CHANGE_RMDIR, "/d", 0, EACCES,
		"removing directories is not allowed for this account"},
	    {ALL, CHANGE_MKDIR, "/file", 0777, EEXIST,
		"'file': that name exists already"},
	    {ALL, CHANGE_MKDIR, "/dangling", 0777, EEXIST,
		"'dangling': that name exists already"},
	    {ALL, CHANGE_MKDIR, "/", 0777, EEXIST, "that name exists already"},
	    {ALL, CHANGE_MKDIR, "/no/x", 0777, ENOENT,
		"part of the path, 'no', does not exist"},
	    {ALL, CHANGE_MKDIR, "/out/x", 0777, ENOENT,
		"part of the path, 'out', does not exist"},
	    {ANON, CHANGE_MKDIR, "/x", 0777, EACCES,
		"making directories is not allowed for this account"},
	    {ALL, CHANGE_CHMOD, "/file", 04755, EINVAL,
		"only the permission bits 000 to 777 can be set"},
	    {ALL, CHANGE_CHMOD, "/fifo", 0600, EOPNOTSUPP,
		"'fifo': is not a regular file"},
	    {ALL, CHANGE_CHMOD, "/out", 0600, ENOENT, "'out': no such file or directory"},
	    {ANON, CHANGE_CHMOD, "/file", 0600, EACCES,
		"changing permissions is not allowed for this account"},
	    {ANON, CHANGE_MTIME, "/file", 0, EACCES,
		"setting times is not allowed for this account"},
	    {ALL, CHANGE_MTIME, "/nothing", 0, ENOENT,
		"'nothing': no such file or directory"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ask_change(
		    table[i].grant, table[i].what, table[i].path, table[i].mode);
		if (e != table[i].error || strcmp(world.text, table[i].text) != 0)
			fail_msg("%s: %u \"%s\"", table[i].path, e, world.text);
	}
	assert_true(holds("file", "one\ntwo\n"));
}

/* Changes that do happen, and that they act on the link or on its target as they
 * should. */
static void
test_change_done(void **state)
{
	put("victim", "v", 0644);
	assert_int_equal(symlinkat("victim", world.root, "victim-link"), 0);
	assert_int_equal(ask_change(ALL, CHANGE_CHMOD, "/victim-link", 0604), 0);
	assert_int_equal(mode_of("victim"), S_IFREG | 0604);
	assert_int_equal(ask_change(ALL, CHANGE_CHMOD, "/victim", 0), 0);
	assert_int_equal(ask_change(ALL, CHANGE_CHMOD, "/victim", 0640), 0);
	assert_int_equal(mode_of("victim"), S_IFREG | 0640);
	assert_int_equal(ask_change(ALL, CHANGE_CHMOD, "/closed", 0700), 0);
	assert_int_equal(ask_change(ALL, CHANGE_CHMOD, "/closed", 0), 0);
	assert_int_equal(ask_change(ALL, CHANGE_MTIME, "/victim-link", 4000), 0);
	assert_int_equal(world.answer.mtime, 4000);
	assert_int_equal(ASK(STAT, stat, .grant = ALL, PATH("/victim")), 0);
	assert_int_equal(world.answer.mtime, 4000);
	assert_int_equal(ask_change(ALL, CHANGE_DELETE, "/victim-link", 0), 0);
	assert_int_equal(mode_of("victim"), S_IFREG | 0640);
	assert_int_equal(ask_change(ALL, CHANGE_DELETE, "/victim", 0), 0);
	assert_true(holds("victim", NULL));
	assert_int_equal(ask_change(ALL, CHANGE_MKDIR, "/made", 0777), 0);
	assert_int_equal(mode_of("made"), S_IFDIR | 0755);
	assert_int_equal(ask_change(ALL, CHANGE_RMDIR, "/made", 0), 0);
	assert_int_equal(faccessat(world.root, "made", F_OK, 0), -1);
}

static uint32_t
ask_rename(uint32_t grant, const char *from, const char *to)
{
	return ASK(
	    RENAME, rename, .grant = grant, .from = bytes_of(from), .to = bytes_of(to));
}

/* MFF: both facts or none; rights are asked for what is asked. */
static void
test_change_facts(void **state)
{
	struct stat st;

	put("facts", "f", 0600);
	assert_int_equal(
	    ASK(CHANGE, change, .grant = ALL, .what = CHANGE_FACTS, PATH("/facts"),
		.mode = 0640, .mtime = 1000,
		.facts = CHANGE_FACT_MODIFY | CHANGE_FACT_MODE),
	    0);
	assert_int_equal(world.answer.mtime, 1000);
	assert_int_equal(fstatat(world.root, "facts", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtime, 1000);
	assert_int_equal(
	    ASK(CHANGE, change, .grant = ALL, .what = CHANGE_FACTS, PATH("/facts"),
		.mode = 04755, .mtime = 2000,
		.facts = CHANGE_FACT_MODIFY | CHANGE_FACT_MODE),
	    EINVAL);
	assert_int_equal(
	    ASK(CHANGE, change, .grant = ANON, .what = CHANGE_FACTS, PATH("/facts"),
		.mode = 0600, .facts = CHANGE_FACT_MODE),
	    EACCES);
	assert_int_equal(
	    ASK(CHANGE, change, .grant = ANON, .what = CHANGE_FACTS, PATH("/facts"),
		.mtime = 1, .facts = CHANGE_FACT_MODIFY),
	    EACCES);
	assert_int_equal(ASK(CHANGE, change, .grant = ALL, .what = CHANGE_FACTS,
			     PATH("/out"), .mtime = 1, .facts = CHANGE_FACT_MODIFY),
	    ENOENT);
	assert_int_equal(fstatat(world.root, "facts", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtime, 1000);
}

/* The text of a link of SITE SYMLINK: relative, never with more ".." than it is deep. */
static void
test_link(void **state)
{
	static const struct {
		uint32_t grant;
		const char *path, *link;
		uint32_t error;
		const char *text; /* of the link, or of the failure */
	} table[] = {
	    {ALL, "/file", "/n1", 0, "file"},
	    {ALL, "/file", "/d/n2", 0, "../file"},
	    {ALL, "/d", "/d/n3", 0, "../d"},
	    {ALL, "/", "/d/n4", 0, "../."},
	    {ALL, "/", "/n5", 0, "."},
	    {ALL, "/d/n2", "/d/n6", 0, "n2"},
	    {ALL, "/nothing", "/n7", ENOENT, "'nothing': no such file or directory"},
	    {ALL, "/file", "/n1", EEXIST, "'n1': that name exists already"},
	    {ALL, "/file", "/", EEXIST, "that name exists already"},
	    {ALL, "/file", "/d/../n8", EINVAL, NULL},
	    {ALL, "/d/../../file", "/n8", EINVAL, NULL},
	    {ALL, "/file", "/no/n8", ENOENT, "part of the path, 'no', does not exist"},
	    {ALL, "/file", "/n3/n8", ENOENT, NULL},
	    {ALL, "/file", "/d/n3/n8", ELOOP,
		"a directory on the way to 'n8' is a link"},
	    {ALL, "/out/file", "/n8", ENOENT, NULL},
	    {ANON, "/file", "/n8", EACCES,
		"creating files is not allowed for this account"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char text[64] = "";
		uint32_t e = ASK(LINK, link, .grant = table[i].grant,
		    PATH(table[i].path), .link = bytes_of(table[i].link));
		if (e == 0)
			assert_true(readlinkat(world.root, table[i].link + 1, text,
					sizeof(text) - 1) > 0);
		const char *said = e == 0 ? text : world.text;
		if (e != table[i].error ||
		    (table[i].text && strcmp(said, table[i].text) != 0))
			fail_msg("%s: %u \"%s\"", table[i].link, e, said);
	}
}

static void
test_room(void **state)
{
	assert_int_equal(ASK(ROOM, room, .grant = ANON, PATH("/d")), 0);
	assert_true(world.answer.size > 0);
	assert_int_equal(ASK(ROOM, room, .grant = ALL, PATH("/nothing")), ENOENT);
	assert_int_equal(ASK(ROOM, room, .grant = ALL, PATH("/out")), ENOENT);
}

static void
test_rename(void **state)
{
	static const struct {
		uint32_t grant;
		const char *from, *to;
		uint32_t error;
		const char *text;
	} table[] = {
	    {ANON, "/a", "/b", EACCES, "renaming is not allowed for this account"},
	    {ALL, "/none", "/b", ENOENT, "'none': no such file or directory"},
	    {ALL, "/a", "/none/b", ENOENT, "part of the path, 'none', does not exist"},
	    {ALL, "/", "/b", EPERM, "the root directory itself cannot be renamed"},
	    {ALL, "/a", "/", EPERM, "the root directory itself cannot be renamed"},
	    {ALL, "/d", "/d/deeper", EINVAL, "a directory cannot be moved into itself"},
	    {ALL, "/a", "/d", EISDIR, "'d' is a directory"},
	    {ALL, "/d", "/full", ENOTEMPTY, "'full' is a directory"},
	    {ALL, "/d", "/a", ENOTDIR, "'a': is not a directory"},
	    {ALL, "/a", "/out/a", ENOENT, "part of the path, 'out', does not exist"},
	    {MOVER, "/a", "/b", EEXIST,
		"'b' exists, and changing files is not allowed for this account"},
	    {MOVER, "/a", "/a2", 0, ""},
	    {MOVER, "/a2", "/a", 0, ""},
	};

	put("a", "a", 0644);
	put("b", "b", 0644);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint32_t e = ask_rename(table[i].grant, table[i].from, table[i].to);
		if (e != table[i].error || strcmp(world.text, table[i].text) != 0)
			fail_msg("%s %s: %u \"%s\"", table[i].from, table[i].to, e,
			    world.text);
	}
	assert_true(holds("a", "a") && holds("b", "b"));
	assert_int_equal(ask_rename(ALL, "/a", "/b"), 0);
	assert_true(holds("a", NULL) && holds("b", "a"));
	/* The link moves, not what it leads to. */
	assert_int_equal(ask_rename(ALL, "/link", "/d/link"), 0);
	assert_int_equal(mode_of("d/link") & S_IFMT, S_IFLNK);
	assert_true(holds("file", "one\ntwo\n"));
	assert_int_equal(ask_rename(ALL, "/d/link", "/link"), 0);
	assert_int_equal(ask_rename(ALL, "/d", "/d2"), 0);
	assert_int_equal(ask_rename(ALL, "/d2", "/d"), 0);
}

/* ---- grants and channels ---- */

static void
test_grants(void **state)
{
	char root[128];

	snprintf(root, sizeof(root), "%s/root/d", world.dir);
	assert_int_equal(world_grant(1, root, "/none", RIGHT_ALL), 0);
	assert_int_equal(world.box.msg.master_granted.cwd.n, 1);
	uint32_t grant = world.grant;
	assert_int_equal(ASK(OPEN, open, .grant = grant, PATH("/inner")), 0);
	assert_int_equal(ASK(OPEN, open, .grant = grant, PATH("/../file")), ENOENT);
	world_revoke(grant);
	assert_int_equal(ASK(OPEN, open, .grant = grant, PATH("/inner")), EBADF);
	assert_string_equal(world.text, "this login has ended");
	assert_int_equal(world_grant(1, "", "/d", RIGHT_ALL), 0);
	assert_int_equal(world.box.msg.master_granted.cwd.n, 2);
	assert_int_equal(world_grant(1, "", "/closed", RIGHT_ALL), 0);
	assert_int_equal(world.box.msg.master_granted.cwd.n, 1);
	snprintf(root, sizeof(root), "%s/root/nothing", world.dir);
	assert_int_equal(world_grant(1, root, "/", RIGHT_ALL), ENOENT);
	snprintf(root, sizeof(root), "%s/root/file", world.dir);
	assert_int_equal(world_grant(1, root, "/", RIGHT_ALL), ENOTDIR);
	snprintf(root, sizeof(root), "%s/root/closed", world.dir);
	assert_int_equal(world_grant(1, root, "/", RIGHT_ALL), EACCES);
	assert_int_equal(world_grant(77, "", "/", RIGHT_ALL), EPIPE);
	/* Numbers are never used again. */
	world.grant = 0;
	assert_int_equal(world_grant(1, "", "/", RIGHT_ALL), EEXIST);
	world.grant = grant - 1;
	assert_int_equal(world_grant(1, "", "/", RIGHT_ALL), EINVAL);
	world.grant = 100;
}

/* A worker that breaks a rule loses its channel; the other one notices nothing. */
static void
test_hostile_workers(void **state)
{
	struct msg table[] = {
	    {.type = MSG_AGENT_OPEN, .agent_open = {.grant = 1, PATH("/file")}},
	    {.type = MSG_AGENT_OPEN, .agent_open = {.grant = 4000000, PATH("/file")}},
	    {.type = MSG_AGENT_OPEN, .agent_open = {.grant = 0, PATH("file")}},
	    {.type = MSG_AGENT_RENAME,
		.agent_rename = {.grant = 0,
		    .from = bytes_of("/a"),
		    .to = bytes_of("a")}},
	    {.type = MSG_AGENT_COMMIT, .agent_commit = {.grant = 0, .upload = 12345}},
	    {.type = MSG_AGENT_ROW,
		.agent_row = {.grant = 0, .paths = {(const uint8_t *)"/file\0x", 8}}},
	    {.type = MSG_AGENT_ROW,
		.agent_row = {.grant = 0, .paths = {(const uint8_t *)"/file", 5}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int other = world_new_worker(2);
		assert_int_equal(world_grant(2, "", "/", RIGHT_ALL), 0);
		/* All of them begin with the grant. 0: its own. */
		if (table[i].agent_open.grant == 0)
			table[i].agent_open.grant = world.grant;
		assert_int_equal(
		    wire_send(other, ROLE_WORKER, ROLE_AGENT, &table[i], NULL, 0), 0);
		assert_int_equal(
		    wire_recv(other, ROLE_WORKER, ROLE_AGENT, &world.box), -FERRY_EOF);
		close(other);
		assert_int_equal(ASK(OPEN, open, .grant = ALL, PATH("/file")), 0);
	}
	/* Bytes that are no message. */
	int other = world_new_worker(2);
	assert_int_equal(fdpass_send(other, "garbage", 7, NULL, 0, 0), 0);
	assert_int_equal(
	    wire_recv(other, ROLE_WORKER, ROLE_AGENT, &world.box), -FERRY_EOF);
	close(other);
}

/* A worker that comes again replaces its old channel. */
static void
test_replaced_worker(void **state)
{
	int old = world_new_worker(3);
	int new = world_new_worker(3);
	assert_int_equal(wire_recv(old, ROLE_WORKER, ROLE_AGENT, &world.box), -FERRY_EOF);
	assert_int_equal(world_grant(3, "", "/", RIGHT_ALL), 0);
	struct msg m = {
	    .type = MSG_AGENT_OPEN, .agent_open = {.grant = world.grant, PATH("/file")}};
	assert_int_equal(ask_over(new, &m), 0);
	close(old);
	close(new);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_open_inlined),
	    cmocka_unit_test(test_row),
	    cmocka_unit_test(test_row_without_room),
	    cmocka_unit_test(test_stat),
	    cmocka_unit_test(test_stat_large),
	    cmocka_unit_test(test_chdir),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_perm),
	    cmocka_unit_test(test_change),
	    cmocka_unit_test(test_change_done),
	    cmocka_unit_test(test_change_facts),
	    cmocka_unit_test(test_link),
	    cmocka_unit_test(test_room),
	    cmocka_unit_test(test_rename),
	    cmocka_unit_test(test_grants),
	    cmocka_unit_test(test_hostile_workers),
	    cmocka_unit_test(test_replaced_worker),
	};

	alarm(50);
	return cmocka_run_group_tests(tests, setup, world_end);
}
