/*
 * ~/.netrc: whose password goes to whom, and to nobody else.
 */
#include "netrc.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char sample[] =
    "# a comment with login in it\n"
    "machine one.example login alice password first\n"
    "machine one.example\n\tlogin bob\n\tpassword \"sec ond\\\"\"\n"
    "machine two.example login carol account acc\n"
    "macdef init\ncd /pub\nmachine evil login x password y\n\n"
    "machine three.example password anyone\n"
    "machine four.example login dave password # account real\n"
    "default login anonymous password me@here\n";

static const struct {
	const char *host, *user;
	int rc;
	const char *login, *password, *account;
} rows[] = {
    {"one.example", NULL, 1, "alice", "first", NULL},
    {"ONE.Example", NULL, 1, "alice", "first", NULL},
    {"one.example", "bob", 1, "bob", "sec ond\"", NULL},
    {"one.example", "mallory", 0, NULL, NULL, NULL},
    {"one.example.evil", "alice", 0, NULL, NULL, NULL},
    {"xone.example", "alice", 0, NULL, NULL, NULL},
    {"two.example", NULL, 1, "carol", NULL, "acc"},
    {"evil", "x", 0, NULL, NULL, NULL},
    {"three.example", "alice", 0, NULL, NULL, NULL}, /* no login: for nobody by name */
    {"three.example", NULL, 1, NULL, "anyone", NULL},
    {"four.example", NULL, 1, "dave", "#", "real"},
    {"other.example", NULL, 1, "anonymous", "me@here", NULL},
    {"other.example", "alice", 0, NULL, NULL, NULL},
};

static void
same(const char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void
finds(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct netrc_entry e = {.login = NULL};
		unsigned line = 0;
		int rc = netrc_find(sample, rows[i].host, rows[i].user, &e, &line);
		if (rc != rows[i].rc)
			fail_msg("row %zu: %d", i, rc);
		same(e.login, rows[i].login);
		same(e.password, rows[i].password);
		same(e.account, rows[i].account);
		netrc_clear(&e);
	}
}

static void
refuses_nonsense(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {
	    {"machine", 1},
	    {"machine h login", 1},
	    {"machine h\nlogin a\nfrobnicate", 3},
	    {"machine h password \"open\n", 1},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct netrc_entry e = {.login = NULL};
		unsigned line = 0;
		assert_int_equal(
		    netrc_find(bad[i].text, "h", NULL, &e, &line), -FERRY_EINVAL);
		assert_int_equal(line, bad[i].line);
		assert_null(e.login);
	}
}

static void
minds_permissions(void **state)
{
	char path[] = "/tmp/ferry-netrc-XXXXXX";
	int fd = mkstemp(path);
	struct netrc_entry e = {.login = NULL};
	unsigned line;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, sample, sizeof sample - 1), sizeof sample - 1);
	assert_int_equal(netrc_lookup(path, "one.example", NULL, &e, &line), 1);
	netrc_clear(&e);
	assert_int_equal(fchmod(fd, 0640), 0);
	errno = 0;
	assert_int_equal(netrc_lookup(path, "one.example", NULL, &e, &line), -FERRY_ESYS);
	assert_int_equal(errno, EPERM);
	assert_null(e.password);
	/* no password at stake: no reason to refuse */
	assert_int_equal(netrc_lookup(path, "two.example", NULL, &e, &line), 1);
	netrc_clear(&e);
	assert_int_equal(netrc_lookup(path, "other.example", NULL, &e, &line), 1);
	netrc_clear(&e);
	close(fd);
	unlink(path);
	assert_int_equal(netrc_lookup(path, "one.example", NULL, &e, &line), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds),
	    cmocka_unit_test(refuses_nonsense),
	    cmocka_unit_test(minds_permissions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
