/*
 * The known-hosts file: who is known, what is not understood, and what a new line leaves
 * alone.
 */
#include "known.h"

#include <ferry/ferry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY2 "00b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char sample[] = "# comment a 21 tls\n"
			     "\n"
			     "ftp.example.com 21 tls\n"
			     "  other.example\t990\tsha256 " KEY "\r\n"
			     "2001:db8::1 21 sha256 " KEY "\n"
			     "ftp.example.com 2121 sha256 " KEY2;

static void
finds(void **state)
{
	static const struct {
		const char *host;
		uint16_t port;
		int rc;
		const char *key;
	} rows[] = {
	    {"ftp.example.com", 21, 1, ""},
	    {"FTP.Example.COM", 21, 1, ""},
	    {"ftp.example.com", 2121, 1, KEY2},
	    {"ftp.example.com", 990, 0, NULL},
	    {"ftp.example.co", 21, 0, NULL},
	    {"xftp.example.com", 21, 0, NULL},
	    {"other.example", 990, 1, KEY},
	    {"2001:db8::1", 21, 1, KEY},
	    {"a", 21, 0, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct known known = {.tls = false};
		unsigned line = 0;

		assert_int_equal(
		    known_find(sample, rows[i].host, rows[i].port, &known, &line),
		    rows[i].rc);
		assert_int_equal(known.tls, rows[i].rc);
		if (rows[i].key != NULL)
			assert_string_equal(known.key, rows[i].key);
	}
}

static void
refuses(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
	    {"a", 1},
	    {"a 21", 1},
	    {"a 0 tls", 1},
	    {"a 65536 tls", 1},
	    {"a 021x tls", 1},
	    {"a 21 TLS", 1},
	    {"a 21 tls more", 1},
	    {"a 21 tls\nb 21 sha256\n", 2},
	    {"a 21 tls\n\nb 21 sha256 12\n", 3},
	    {"b 21 sha256 " KEY "0\n", 1},
	    {"b 21 sha256 E" KEY "\n", 1},
	    {"b 21 sha256 " KEY " tls\n", 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct known known = {.tls = false};
		unsigned line = 0;

		assert_int_equal(
		    known_find(rows[i].text, "a", 21, &known, &line), -FERRY_EINVAL);
		assert_int_equal(line, rows[i].line);
		assert_false(known.tls);
	}
}

static void
replaces(void **state)
{
	const struct known tls = {.tls = true}, key = {.tls = true, .key = KEY};
	char *text = known_replace("", "h", 21, &tls);

	assert_string_equal(text, "h 21 tls\n");
	free(text);
	text = known_replace("# x\nH 21 tls\nh 22 tls\nh 21 sha256 " KEY2, "h", 21, &key);
	assert_string_equal(text, "# x\nh 22 tls\nh 21 sha256 " KEY "\n");
	free(text);
}

static void
stores(void **state)
{
	const struct known key = {.tls = true, .key = KEY};
	struct known known = {.tls = false};
	char dir[] = "/tmp/ferry-known-XXXXXX", path[64], command[64];
	struct stat st;
	unsigned line;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a/b/known_hosts", dir);
	assert_int_equal(known_lookup(path, "h", 21, &known, &line), 0);
	assert_int_equal(known_store(path, "h", 21, &key), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(known_lookup(path, "h", 21, &known, &line), 1);
	assert_string_equal(known.key, KEY);
	/* a file that is not understood is not overwritten */
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("what\n", f);
	fclose(f);
	assert_int_equal(known_store(path, "h", 21, &key), -FERRY_EINVAL);
	assert_int_equal(known_lookup(path, "h", 21, &known, &line), -FERRY_EINVAL);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(replaces),
	    cmocka_unit_test(stores),
	};

	return cmocka_run_group_tests_name("known hosts", tests, NULL, NULL);
}
