/*
 * PORT, EPRT, 227 and 229: what is read, what is refused, and that what is written can be
 * read.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "endpoint.h"
#include "util.h"

struct row {
	const char *in;
	int result;
	const char *whole; /* as endpoint_format() writes it */
};

/* The length that a formatter returned is that of its text. */
static void
assert_text(size_t len, const char *text, const char *expected)
{
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
}

static void
check_rows(int (*parse)(const char *, size_t, struct endpoint *), const struct row *rows,
    size_t n_rows)
{
	static const struct endpoint untouched = {.family = 4711};

	for (size_t i = 0; i < n_rows; i++) {
		struct endpoint ep = untouched;
		char text[ENDPOINT_TEXT_MAX];
		/* A copy without a NUL behind it, so that the sanitizer sees a read too
		 * far. */
		size_t n = strlen(rows[i].in);
		_cleanup_free_ char *copy = malloc(n + !n);

		memcpy(copy, rows[i].in, n);
		if (parse(copy, n, &ep) != rows[i].result)
			fail_msg("\"%s\": not the result expected", rows[i].in);
		if (rows[i].result < 0) {
			assert_memory_equal(&ep, &untouched, sizeof(ep));
			continue;
		}
		n = endpoint_format(&ep, text);
		assert_text(n, text, rows[i].whole);
	}
}

#define BAD(in)                                                                          \
	{                                                                                \
		in, -FERRY_EPROTO, NULL                                                  \
	}

static void
port(void **state)
{
	static const struct row rows[] = {
	    {"192,0,2,1,5,67", 0, "192.0.2.1:1347"},
	    {"192,0,2,1,192,100", 0, "192.0.2.1:49252"},
	    {"0,0,0,0,0,0", 0, "0.0.0.0:0"},
	    {"255,255,255,255,255,255", 0, "255.255.255.255:65535"},
	    {"10,0,0,1,0,21", 0, "10.0.0.1:21"},
	    {"010,000,000,001,004,001", 0, "10.0.0.1:1025"},
	    BAD(""),
	    BAD(","),
	    BAD(",,,,,"),
	    BAD("1"),
	    BAD("1,2,3,4,5"),
	    BAD("1,2,3,4,5,"),
	    BAD("1,2,3,4,5,6,"),
	    BAD("1,2,3,4,5,6,7"),
	    BAD(",1,2,3,4,5,6"),
	    BAD("256,0,2,1,5,67"),
	    BAD("192,0,2,1,256,1"),
	    BAD("192,0,2,1,5,256"),
	    BAD("1,2,3,4,5,0006"),
	    BAD("1,2,3,4,5,99999999999999999999"),
	    BAD("4294967297,0,2,1,5,67"),
	    BAD("-1,0,2,1,5,67"),
	    BAD("+1,0,2,1,5,67"),
	    BAD(" 192,0,2,1,5,67"),
	    BAD("192,0,2,1,5,67 "),
	    BAD("192, 0,2,1,5,67"),
	    BAD("192.0.2.1.5.67"),
	    BAD("192,0,2,1,5,6a"),
	    BAD("0x1,0,2,1,5,67"),
	    BAD("(192,0,2,1,5,67)"),
	    BAD("192,0,2,1,5,67\r"),
	    BAD("1,,2,3,4,5,6"),
	};

	check_rows(endpoint_parse_port, rows, ARRAY_LEN(rows));
}

static void
eprt(void **state)
{
	static const struct row rows[] = {
	    {"|1|192.0.2.1|1347|", 0, "192.0.2.1:1347"},
	    {"|2|2001:db8::1|49252|", 0, "[2001:db8::1]:49252"},
	    {"|2|::1|1|", 0, "[::1]:1"},
	    {"|1|192.0.2.1|65535|", 0, "192.0.2.1:65535"},
	    {"|1|192.0.2.1|0|", 0, "192.0.2.1:0"},
	    /* Any delimiter from 33 to 126. */
	    {"!1!192.0.2.1!21!", 0, "192.0.2.1:21"},
	    {"~2~fe80::1~21~", 0, "[fe80::1]:21"},
	    {",1,192.0.2.1,21,", 0, "192.0.2.1:21"},
	    {"/1/192.0.2.1/21/", 0, "192.0.2.1:21"},
	    {"a1a192.0.2.1a21a", 0, "192.0.2.1:21"},
	    {"31319232323231321 3", -FERRY_EPROTO, NULL},
	    /* One form for an address, so that a comparison cannot be fooled. */
	    {"|2|::ffff:192.0.2.1|21|", 0, "192.0.2.1:21"},
	    {"|3|192.0.2.1|21|", -FERRY_EUNSUPPORTED, NULL},
	    {"|0|192.0.2.1|21|", -FERRY_EUNSUPPORTED, NULL},
	    {"|3|whatever|21|", -FERRY_EUNSUPPORTED, NULL},
	    BAD(""),
	    BAD("|"),
	    BAD("||||"),
	    BAD("|||||"),
	    BAD("|1|192.0.2.1|21"),
	    BAD("|1|192.0.2.1||"),
	    BAD("|1||21|"),
	    BAD("||192.0.2.1|21|"),
	    BAD("|1|192.0.2.1|21||"),
	    BAD("|1|192.0.2.1|21|x"),
	    BAD("|1|192.0.2.1|21|\r"),
	    BAD("|1|192.0.2.1|65536|"),
	    BAD("|1|192.0.2.1|4294967317|"),
	    BAD("|1|192.0.2.1|-1|"),
	    BAD("|1|192.0.2.1| 21|"),
	    BAD("|1|192.0.2.1|000021|"),
	    BAD("|1|192.0.2|21|"),
	    BAD("|1|192.0.2.1.5|21|"),
	    BAD("|1|192.0.2.256|21|"),
	    BAD("|1|localhost|21|"),
	    BAD("|1|2001:db8::1|21|"),
	    BAD("|2|192.0.2.1|21|"),
	    BAD("|1|192.0.2.1 |21|"),
	    BAD("|2|fe80::1%1|21|"),
	    BAD("|2|[::1]|21|"),
	    BAD("|2|2001:0db8:0000:0000:0000:0000:0000:0000:0000:0001|21|"),
	    BAD("|2|11111111111111111111111111111111111111111111111111111|21|"),
	    BAD(" 1 192.0.2.1 21 "),
	    BAD("\x80"
		"1\x80"
		"192.0.2.1\x80"
		"21\x80"),
	    BAD("\t1\t192.0.2.1\t21\t"),
	    BAD("|x|192.0.2.1|21|"),
	    BAD("|65537|192.0.2.1|21|"),
	    BAD(".1.192.0.2.1.21."),
	};
	struct endpoint ep;

	check_rows(endpoint_parse_eprt, rows, ARRAY_LEN(rows));
	assert_int_equal(
	    endpoint_parse_eprt("|1|192.0.2.1\0|21|", 17, &ep), -FERRY_EPROTO);
}

static void
reply_227(void **state)
{
	static const struct row rows[] = {
	    {"Entering Passive Mode (192,0,2,1,5,67).", 0, "192.0.2.1:1347"},
	    {"Entering Passive Mode (192,0,2,1,192,100)", 0, "192.0.2.1:49252"},
	    /* Without parentheses, in others, with words behind. RFC 1123 4.1.2.6. */
	    {"Entering Passive Mode 192,0,2,1,5,67", 0, "192.0.2.1:1347"},
	    {"Entering Passive Mode. 192,0,2,1,5,67.", 0, "192.0.2.1:1347"},
	    {"=192,0,2,1,5,67", 0, "192.0.2.1:1347"},
	    {"192,0,2,1,5,67", 0, "192.0.2.1:1347"},
	    {"[192,0,2,1,5,67] ok", 0, "192.0.2.1:1347"},
	    {"Ok (0,0,0,0,156,64).", 0, "0.0.0.0:40000"},
	    {"(1,2,3,4,0,0)", 0, "1.2.3.4:0"},
	    /* Other numbers before it. */
	    {"Mode 2, session 17: (192,0,2,1,5,67)", 0, "192.0.2.1:1347"},
	    {"1,2,3 (192,0,2,1,5,67)", 0, "192.0.2.1:1347"},
	    {"1,2,3,4,5,678 (192,0,2,1,5,67)", 0, "192.0.2.1:1347"},
	    {"256,192,0,2,1,5,67", 0, "192.0.2.1:1347"},
	    /* The first six count. */
	    {"(192,0,2,1,5,67) (198,51,100,1,5,67)", 0, "192.0.2.1:1347"},
	    BAD(""),
	    BAD("Entering Passive Mode"),
	    BAD("(192,0,2,1,5)"),
	    BAD("(192,0,2,1,5,)"),
	    BAD("(192,0,2,1,5,256)"),
	    BAD("(192.0.2.1,5,67)"),
	    BAD("(1192,0,2,1,5,67)"),
	    BAD("(0:0:0:0:0:0:0:1,219,195)"),
	    BAD("Entering Extended Passive Mode (|||61017|)"),
	    BAD("1,1,1,1,1"),
	    BAD("1,1,1,1,1,1000,1,1,1,1"),
	};

	check_rows(endpoint_parse_227, rows, ARRAY_LEN(rows));
}

static void
reply_229(void **state)
{
	static const struct {
		const char *in;
		uint16_t port; /* 0: refused */
	} rows[] = {
	    {"Entering Extended Passive Mode (|||61017|)", 61017},
	    {"Entering Extended Passive Mode (|||61017|).", 61017},
	    {"Entering Extended Passive Mode |||61017|", 61017},
	    {"|||1|", 1},
	    {"(|||65535|)", 65535},
	    {"(!!!61017!)", 61017},
	    {"ok (---61017-)", 61017},
	    {"(|||061|)", 61},
	    /* Dots in the words before it; parentheses in the words before it. */
	    {"Wait...21. (|||61017|)", 61017},
	    {"Extended Passive Mode (EPSV) (|||61017|)", 61017},
	    {"((|||61017|))", 61017},
	    {"||||61017|", 61017},
	    {"Entering Extended Passive Mode", 0},
	    {"", 0},
	    {"(|||0|)", 0},
	    {"(|||65536|)", 0},
	    {"(|||4294967317|)", 0},
	    {"(|||061017|)", 0},
	    {"(||||)", 0},
	    {"(|||61017)", 0},
	    {"(||61017|)", 0},
	    {"(|||61017/)", 0},
	    {"(|||-1|)", 0},
	    {"(||| 21|)", 0},
	    {"(|||", 0},
	    {"(|||6", 0},
	    {"11161017", 0},
	    {"(|1|192.0.2.1|61017|)", 0},
	    {"Entering Passive Mode (192,0,2,1,5,67)", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].in);
		_cleanup_free_ char *copy = malloc(n + !n);
		uint16_t port_read = 4711;
		int r;

		memcpy(copy, rows[i].in, n);
		r = endpoint_parse_229(copy, n, &port_read);
		if (r != (rows[i].port > 0 ? 0 : -FERRY_EPROTO) ||
		    port_read != (rows[i].port > 0 ? rows[i].port : 4711))
			fail_msg("\"%s\": %d, port %u", rows[i].in, r, port_read);
	}
}

static void
writes(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		const char *port_text, *eprt_text, *whole;
	} rows[] = {
	    {"192.0.2.1", 1347, "192,0,2,1,5,67", "|1|192.0.2.1|1347|", "192.0.2.1:1347"},
	    {"192.0.2.1", 49252, "192,0,2,1,192,100", "|1|192.0.2.1|49252|",
		"192.0.2.1:49252"},
	    {"255.255.255.255", 65535, "255,255,255,255,255,255",
		"|1|255.255.255.255|65535|", "255.255.255.255:65535"},
	    {"::ffff:192.0.2.1", 21, "192,0,2,1,0,21", "|1|192.0.2.1|21|",
		"192.0.2.1:21"},
	    {"2001:db8::1", 21, NULL, "|2|2001:db8::1|21|", "[2001:db8::1]:21"},
	    {"2001:DB8:0:0:0:0:0:1", 21, NULL, "|2|2001:db8::1|21|", "[2001:db8::1]:21"},
	    /* The interface is ours alone: another host cannot use it. */
	    {"fe80::1%4294967295", 21, NULL, "|2|fe80::1|21|", "[fe80::1%4294967295]:21"},
	    {"1111:2222:3333:4444:5555:6666:7777:8888", 65535, NULL,
		"|2|1111:2222:3333:4444:5555:6666:7777:8888|65535|",
		"[1111:2222:3333:4444:5555:6666:7777:8888]:65535"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ENDPOINT_TEXT_MAX];
		struct endpoint ep, again;
		size_t n;

		assert_int_equal(endpoint_from_text(rows[i].address, &ep), 0);
		assert_int_equal(ep.port, 0);
		ep.port = rows[i].port;
		n = endpoint_format_eprt(&ep, text);
		assert_text(n, text, rows[i].eprt_text);
		assert_int_equal(endpoint_parse_eprt(text, strlen(text), &again), 0);
		assert_true(endpoint_same_address(&ep, &again));
		n = endpoint_format(&ep, text);
		assert_text(n, text, rows[i].whole);
		if (!rows[i].port_text)
			continue;
		n = endpoint_format_port(&ep, text);
		assert_text(n, text, rows[i].port_text);
		assert_int_equal(endpoint_parse_port(text, strlen(text), &again), 0);
		assert_true(endpoint_same_address(&ep, &again));
		assert_int_equal(again.port, ep.port);
	}
}

/* p1 x 256 + p2, for every port there is. */
static void
port_arithmetic(void **state)
{
	struct endpoint ep = {.family = AF_INET}, again;
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned p = 0; p <= 65535; p++) {
		ep.port = (uint16_t)p;
		endpoint_format_port(&ep, text);
		assert_int_equal(endpoint_parse_port(text, strlen(text), &again), 0);
		assert_int_equal(again.port, p);
	}
}

static void
numeric_text(void **state)
{
	static const char *const bad[] = {
	    "",
	    "localhost",
	    "1.2.3",
	    "1.2.3.4.5",
	    "1.2.3.4 ",
	    " 1.2.3.4",
	    "1.2.3.256",
	    "01.2.3.4x",
	    "[::1]",
	    "::1%1",
	    "2001:db8::1%2",
	    "fe80::1%",
	    "fe80::1%eth0",
	    "fe80::1%-1",
	    "fe80::1%4294967296",
	    "1.2.3.4%1",
	    ":",
	    ":::",
	    "::ffff:1.2.3.4%1",
	    "0x7f.1",
	    "1.2.3.4:21",
	    "11111111111111111111111111111111111111111111111111111111111",
	};
	struct endpoint ep;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (endpoint_from_text(bad[i], &ep) != -FERRY_EINVAL)
			fail_msg("\"%s\" was taken for an address", bad[i]);
}

static void
kernel_form(void **state)
{
	static const char *const addresses[] = {"192.0.2.1", "2001:db8::1", "fe80::1%3"};
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct endpoint ep, again;

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		assert_int_equal(endpoint_from_text(addresses[i], &ep), 0);
		ep.port = 1347;
		assert_int_equal(endpoint_to_sockaddr(&ep, &ss),
		    ep.family == AF_INET ? sizeof(struct sockaddr_in)
					 : sizeof(struct sockaddr_in6));
		assert_int_equal(
		    endpoint_from_sockaddr((struct sockaddr *)&ss, &again), 0);
		assert_memory_equal(&ep, &again, sizeof(ep));
	}
	/* A dual-stack listener's IPv4 client. */
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(20)};
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6->sin6_addr);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &ep), 0);
	assert_int_equal(ep.family, AF_INET);
	assert_int_equal(ep.port, 20);
	assert_int_equal(endpoint_from_text("192.0.2.1", &again), 0);
	assert_true(endpoint_same_address(&ep, &again));
	assert_int_equal(endpoint_from_sockaddr(&other, &ep), -FERRY_EUNSUPPORTED);
}

static void
same_address(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"192.0.2.1", "::ffff:192.0.2.1", true},
	    {"192.0.2.1", "::192.0.2.1", false},
	    {"2001:db8::1", "2001:db8:0::1", true},
	    {"2001:db8::1", "2001:db8::2", false},
	    {"fe80::1%2", "fe80::1", true},
	    {"fe80::1%2", "fe80::1%2", true},
	    {"fe80::1%2", "fe80::1%3", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint a, b;

		assert_int_equal(endpoint_from_text(rows[i].a, &a), 0);
		assert_int_equal(endpoint_from_text(rows[i].b, &b), 0);
		a.port = 1;
		assert_int_equal(endpoint_same_address(&a, &b), rows[i].same);
		assert_int_equal(endpoint_same_address(&b, &a), rows[i].same);
	}
}

static void
scopes(void **state)
{
	static const struct {
		const char *address;
		enum endpoint_scope scope;
	} rows[] = {
	    {"8.8.8.8", SCOPE_PUBLIC},
	    {"2600::1", SCOPE_PUBLIC},
	    {"1.0.0.0", SCOPE_PUBLIC},
	    {"9.255.255.255", SCOPE_PUBLIC},
	    {"10.0.0.0", SCOPE_PRIVATE},
	    {"10.255.255.255", SCOPE_PRIVATE},
	    {"11.0.0.0", SCOPE_PUBLIC},
	    {"172.15.255.255", SCOPE_PUBLIC},
	    {"172.16.0.0", SCOPE_PRIVATE},
	    {"172.31.255.255", SCOPE_PRIVATE},
	    {"172.32.0.0", SCOPE_PUBLIC},
	    {"192.167.255.255", SCOPE_PUBLIC},
	    {"192.168.1.200", SCOPE_PRIVATE},
	    {"192.169.0.0", SCOPE_PUBLIC},
	    {"100.63.255.255", SCOPE_PUBLIC},
	    {"100.64.0.0", SCOPE_SHARED},
	    {"100.127.255.255", SCOPE_SHARED},
	    {"100.128.0.0", SCOPE_PUBLIC},
	    {"169.254.1.1", SCOPE_LINK},
	    {"127.0.0.1", SCOPE_LOOPBACK},
	    {"127.255.255.255", SCOPE_LOOPBACK},
	    {"0.0.0.0", SCOPE_UNSPECIFIED},
	    {"0.1.2.3", SCOPE_UNSPECIFIED},
	    {"223.255.255.255", SCOPE_PUBLIC},
	    {"224.0.0.1", SCOPE_MULTICAST},
	    {"239.255.255.255", SCOPE_MULTICAST},
	    {"255.255.255.255", SCOPE_MULTICAST},
	    {"192.0.2.1", SCOPE_DOCUMENTATION},
	    {"198.51.100.7", SCOPE_DOCUMENTATION},
	    {"203.0.113.255", SCOPE_DOCUMENTATION},
	    {"::", SCOPE_UNSPECIFIED},
	    {"::1", SCOPE_LOOPBACK},
	    {"::2", SCOPE_PUBLIC},
	    {"fe80::1", SCOPE_LINK},
	    {"febf::1", SCOPE_LINK},
	    {"fc00::1", SCOPE_PRIVATE},
	    {"fdff::1", SCOPE_PRIVATE},
	    {"fe00::1", SCOPE_PUBLIC},
	    {"ff02::1", SCOPE_MULTICAST},
	    {"2001:db8:1::", SCOPE_DOCUMENTATION},
	    {"2001:db9::", SCOPE_PUBLIC},
	    {"3fff:fff::1", SCOPE_DOCUMENTATION},
	    {"3fff:1000::1", SCOPE_PUBLIC},
	    {"::ffff:10.0.0.1", SCOPE_PRIVATE},
	    {"::ffff:127.0.0.1", SCOPE_LOOPBACK},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct endpoint ep;

		assert_int_equal(endpoint_from_text(rows[i].address, &ep), 0);
		if (endpoint_scope_of(&ep) != rows[i].scope)
			fail_msg("%s is %s", rows[i].address,
			    endpoint_scope_name(endpoint_scope_of(&ep)));
	}
	for (int s = SCOPE_PUBLIC; s <= SCOPE_DOCUMENTATION; s++)
		assert_string_not_equal(endpoint_scope_name(s), "unknown");
}

/* The classification must hold for an endpoint that somebody else filled in, too. */
static void
mapped_address_is_no_disguise(void **state)
{
	struct endpoint v4, mapped = {.family = AF_INET6};

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.v6);
	assert_int_equal(endpoint_from_text("127.0.0.1", &v4), 0);
	assert_int_equal(endpoint_scope_of(&mapped), SCOPE_LOOPBACK);
	assert_true(endpoint_same_address(&mapped, &v4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(port),
	    cmocka_unit_test(eprt),
	    cmocka_unit_test(reply_227),
	    cmocka_unit_test(reply_229),
	    cmocka_unit_test(writes),
	    cmocka_unit_test(port_arithmetic),
	    cmocka_unit_test(numeric_text),
	    cmocka_unit_test(kernel_form),
	    cmocka_unit_test(same_address),
	    cmocka_unit_test(scopes),
	    cmocka_unit_test(mapped_address_is_no_disguise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
