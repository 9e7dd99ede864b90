/*
 * ftp:// URLs: the parts, the refusals with their reasons, and no byte that ends a
 * command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "url.h"
#include "util.h"

static void
assert_text(const char *text, const char *expected)
{
	if (!expected) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void
parses(void **state)
{
	static const struct {
		const char *text;
		const char *user, *password, *host;
		uint16_t port;
		const char *path;
		char type;
	} rows[] = {
	    {"ftp://h", NULL, NULL, "h", 0, "", 0},
	    {"FTP://Host.Example/", NULL, NULL, "Host.Example", 0, "", 0},
	    {"ftp://h:2121/a/b", NULL, NULL, "h", 2121, "a/b", 0},
	    {"ftp://h:/a", NULL, NULL, "h", 0, "a", 0},
	    {"ftp://192.0.2.1/a", NULL, NULL, "192.0.2.1", 0, "a", 0},
	    {"ftp://[2001:db8::1]/a", NULL, NULL, "2001:db8::1", 0, "a", 0},
	    {"ftp://[::1]:21", NULL, NULL, "::1", 21, "", 0},
	    {"ftp://[::1]:/", NULL, NULL, "::1", 0, "", 0},
	    {"ftp://[fe80::1%25eth0]/a", NULL, NULL, "fe80::1%eth0", 0, "a", 0},
	    {"ftp://[fe80::1%eth0]/a", NULL, NULL, "fe80::1%eth0", 0, "a", 0},
	    {"ftp://u@h/", "u", NULL, "h", 0, "", 0},
	    {"ftp://u:p@h/", "u", "p", "h", 0, "", 0},
	    {"ftp://u:@h/", "u", "", "h", 0, "", 0},
	    {"ftp://:p@h/", NULL, "p", "h", 0, "", 0},
	    {"ftp://@h/", NULL, NULL, "h", 0, "", 0},
	    {"ftp://u:p:q@h/", "u", "p:q", "h", 0, "", 0},
	    {"ftp://me@example.com:p@h/", "me@example.com", "p", "h", 0, "", 0},
	    {"ftp://u%40x:%3A%2F%25@[::1]:990/", "u@x", ":/%", "::1", 990, "", 0},
	    /* RFC 1738 3.2.2: relative to the login directory unless it begins with %2F.
	     */
	    {"ftp://h/etc/motd", NULL, NULL, "h", 0, "etc/motd", 0},
	    {"ftp://h/%2Fetc/motd", NULL, NULL, "h", 0, "/etc/motd", 0},
	    {"ftp://h//etc/motd", NULL, NULL, "h", 0, "/etc/motd", 0},
	    {"ftp://h/a%20b%23c%3Fd", NULL, NULL, "h", 0, "a b#c?d", 0},
	    {"ftp://h/a b?c=d&e", NULL, NULL, "h", 0, "a b?c=d&e", 0},
	    {"ftp://h/%C3%A9%ff%09", NULL, NULL, "h", 0, "\xc3\xa9\xff\t", 0},
	    {"ftp://h/a@b:c", NULL, NULL, "h", 0, "a@b:c", 0},
	    {"ftp://h/a;type=i", NULL, NULL, "h", 0, "a", 'i'},
	    {"ftp://h/a;TYPE=A", NULL, NULL, "h", 0, "a", 'a'},
	    {"ftp://h/;type=d", NULL, NULL, "h", 0, "", 'd'},
	    {"ftp://h/a;type=i;type=a", NULL, NULL, "h", 0, "a;type=i", 'a'},
	    {"ftp://h/a;b", NULL, NULL, "h", 0, "a;b", 0},
	    {"ftp://h/a%3Btype=x", NULL, NULL, "h", 0, "a;type=x", 0},
	    {"ftp://h/../../x", NULL, NULL, "h", 0, "../../x", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ferry_url u = {0};
		const char *why = NULL;

		if (ferry_url_parse(rows[i].text, &u, &why) != 0)
			fail_msg("%s: %s", rows[i].text, why);
		assert_text(u.scheme, "ftp");
		assert_text(u.user, rows[i].user);
		assert_text(u.password, rows[i].password);
		assert_text(u.host, rows[i].host);
		assert_int_equal(u.port, rows[i].port);
		assert_text(u.path, rows[i].path);
		assert_int_equal(u.type, rows[i].type);
		ferry_url_clear(&u);
		assert_null(u.password);
		ferry_url_clear(&u);
	}
	ferry_url_clear(NULL);
}

static void
schemes(void **state)
{
	static const struct {
		const char *text, *scheme;
		enum ferry_tls tls;
	} rows[] = {
	    {"ftp://h/a", "ftp", FERRY_TLS_AUTO},
	    {"ftpes://h/a", "ftpes", FERRY_TLS_EXPLICIT},
	    {"FTPES://u:p@h:2121/a", "ftpes", FERRY_TLS_EXPLICIT},
	    {"ftps://h", "ftps", FERRY_TLS_IMPLICIT},
	    {"Ftps://[::1]:990/", "ftps", FERRY_TLS_IMPLICIT},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ferry_url u = {0};
		const char *why = NULL;

		assert_int_equal(ferry_url_parse(rows[i].text, &u, &why), 0);
		assert_string_equal(u.scheme, rows[i].scheme);
		assert_int_equal(ferry_url_tls(&u), rows[i].tls);
		ferry_url_clear(&u);
	}
}

static void
refuses(void **state)
{
	static const struct {
		const char *text, *why; /* a part of the reason */
	} rows[] = {
	    {"", "ftp://"},
	    {"ftp:", "ftp://"},
	    {"ftp:/h/", "ftp://"},
	    {"h/a", "ftp://"},
	    {"http://h/a", "ftp://"},
	    {"ftpx://h/a", "ftp://"},
	    {"ftps:/h/a", "ftps://"},
	    {"ftpess://h/a", "ftp://"},
	    {"ftps://", "no host"},
	    {" ftp://h/a", "ftp://"},
	    {"ftp://", "no host"},
	    {"ftp:///a", "no host"},
	    {"ftp://u:p@/a", "no host"},
	    {"ftp://:21/a", "no host"},
	    {"ftp://h:0/", "port"},
	    {"ftp://h:65536/", "port"},
	    {"ftp://h:-1/", "port"},
	    {"ftp://h:21x/", "port"},
	    {"ftp://h: 21/", "port"},
	    {"ftp://h:4294967317/", "port"},
	    {"ftp://::1/", "no host"},
	    {"ftp://2001:db8::1/", "port"},
	    {"ftp://[::1/", "]"},
	    {"ftp://[::1]x/", ":port"},
	    {"ftp://[]/", "IPv6"},
	    {"ftp://[h]/", "IPv6"},
	    {"ftp://[192.0.2.1]/", "IPv6"},
	    {"ftp://[::1%]/", "IPv6"},
	    {"ftp://[::1%25]/", NULL},
	    {"ftp://[fe80::1%a b]/", "IPv6"},
	    {"ftp://a b/", "host name"},
	    {"ftp://a%41/", "host name"},
	    {"ftp://a\\b/", "host name"},
	    {"ftp://a\tb/", "host name"},
	    {"ftp://h\r\nDELE x/", "host name"},
	    {"ftp://h/a%0d%0aDELE%20x", "line end"},
	    {"ftp://h/a%0A", "line end"},
	    {"ftp://h/a\nb", "line end"},
	    {"ftp://h/a\r", "line end"},
	    {"ftp://h/a%00b", "NUL"},
	    {"ftp://u%0d@h/", "line end"},
	    {"ftp://u:p%0Aq@h/", "line end"},
	    {"ftp://u%00:p@h/", "NUL"},
	    {"ftp://h/a%", "hexadecimal"},
	    {"ftp://h/a%4", "hexadecimal"},
	    {"ftp://h/a%4g", "hexadecimal"},
	    {"ftp://h/100% sure", "hexadecimal"},
	    {"ftp://u%@h/", "hexadecimal"},
	    {"ftp://h/a#b", "%23"},
	    {"ftp://h#b", "%23"},
	    {"ftp://h?x", "/"},
	    {"ftp://h/a;type=", "type"},
	    {"ftp://h/a;type=x", "type"},
	    {"ftp://h/a;type=ii", "type"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ferry_url u = {.port = 4711};
		const char *why = "";
		int r = ferry_url_parse(rows[i].text, &u, &why);

		if (!rows[i].why) {
			assert_int_equal(r, 0);
			ferry_url_clear(&u);
			continue;
		}
		if (r != -FERRY_EINVAL || !why || !strstr(why, rows[i].why))
			fail_msg("%s: %d, %s", rows[i].text, r, why);
		assert_int_equal(u.port, 4711);
		assert_null(u.host);
	}
}

static void
refuses_too_long(void **state)
{
	struct ferry_url u = {0};
	const char *why = NULL;
	char text[20000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "ftp://h/", 8);
	assert_int_equal(ferry_url_parse(text, &u, &why), -FERRY_EINVAL);
	assert_non_null(strstr(why, "too long"));
	text[4000] = '\0';
	assert_int_equal(ferry_url_parse(text, &u, &why), 0);
	assert_int_equal(strlen(u.path), 4000 - 8);
	ferry_url_clear(&u);
	memset(text + 6, 'h', 300);
	text[306] = '\0';
	assert_int_equal(ferry_url_parse(text, &u, &why), -FERRY_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parses),
	    cmocka_unit_test(schemes),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(refuses_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
