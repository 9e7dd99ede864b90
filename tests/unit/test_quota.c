/* What a quota leaves, with the kernel's answers made here: few file systems have one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "quota.h"
#include "store.h"
#include "util.h"

#define KIB UINT64_C(1024)

/* ---- the kernel ---- */

static struct {
	int error;
	struct dqblk user, group;
	unsigned uid, gid;
	int fd;
} kernel;

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);

static long
answer_quota(int fd, unsigned command, unsigned id, struct dqblk *out)
{
	assert_int_equal(command >> 8, Q_GETQUOTA);
	kernel.fd = fd;
	if (kernel.error != 0) {
		errno = kernel.error;
		return -1;
	}
	if ((command & 0xff) == USRQUOTA) {
		kernel.uid = id;
		*out = kernel.user;
	} else {
		assert_int_equal(command & 0xff, GRPQUOTA);
		kernel.gid = id;
		*out = kernel.group;
	}
	return 0;
}

long
__wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_quotactl_fd)
		return answer_quota((int)a, (unsigned)b, (unsigned)c, (void *)d);
	return __real_syscall(number, a, b, c, d, e, f);
}

static struct dqblk
quota(uint64_t hard, uint64_t used)
{
	return (struct dqblk){
	    .dqb_valid = QIF_ALL, .dqb_bhardlimit = hard, .dqb_curspace = used};
}

/* ---- one quota ---- */

static void
test_left(void **state)
{
	static const struct {
		uint64_t hard, soft, used, grace, left;
	} rows[] = {
	    {0, 0, 5000, 0, QUOTA_UNLIMITED},
	    {100, 0, 0, 0, 100 * KIB},
	    {100, 0, 1, 0, 100 * KIB - 1},
	    {100, 0, 100 * KIB, 0, 0},
	    {100, 0, 200 * KIB, 0, 0}, /* lowered behind its back */
	    {UINT64_MAX, 0, 7, 0, QUOTA_UNLIMITED - 7},
	    {UINT64_MAX, UINT64_MAX, UINT64_MAX, 500, 0},
	    /* A soft limit: 1000 is now. */
	    {0, 10, 10 * KIB, 999, QUOTA_UNLIMITED}, /* reached, not passed */
	    {0, 10, 10 * KIB + 1, 0, QUOTA_UNLIMITED},
	    {0, 10, 10 * KIB + 1, 1001, QUOTA_UNLIMITED},
	    {0, 10, 10 * KIB + 1, 1000, 0},
	    {20, 10, 10 * KIB + 1, 1001, 10 * KIB - 1},
	    {20, 10, 10 * KIB + 1, 999, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dqblk q = quota(rows[i].hard, rows[i].used);

		q.dqb_bsoftlimit = rows[i].soft;
		q.dqb_btime = rows[i].grace;
		if (quota_left(&q, 1000) != rows[i].left)
			fail_msg(
			    "row %zu: %llu", i, (unsigned long long)quota_left(&q, 1000));
	}
}

static void
test_what_the_kernel_does_not_tell(void **state)
{
	struct dqblk q = quota(100, 100 * KIB);

	q.dqb_valid = QIF_BLIMITS;
	assert_true(quota_left(&q, 1000) == QUOTA_UNLIMITED);
	q.dqb_valid = QIF_SPACE;
	assert_true(quota_left(&q, 1000) == QUOTA_UNLIMITED);
	q = quota(0, 100 * KIB);
	q.dqb_bsoftlimit = 1;
	q.dqb_btime = 1;
	q.dqb_valid = QIF_BLIMITS | QIF_SPACE;
	assert_true(quota_left(&q, 1000) == QUOTA_UNLIMITED);
}

/* ---- the directory's ---- */

static void
test_the_smaller_counts(void **state)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	kernel.user = quota(100, 0);
	kernel.group = quota(50, 0);
	assert_true(quota_room(fd) == 50 * KIB);
	assert_int_equal(kernel.fd, fd);
	assert_int_equal(kernel.uid, geteuid());
	assert_int_equal(kernel.gid, getegid());
	kernel.group = quota(0, 0);
	assert_true(quota_room(fd) == 100 * KIB);
	kernel.user = quota(0, 0);
	assert_true(quota_room(fd) == QUOTA_UNLIMITED);
}

static void
test_the_group_of_the_directory(void **state)
{
	char dir[] = "/tmp/ferry-quota-XXXXXX";
	struct stat st;

	assert_non_null(mkdtemp(dir));
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (geteuid() == 0)
		assert_int_equal(fchown(fd, (uid_t)-1, 12345), 0);
	assert_int_equal(fchmod(fd, 02700), 0);
	assert_int_equal(fstat(fd, &st), 0);
	kernel.user = kernel.group = quota(1, 0);
	assert_true(quota_room(fd) == KIB);
	assert_int_equal(kernel.gid, st.st_gid);
	assert_int_equal(rmdir(dir), 0);
}

static void
test_no_quota(void **state)
{
	static const int errors[] = {ENOSYS, EPERM, ESRCH, EOPNOTSUPP, ENOTBLK, EINVAL};

	kernel.user = kernel.group = quota(1, 0);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		kernel.error = errors[i];
		assert_true(quota_room(0) == QUOTA_UNLIMITED);
	}
	kernel.error = 0;
}

/* What AVBL and ALLO are told. */
static void
test_room(void **state)
{
	_cleanup_close_ int root = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t disk, room;

	kernel.user = kernel.group = quota(0, 0);
	assert_int_equal(store_dir.room(root, "/", &disk), 0);
	kernel.user = quota(3, KIB);
	assert_int_equal(store_dir.room(root, "/", &room), 0);
	assert_true(room == (disk < 2 * KIB ? disk : 2 * KIB));
	kernel.user = quota(UINT64_MAX, 0);
	assert_int_equal(store_dir.room(root, "/", &room), 0);
	assert_true(room < UINT64_MAX / 2); /* the disk's again */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_left),
	    cmocka_unit_test(test_what_the_kernel_does_not_tell),
	    cmocka_unit_test(test_the_smaller_counts),
	    cmocka_unit_test(test_the_group_of_the_directory),
	    cmocka_unit_test(test_no_quota),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
