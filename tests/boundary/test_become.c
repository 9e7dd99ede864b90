/*
 * Becoming somebody else: each row in a child process of its own, as root where that is
 * what is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "become.h"
#include "deeds.h"
#include "util.h"

#define SOMEBODY 65534

/* Nothing left of what root was: no capability, now or after an exec, and no way back. */
static int
powerless(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps) < 0)
		return errno;
	if (caps[0].effective | caps[0].permitted | caps[0].inheritable |
	    caps[1].effective | caps[1].permitted | caps[1].inheritable)
		return EPERM;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return EPERM;
	return prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0 ? 0 : EPERM;
}

static int
become_nobody(const struct stage *st)
{
	uid_t r, e, s;

	if (become_user("", SOMEBODY, SOMEBODY) < 0)
		return errno;
	if (getresuid(&r, &e, &s) < 0 || r != SOMEBODY || e != SOMEBODY || s != SOMEBODY)
		return EPERM;
	if (getgroups(0, NULL) != 0 || getgid() != SOMEBODY)
		return EPERM;
	if (setuid(0) == 0 || setgid(0) == 0)
		return EPERM;
	return powerless();
}

static int
become_account(const struct stage *st)
{
	gid_t groups[64];
	int n;

	if (become_user("nobody", SOMEBODY, 4711) < 0)
		return errno;
	n = getgroups(ARRAY_LEN(groups), groups);
	if (n < 1 || getgid() != 4711)
		return EPERM;
	for (int i = 0; i < n; i++) {
		if (groups[i] == 0)
			return EPERM;
	}
	return powerless();
}

/* A tree of root's, served by a root that may no more than anybody else who owns the
 * files. */
static int
become_powerless_root(const struct stage *st)
{
	if (become_user("", 0, 0) < 0)
		return errno;
	if (fchownat(st->dir, "file", 1, 1, 0) == 0 || setuid(SOMEBODY) == 0)
		return EPERM;
	return powerless();
}

static int
become_unchanged(const struct stage *st)
{
	/* -1 would mean "leave it as it is" to the kernel. */
	if (become_user("", (uid_t)-1, SOMEBODY) == 0 ||
	    become_user("", SOMEBODY, (gid_t)-1) == 0)
		return EPERM;
	return getuid() == 0 ? 0 : EPERM;
}

static int
become_as_user(const struct stage *st)
{
	if (setresgid(SOMEBODY, SOMEBODY, SOMEBODY) < 0 ||
	    setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
		return errno;
	if (become_user("", SOMEBODY + 1, SOMEBODY) == 0 ||
	    become_user("root", 0, 0) == 0)
		return EPERM;
	return become_user("", SOMEBODY, SOMEBODY) < 0 ? errno : 0;
}

/* Empty, gone, and nothing can be made in it; the old tree is out of reach. */
static int
become_enclosed(const struct stage *st)
{
	int fd = become_empty_dir();
	unsigned entries = 0;
	struct dirent *e;
	DIR *root;

	if (fd < 0 || become_rootless(fd) < 0)
		return errno;
	root = opendir("/");
	if (root == NULL)
		return errno;
	while ((e = readdir(root)) != NULL)
		entries++;
	if (entries != 0 || access("/etc", F_OK) == 0 || access("/../etc", F_OK) == 0)
		return EEXIST;
	if (mkdir("/new", 0755) == 0 || open("/new", O_CREAT | O_WRONLY, 0600) >= 0)
		return EEXIST;
	return become_user("", SOMEBODY, SOMEBODY) < 0 ? errno : powerless();
}

static int
become_enclosed_in_file(const struct stage *st)
{
	return become_rootless(st->file) < 0 ? errno : 0;
}

static void
test_become(void **state)
{
	static const struct {
		const char *what;
		deed *act;
		int fate;
	} rows[] = {
	    {.what = "nobody", .act = become_nobody, .fate = WORKS},
	    {.what = "account", .act = become_account, .fate = WORKS},
	    {.what = "powerless root", .act = become_powerless_root, .fate = WORKS},
	    {.what = "unchanged", .act = become_unchanged, .fate = WORKS},
	    {.what = "as user", .act = become_as_user, .fate = WORKS},
	    {.what = "enclosed", .act = become_enclosed, .fate = WORKS},
	    {.what = "enclosed in a file",
		.act = become_enclosed_in_file,
		.fate = ENOTDIR},
	};
	unsigned wrong = 0;

	if (geteuid() != 0) {
		print_message("only root can become somebody else\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fate = fate_of(*state, NULL, 0, rows[i].act);

		if (fate == rows[i].fate)
			continue;
		wrong++;
		print_error("%s: %s\n", rows[i].what, fate_text(fate));
	}
	assert_int_equal(wrong, 0);
}

/* Without root there is only one user to be. */
static int
become_myself(const struct stage *st)
{
	if (become_user("", getuid(), getgid()) < 0)
		return errno;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : EPERM;
}

static void
test_become_myself(void **state)
{
	assert_int_equal(fate_of(*state, NULL, 0, become_myself), WORKS);
}

static void
test_empty_dir(void **state)
{
	_cleanup_close_ int fd = become_empty_dir();

	assert_true(fd >= 0);
	assert_int_equal(openat(fd, "new", O_CREAT | O_WRONLY, 0600), -1);
	assert_int_equal(errno, ENOENT);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_become),
	    cmocka_unit_test(test_become_myself),
	    cmocka_unit_test(test_empty_dir),
	};

	return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
