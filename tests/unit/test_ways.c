/*
 * The ways file: what is found, what is not believed, and what a change leaves alone.
 */
#include "own.h"
#include "ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1790000000
#define NET "192.168.1.0/24,192.168.1.1,02:42:ac:11:00:02"

static const struct way_key mine = {.host = "ftp.example.com",
    .port = 21,
    .tls = true,
    .family = AF_INET,
    .network = NET};

static void
finds(void **state)
{
	static const struct {
		const char *line;
		bool found;
		enum ferry_mode mode;
	} rows[] = {
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 PASV EPSV:silent", true,
		FERRY_MODE_PASV},
	    {"FTP.Example.Com 21 tls 4 " NET " 1789999999 PORT", true, FERRY_MODE_PORT},
	    {"ftp.example.com 21 tls 4 " NET " 1789999999 other EPSV:refused", true,
		FERRY_MODE_AUTO},
	    /* a week, the future */
	    {"ftp.example.com 21 tls 4 " NET " 1789395200 PASV", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1789395201 PASV", true, FERRY_MODE_PASV},
	    {"ftp.example.com 21 tls 4 " NET " 1790000001 PASV", false, 0},
	    /* another one */
	    {"ftp.example.org 21 tls 4 " NET " 1790000000 PASV", false, 0},
	    {"ftp.example.com 22 tls 4 " NET " 1790000000 PASV", false, 0},
	    {"ftp.example.com 21 plain 4 " NET " 1790000000 PASV", false, 0},
	    {"ftp.example.com 21 tls 6 " NET " 1790000000 PASV", false, 0},
	    {"ftp.example.com 21 tls 4 " NET "x 1790000000 PASV", false, 0},
	    /* no line */
	    {"ftp.example.com 21 tls 4 " NET " 1790000000", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 FTPS", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 PASV EPSV", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 PASV EPSV:", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 PASV EPSV:magic", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 1790000000 PASV PASV:silent", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " -5 PASV", false, 0},
	    {"ftp.example.com 21 tls 4 " NET " 99999999999999999999999 PASV", false, 0},
	    {"ftp.example.com 65536021 tls 4 " NET " 1790000000 PASV", false, 0},
	    {"ftp.example.com\t21 tls 4 " NET " 1790000000 PASV", false, 0},
	    {"", false, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct way way = {.mode = FERRY_MODE_EPRT};
		char text[600];

		snprintf(text, sizeof text, "some nonsense\n%s\n", rows[i].line);
		assert_int_equal(ways_find(text, &mine, NOW, &way), rows[i].found);
		assert_int_equal(
		    way.mode, rows[i].found ? rows[i].mode : FERRY_MODE_EPRT);
	}
}

static void
keeps_others_and_drops_what_is_old_or_odd(void **state)
{
	const struct way way = {.mode = FERRY_MODE_PORT,
	    .failed = {[FERRY_MODE_EPSV] = HOW_SILENT, [FERRY_MODE_PASV] = HOW_DENIED}};
	_cleanup_free_ char *text =
	    ways_replace("other.example 21 plain 6 n 1789999999 EPRT\n"
			 "\x1b[31m\n"
			 "old.example 21 plain 4 n 1 PASV\n"
			 "ftp.example.com 21 tls 4 " NET " 1789999999 PASV\n",
		&mine, &way, NOW);
	_cleanup_free_ char *without = NULL;

	assert_string_equal(text,
	    "other.example 21 plain 6 n 1789999999 EPRT\n"
	    "ftp.example.com 21 tls 4 " NET " 1790000000 PORT EPSV:silent PASV:denied\n");
	without = ways_replace(text, &mine, NULL, NOW);
	assert_string_equal(without, "other.example 21 plain 6 n 1789999999 EPRT\n");
}

static void
stays_small(void **state)
{
	char *text = strdup("");
	struct way_key key = mine;
	struct way way = {.mode = FERRY_MODE_PASV};

	for (int i = 0; i < WAYS_MAX + 5; i++) {
		snprintf(key.host, sizeof key.host, "host%d", i);
		char *next = ways_replace(text, &key, &way, NOW);
		free(text);
		text = next;
	}
	snprintf(key.host, sizeof key.host, "host%d", 4);
	assert_false(ways_find(text, &key, NOW, &way));
	snprintf(key.host, sizeof key.host, "host%d", 5);
	assert_true(ways_find(text, &key, NOW, &way));
	free(text);
}

static void
names_that_are_no_words_are_not_stored(void **state)
{
	struct way_key key = mine;

	assert_true(ways_can_store(&key));
	snprintf(key.host, sizeof key.host, "a b");
	assert_false(ways_can_store(&key));
	snprintf(key.host, sizeof key.host, "a\nb");
	assert_false(ways_can_store(&key));
	key.host[0] = '\0';
	assert_false(ways_can_store(&key));
}

static void
says_how_it_failed(void **state)
{
	static const struct {
		int error, sys_errno;
		enum way_how how;
	} rows[] = {
	    {FERRY_ETIMEOUT, ETIMEDOUT, HOW_SILENT},
	    {FERRY_EDATA, ECONNREFUSED, HOW_REFUSED},
	    {FERRY_EDATA, EHOSTUNREACH, HOW_BLOCKED},
	    {FERRY_EDATA, EACCES, HOW_BLOCKED},
	    {FERRY_EUNSUPPORTED, 0, HOW_DENIED},
	    {FERRY_ETEMPORARY, 0, HOW_DENIED},
	    {FERRY_EPROTO, 0, HOW_OTHER},
	    {FERRY_ESYS, EADDRINUSE, HOW_OTHER},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(way_how_of(&(struct ferry_event){
				     .error = rows[i].error,
				     .sys_errno = rows[i].sys_errno,
				 }),
		    rows[i].how);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds),
	    cmocka_unit_test(keeps_others_and_drops_what_is_old_or_odd),
	    cmocka_unit_test(stays_small),
	    cmocka_unit_test(names_that_are_no_words_are_not_stored),
	    cmocka_unit_test(says_how_it_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
