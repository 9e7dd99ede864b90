/*
 * What people write on the command line, and what it means.
 */
#include "target.h"

#include <ferry/ferry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	int rc;
	const char *host, *user, *password, *path;
	uint16_t port;
	char type;
	bool is_directory;
} rows[] = {
    {"ftp.example.org", 0, "ftp.example.org", NULL, NULL, "", 0, 0, true},
    {"bob@ftp.example.org", 0, "ftp.example.org", "bob", NULL, "", 0, 0, true},
    {"bob@corp@ftp.example.org", 0, "ftp.example.org", "bob@corp", NULL, "", 0, 0, true},
    {"ftp.example.org:pub/a", 0, "ftp.example.org", NULL, NULL, "pub/a", 0, 0, false},
    {"ftp.example.org:/pub/", 0, "ftp.example.org", NULL, NULL, "/pub/", 0, 0, true},
    {"ftp.example.org:", 0, "ftp.example.org", NULL, NULL, "", 0, 0, true},
    {"bob@host:a@b", 0, "host", "bob", NULL, "a@b", 0, 0, false},
    {"host:a@b", 0, "host", NULL, NULL, "a@b", 0, 0, false},
    {"192.0.2.1", 0, "192.0.2.1", NULL, NULL, "", 0, 0, true},
    {"::1", 0, "::1", NULL, NULL, "", 0, 0, true},
    {"[::1]", 0, "::1", NULL, NULL, "", 0, 0, true},
    {"[::1]:x", 0, "::1", NULL, NULL, "x", 0, 0, false},
    {"bob@[::1]:x", 0, "::1", "bob", NULL, "x", 0, 0, false},
    {"ftp://host", 0, "host", NULL, NULL, "", 0, 0, true},
    {"ftp://host/a/b", 0, "host", NULL, NULL, "a/b", 0, 0, false},
    {"ftp://host/a/", 0, "host", NULL, NULL, "a/", 0, 0, true},
    {"ftp://host/%2Fetc/motd", 0, "host", NULL, NULL, "/etc/motd", 0, 0, false},
    {"ftp://u:p%40q@host:2121/a;type=a", 0, "host", "u", "p@q", "a", 2121, 'a', false},
    {"ftp://[2001:db8::1]:2121/a", 0, "2001:db8::1", NULL, NULL, "a", 2121, 0, false},
    {"", -FERRY_EINVAL},
    {"@host", -FERRY_EINVAL},
    {"bob@", -FERRY_EINVAL},
    {"[::1", -FERRY_EINVAL},
    {"[::1]x", -FERRY_EINVAL},
    {"host:a\r\nDELE b", -FERRY_EINVAL},
    {"http://host/", -FERRY_EINVAL},
    {"ftp://host/a%0d%0aDELE%20b", -FERRY_EINVAL},
    {"ftp://host/a%00b", -FERRY_EINVAL},
    {"ftp://host:99999/", -FERRY_EINVAL},
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
parses(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct target t = {.host = NULL};
		const char *why = NULL;
		int rc = target_parse(rows[i].text, &t, &why);
		if (rc != rows[i].rc)
			fail_msg("%s: %d, not %d", rows[i].text, rc, rows[i].rc);
		if (rc < 0) {
			assert_non_null(why);
			assert_null(t.host);
			continue;
		}
		same(t.host, rows[i].host);
		same(t.user, rows[i].user);
		same(t.password, rows[i].password);
		same(t.path, rows[i].path);
		assert_int_equal(t.port, rows[i].port);
		assert_int_equal(t.type, rows[i].type);
		assert_int_equal(t.is_directory, rows[i].is_directory);
		target_clear(&t);
	}
}

static void
wants_a_url(void **state)
{
	struct target t;
	const char *why = NULL;

	assert_int_equal(target_parse_url("host:path", &t, &why), -FERRY_EINVAL);
	assert_non_null(why);
}

static void
compares_logins(void **state)
{
	struct target a = {.host = NULL}, b = {.host = NULL}, copy = {.host = NULL};
	const char *why;

	assert_int_equal(target_parse("ftp://u:p@Host/a", &a, &why), 0);
	assert_int_equal(target_parse("ftp://u:p@host/b", &b, &why), 0);
	assert_true(target_same_login(&a, &b));
	target_clear(&b);
	assert_int_equal(target_parse("ftp://u:q@host/b", &b, &why), 0);
	assert_false(target_same_login(&a, &b));
	assert_int_equal(target_copy_login(&a, &copy), 0);
	assert_true(target_same_login(&a, &copy));
	target_clear(&a);
	target_clear(&b);
	target_clear(&copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses),
	    cmocka_unit_test(wants_a_url),
	    cmocka_unit_test(compares_logins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
