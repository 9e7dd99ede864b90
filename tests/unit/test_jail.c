/*
 * The jail: whatever stands in the tree and whoever changes it meanwhile, no path leads
 * out of it.
 */
#include "agent_world.h"

#include <sys/socket.h>
#include <sys/un.h>

/* 'i': a file inside, 'o': the one outside, '-': refused. */
static char
where(int fd)
{
	char c = '?';

	if (fd < 0)
		return '-';
	if (read(fd, &c, 1) != 1)
		c = '?';
	close(fd);
	return c;
}

static void
make_links(void)
{
	static const struct {
		const char *name, *text;
	} links[] = {
	    {"abs-file", "/file"},
	    {"abs-out", "%s/outside/file"}, /* the real path of the file outside */
	    {"rel-out", "../outside/file"},
	    {"rel-far", "../../../../../../../../../../..%s/outside/file"},
	    {"dir-out", "%s/outside"},
	    {"dir-rel-out", "../outside"},
	    {"dir-in", "d"},
	    {"dir-abs", "/d"},
	    {"d/up", ".."},
	    {"d/upup", "../.."},
	    {"chain1", "chain2"},
	    {"chain2", "d/../dir-in/file"},
	    {"loop", "loop"},
	    {"dangling", "nothing"},
	    {"magic", "/proc/self/root"},
	    {"self", "/"},
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		const char *mark = strstr(links[i].text, "%s");
		if (mark)
			snprintf(text, sizeof(text), "%.*s%s%s",
			    (int)(mark - links[i].text), links[i].text, world.dir,
			    mark + 2);
		else
			snprintf(text, sizeof(text), "%s", links[i].text);
		assert_int_equal(symlinkat(text, world.root, links[i].name), 0);
	}
}

static int
setup(void **state)
{
	world_become_nobody();
	world_make_tree();
	put("file", "inside", 0644);
	assert_int_equal(mkdirat(world.root, "d", 0755), 0);
	put("d/file", "inside", 0644);
	put_at(world.top, "outside/file", "outside", 0644);
	make_links();
	return 0;
}

static void
test_paths(void **state)
{
	static const struct {
		const char *path;
		char where;
	} table[] = {
	    {"/file", 'i'},
	    {"file", 'i'},
	    {"/d/file", 'i'},
	    {"//d//file", 'i'},
	    {"/../file", 'i'},
	    {"/../../../../../../file", 'i'},
	    {"/d/../../../file", 'i'},
	    {"/../outside/file", '-'},
	    {"/d/../../outside/file", '-'},
	    {"/abs-file", 'i'},
	    {"/abs-out", '-'},
	    {"/rel-out", '-'},
	    {"/rel-far", '-'},
	    {"/dir-out/file", '-'},
	    {"/dir-rel-out/file", '-'},
	    {"/dir-in/file", 'i'},
	    {"/dir-abs/file", 'i'},
	    {"/d/up/file", 'i'},
	    {"/d/upup/file", 'i'},
	    {"/d/upup/outside/file", '-'},
	    {"/d/up/up/../../file", '-'},
	    {"/chain1", 'i'},
	    {"/loop", '-'},
	    {"/loop/file", '-'},
	    {"/dangling", '-'},
	    {"/magic", '-'},
	    {"/magic/etc/passwd", '-'},
	    {"/self/file", 'i'},
	    {"/self/self/../self/d/file", 'i'},
	    {"/file/x", '-'},
	    {"/nothing", '-'},
	    {"", '-'},
	    {"/%2e%2e/outside/file", '-'},
	    {"/..\\outside\\file", '-'},
	    {"/~/file", '-'},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char is = where(jail_open(world.root, table[i].path, O_RDONLY));
		if (is != table[i].where)
			fail_msg("%s: '%c', not '%c'", table[i].path, is, table[i].where);
	}
}

/* A real magic link below the root: /proc as the root. */
static void
test_magic_links(void **state)
{
	_cleanup_close_ int proc = jail_open_root("/proc");
	_cleanup_close_ int marker = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char path[64];

	if (proc < 0)
		skip();
	snprintf(path, sizeof(path), "/%d/fd/%d", (int)getpid(), marker);
	assert_int_equal(jail_open(proc, path, O_RDONLY), -ELOOP);
	snprintf(path, sizeof(path), "/%d/root/etc/passwd", (int)getpid());
	assert_int_equal(jail_open(proc, path, O_RDONLY), -ELOOP);
	snprintf(path, sizeof(path), "/%d/cwd", (int)getpid());
	assert_int_equal(jail_open(proc, path, O_PATH), -ELOOP);
}

static void
test_parents(void **state)
{
	static const struct {
		const char *path;
		int error;
		const char *name;
	} table[] = {
	    {"/file", 0, "file"},
	    {"/d/new", 0, "new"},
	    {"/d/new//", 0, "new"},
	    {"/d", 0, "d"},
	    {"/", -EBUSY, ""},
	    {"//", -EBUSY, ""},
	    {"/d/..", -EINVAL, ""},
	    {"/d/.", -EINVAL, ""},
	    {"/..", -EINVAL, ""},
	    {"/nothing/new", -ENOENT, ""},
	    {"/file/new", -ENOTDIR, ""},
	    {"/dir-out/new", -ENOENT, ""},
	    {"/dir-rel-out/new", -ENOENT, ""},
	    {"/dir-in/new", 0, "new"},
	    {"/loop/new", -ELOOP, ""},
	    {"/dangling", 0, "dangling"},
	};
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		_cleanup_close_ int fd =
		    jail_open_parent(world.root, table[i].path, name);
		if ((fd < 0 ? fd : 0) != table[i].error)
			fail_msg("%s: %d", table[i].path, fd);
		if (fd >= 0)
			assert_string_equal(name, table[i].name);
	}
}

/* Where would an upload go? */
static void
test_targets(void **state)
{
	static const struct {
		const char *path;
		int error;
		const char *name;
		bool there, linked;
	} table[] = {
	    {"/file", 0, "file", true, false},
	    {"/new", 0, "new", false, false},
	    {"/abs-file", 0, "file", true, true},
	    {"/chain1", 0, "file", true, true},
	    {"/dangling", 0, "nothing", false, true},
	    {"/loop", -ELOOP, "", false, false},
	    {"/self", -EISDIR, "", false, false},
	    {"/d/up", -EISDIR, "", false, false},
	    {"/abs-out", -ENOENT, "", false, false},
	    {"/rel-out", -ENOENT, "", false, false},
	    {"/rel-far", -ENOENT, "", false, false},
	    {"/dir-in", 0, "d", true, true},
	    {"/dir-out", -ENOENT, "", false, false},
	    {"/", -EBUSY, "", false, false},
	};
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		_cleanup_close_ int entry = -1;
		struct stat st;
		bool linked = false;
		_cleanup_close_ int fd = jail_open_target(
		    world.root, table[i].path, name, &entry, &st, &linked);
		if ((fd < 0 ? fd : 0) != table[i].error)
			fail_msg("%s: %d", table[i].path, fd);
		if (fd < 0)
			continue;
		assert_string_equal(name, table[i].name);
		assert_int_equal(entry >= 0, table[i].there);
		assert_int_equal(linked, table[i].linked);
	}
}

static void
test_entries(void **state)
{
	static const char *const bad[] = {
	    "", ".", "..", "a/b", "/", "../outside/file", "d/file"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(jail_open_entry(world.root, bad[i], O_PATH), -EINVAL);
		assert_int_equal(jail_create(world.root, bad[i], 0600), -EINVAL);
	}
	assert_int_equal(jail_open_entry(world.root, "abs-file", O_RDONLY), -ELOOP);
	assert_int_equal(jail_create(world.root, "dangling", 0600), -EEXIST);
	assert_int_equal(jail_create(world.root, "abs-file", 0600), -EEXIST);
	assert_int_equal(jail_open_below(world.root, "dir-in/file", O_RDONLY), -ELOOP);
	assert_int_equal(
	    jail_open_below(world.root, "../outside/file", O_RDONLY), -EXDEV);
	assert_int_equal(where(jail_open_below(world.root, "d/file", O_RDONLY)), 'i');
	assert_int_equal(jail_open(world.root, "/new", O_WRONLY | O_CREAT), -EINVAL);
}

/* What is no regular file is refused without waiting for anybody. */
static void
test_special_files(void **state)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	int fd = -1;

	assert_int_equal(mkfifoat(world.root, "fifo", 0666), 0);
	assert_int_equal(symlinkat("fifo", world.root, "to-fifo"), 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/root/socket", world.dir);
	assert_int_equal(bind(sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
	alarm(10);
	assert_int_equal(store_dir.open(world.root, "/fifo", &fd, &st), -EOPNOTSUPP);
	assert_int_equal(store_dir.open(world.root, "/to-fifo", &fd, &st), -EOPNOTSUPP);
	assert_int_equal(store_dir.open(world.root, "/socket", &fd, &st), -EOPNOTSUPP);
	assert_int_equal(store_dir.open(world.root, "/d", &fd, &st), -EISDIR);
	struct part p = PART_INIT;
	assert_int_equal(store_dir.part_find(world.root, "/fifo", &p), -EOPNOTSUPP);
	part_close(&p);
	alarm(0);
	assert_int_equal(fd, -1);
}

static void
test_faults(void **state)
{
	static const struct {
		const char *path;
		size_t n;
		int error;
	} table[] = {
	    {"/d/file", 0, 0},
	    {"/d/none", 7, ENOENT},
	    {"/none/x/y", 5, ENOENT},
	    {"/file/x/y", 7, ENOTDIR},
	    {"/", 0, 0},
	    {"/dangling/x", 9, ENOENT},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int error = 0;
		assert_int_equal(
		    jail_find_fault(world.root, table[i].path, &error), table[i].n);
		assert_int_equal(error, table[i].error);
	}
}

/* ---- races ---- */

#define SWAPS 100000

static _Atomic bool swapping;

/* Directory and link out change places, over and over. */
static void *
swapper(void *user)
{
	for (int i = 0; i < SWAPS; i++)
		renameat2(world.root, "race", world.root, "race-link", RENAME_EXCHANGE);
	swapping = false;
	return NULL;
}

/* Every door, against the swapper; none may lead to the file outside. Returns how often
 * one led to the file inside. */
static unsigned
race_once(void)
{
	static const char *const paths[] = {"/race/file", "/race-link/file",
	    "/race/../race/file", "/race/../../outside/file",
	    "/race-link/../outside/file"};
	unsigned inside = 0;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char c = where(jail_open(world.root, paths[i], O_RDONLY));
		assert_int_not_equal(c, 'o');
		inside += c == 'i';
	}
	struct part p = PART_INIT;
	if (store_dir.part_find(world.root, "/race/upload", &p) == 0 &&
	    store_dir.part_create(&p, 0644) == 0)
		store_dir.part_publish(&p, true);
	part_close(&p);
	store_dir.make(world.root, "/race/made", 0755);
	store_dir.remove(world.root, "/race/made", true);
	return inside;
}

static void
test_race(void **state)
{
	char text[128];
	unsigned inside = 0;
	pthread_t thread;

	assert_int_equal(mkdirat(world.root, "race", 0755), 0);
	put("race/file", "inside", 0644);
	snprintf(text, sizeof(text), "%s/outside", world.dir);
	assert_int_equal(symlinkat(text, world.root, "race-link"), 0);
	swapping = true;
	assert_int_equal(pthread_create(&thread, NULL, swapper, NULL), 0);
	do
		inside += race_once();
	while (swapping);
	pthread_join(thread, NULL);
	assert_true(inside > 0);
	/* Nothing but its own file came to be outside. */
	DIR *dir =
	    fdopendir(openat(world.top, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	assert_int_equal(n, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_magic_links),
	    cmocka_unit_test(test_parents),
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_special_files),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, setup, world_end);
}
