/*
 * The master's table of failures: counted by address and verdict, bounded, and its file
 * whole at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failures.h"
#include "util.h"

static struct failure
nobody(uint32_t host)
{
	struct failure f = {.cause = FAILURE_NOBODY, .port = 61000};

	f.peer.family = AF_INET;
	f.peer.v4.s_addr = htonl(0x0b000000 + host);
	return f;
}

static void
test_the_same_again_is_counted(void **state)
{
	static struct failures t;
	struct failure f = nobody(1);

	t = (struct failures){0};
	failures_add(&t, &f, 100);
	f.port = 61001;
	failures_add(&t, &f, 101);
	f.cause = FAILURE_FULL;
	failures_add(&t, &f, 102);
	f = nobody(2);
	failures_add(&t, &f, 103);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.row[0].count, 2);
	assert_int_equal(t.row[0].last, 101);
	assert_int_equal(t.row[0].failure.port, 61001);
	assert_int_equal(t.row[1].count, 1);
	assert_int_equal(t.row[1].verdict.code, CODE_P15);
}

static void
test_the_oldest_makes_room(void **state)
{
	static struct failures t;

	t = (struct failures){0};
	for (uint32_t i = 0; i < FAILURE_RECORDS; i++) {
		struct failure f = nobody(i);

		failures_add(&t, &f, 1000 + (i == 7 ? 0 : (int64_t)i + 1));
	}
	assert_int_equal(t.n, FAILURE_RECORDS);
	struct failure f = nobody(5000);

	failures_add(&t, &f, 9000);
	assert_int_equal(t.n, FAILURE_RECORDS);
	assert_true(endpoint_same_address(&t.row[7].failure.peer, &f.peer));
	assert_int_equal(t.row[7].count, 1);
}

static size_t
read_back(const char *path, char *out, size_t cap)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : -1;

	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void
test_the_file(void **state)
{
	static struct failures t;
	char dir[] = "/tmp/ferry-failures-XXXXXX", path[64], beside[80], text[4096];
	struct failure f = nobody(1);
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	snprintf(beside, sizeof(beside), "%s.new", path);
	t = (struct failures){0};
	failures_write(&t, path);
	assert_int_equal(access(path, F_OK), -1);
	failures_add(&t, &f, 1700000000);
	/* what somebody has put there is not followed */
	assert_int_equal(symlink("/etc/passwd", beside), 0);
	failures_write(&t, path);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
	assert_true(read_back(path, text, sizeof(text)) > 0);
	assert_string_equal(
	    text, FAILURE_FILE_HEAD "1700000000 1 0 0 61000 11.0.0.1 -\n");
	assert_int_equal(access(beside, F_OK), -1);

	/* unchanged: not written */
	assert_int_equal(unlink(path), 0);
	failures_write(&t, path);
	assert_int_equal(access(path, F_OK), -1);

	/* what an earlier server has left goes; where it has left nothing, nothing comes
	 */
	t = (struct failures){0};
	failures_begin(&t, path);
	failures_write(&t, path);
	assert_int_equal(access(path, F_OK), -1);
	failures_add(&t, &f, 1700000000);
	failures_write(&t, path);
	t = (struct failures){0};
	failures_begin(&t, path);
	failures_write(&t, path);
	assert_true(read_back(path, text, sizeof(text)) > 0);
	assert_string_equal(text, FAILURE_FILE_HEAD);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(rmdir(dir), 0);

	/* where it cannot be written, life goes on */
	failures_add(&t, &f, 1700000001);
	failures_write(&t, path);
	assert_true(t.told);
	failures_write(&t, "");
	failures_write(&t, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_same_again_is_counted),
	    cmocka_unit_test(test_the_oldest_makes_room),
	    cmocka_unit_test(test_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
