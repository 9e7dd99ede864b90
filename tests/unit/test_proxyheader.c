/*
 * PROXY headers: every row reads the same however it is cut, takes nothing of what stands
 * behind it, and what is no header is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <ferry/ferry.h>

#include "proxyheader.h"
#include "util.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* 198.51.100.7:40211 -> 192.0.2.1:21 */
#define V4 "\xc6\x33\x64\x07\xc0\x00\x02\x01\x9d\x13\x00\x15"
#define V6                                                                               \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"                                       \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"                                       \
	"\x9d\x13\x00\x15"
#define MAPPED(a) "\0\0\0\0\0\0\0\0\0\0\xff\xff" a

struct row {
	const char *in;
	size_t n;
	const char *peer, *local; /* NULL: the proxy speaks for itself; "": no header */
};

#define GOOD(in, peer, local)                                                            \
	{                                                                                \
		in, sizeof(in) - 1, peer, local                                          \
	}
#define OWN(in)                                                                          \
	{                                                                                \
		in, sizeof(in) - 1, NULL, NULL                                           \
	}
#define BAD(in)                                                                          \
	{                                                                                \
		in, sizeof(in) - 1, "", ""                                               \
	}

static const struct row rows[] = {
    GOOD("PROXY TCP4 198.51.100.7 192.0.2.1 40211 21\r\n", "198.51.100.7:40211",
	"192.0.2.1:21"),
    GOOD("PROXY TCP4 198.51.100.7 192.0.2.1 0 65535\r\n", "198.51.100.7:0",
	"192.0.2.1:65535"),
    GOOD("PROXY TCP6 2001:db8::7 2001:db8::1 40211 21\r\n", "[2001:db8::7]:40211",
	"[2001:db8::1]:21"),
    GOOD("PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 40211 21\r\n",
	"198.51.100.7:40211", "192.0.2.1:21"),
    OWN("PROXY UNKNOWN\r\n"),
    OWN("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"),
    GOOD(SIGNATURE "\x21\x11\0\x0c" V4, "198.51.100.7:40211", "192.0.2.1:21"),
    GOOD(SIGNATURE "\x21\x11\0\x10" V4 "\4\0\1x", "198.51.100.7:40211", "192.0.2.1:21"),
    GOOD(SIGNATURE "\x21\x21\0\x24" V6, "[2001:db8::7]:40211", "[2001:db8::1]:21"),
    GOOD(SIGNATURE "\x21\x21\0\x24" MAPPED("\xc6\x33\x64\x07")
	     MAPPED("\xc0\x00\x02\x01") "\x9d\x13\x00\x15",
	"198.51.100.7:40211", "192.0.2.1:21"),
    OWN(SIGNATURE "\x20\0\0\0"),
    OWN(SIGNATURE "\x20\x11\0\x0c" V4),
    OWN(SIGNATURE "\x21\0\0\3abc"),

    BAD("USER anonymous\r\n"),
    BAD("\x16\x03\x01\x02"),
    BAD("PROXX TCP4 198.51.100.7 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 40211 21\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 40211\r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 40211 21 \r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 40211 21 5\r\n"),
    BAD("PROXY TCP4  198.51.100.7 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 40211 65536\r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 040211 21\r\n"),
    BAD("PROXY TCP4 198.51.100.7 192.0.2.1 -1 21\r\n"),
    BAD("PROXY TCP4 198.51.100.7\0 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP4 2001:db8::7 2001:db8::1 40211 21\r\n"),
    BAD("PROXY TCP6 198.51.100.7 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP6 fe80::7%2 fe80::1 40211 21\r\n"),
    BAD("PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 40211 21\r\n"),
    BAD("PROXY TCP4 0.0.0.0 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP4 198.51.100.7 0.0.0.0 40211 21\r\n"),
    BAD("PROXY TCP4 224.0.0.1 192.0.2.1 40211 21\r\n"),
    BAD("PROXY TCP4 255.255.255.255 192.0.2.1 40211 21\r\n"),
    BAD("PROXY UDP4 198.51.100.7 192.0.2.1 40211 21\r\n"),
    BAD("PROXY \r\n"),
    BAD("PROXY UNKNOWNS\r\n"),
    BAD("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    BAD(SIGNATURE "\x11\x11\0\x0c" V4),
    BAD(SIGNATURE "\x22\x11\0\x0c" V4),
    BAD(SIGNATURE "\x21\x12\0\x0c" V4),
    BAD(SIGNATURE "\x21\x31\0\xd8"),
    BAD(SIGNATURE "\x21\x11\0\x0b" V4),
    BAD(SIGNATURE "\x21\x21\0\x23" V6),
    BAD(SIGNATURE "\x21\x11\x10\x01" V4),
    BAD(SIGNATURE "\x20\x11\xff\xff"),
    BAD(SIGNATURE "\x21\x11\0\x0c\0\0\0\0\xc0\0\2\1\1\1\1\1"),
    BAD("\r\n\r\n\0\r\nQUIT\r\n\x21\x11\0\x0c" V4),
};

/* Feeds the pieces up to the cuts, and bytes of the client's behind them. */
static int
feed(const struct row *row, size_t cut1, size_t cut2, struct proxy_header *h)
{
	static const char behind[] = "USER x\r\n";
	struct proxy_reader r = PROXY_READER_INIT;
	const size_t ends[] = {cut1, cut2, row->n};
	size_t at = 0, used;

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t n = ends[i] - at;
		int e = proxy_feed(&r, (const uint8_t *)row->in + at, n, &used, h);

		assert_true(used <= n);
		at += used;
		if (e == 0) /* not a byte too early */
			assert_int_equal(at, row->n);
		if (e != FERRY_AGAIN)
			return e;
		assert_int_equal(used, n);
	}
	/* It waits for more: what comes makes it none, and is not taken for part of it.
	 */
	return proxy_feed(&r, (const uint8_t *)behind, sizeof(behind) - 1, &used, h);
}

static void
check(const struct row *row, size_t cut1, size_t cut2)
{
	struct proxy_header h = {0};
	char peer[ENDPOINT_TEXT_MAX], local[ENDPOINT_TEXT_MAX];
	int e = feed(row, cut1, cut2, &h);

	if (row->peer != NULL && row->peer[0] == '\0') {
		assert_int_equal(e, -FERRY_EPROTO);
		return;
	}
	assert_int_equal(e, 0);
	assert_int_equal(h.told, row->peer != NULL);
	if (row->peer == NULL)
		return;
	endpoint_format(&h.peer, peer);
	endpoint_format(&h.local, local);
	assert_string_equal(peer, row->peer);
	assert_string_equal(local, row->local);
}

static void
every_cut_gives_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t a = 0; a <= rows[i].n; a++)
			for (size_t b = a; b <= rows[i].n; b++)
				check(&rows[i], a, b);
}

static void
bytes_behind_it_are_not_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy_reader r = PROXY_READER_INIT;
		struct proxy_header h;
		char text[512];
		size_t used;

		memcpy(text, rows[i].in, rows[i].n);
		memcpy(text + rows[i].n, "USER x\r\n", 8);
		int e = proxy_feed(&r, (const uint8_t *)text, rows[i].n + 8, &used, &h);
		if (rows[i].peer != NULL && rows[i].peer[0] == '\0')
			assert_int_equal(e, -FERRY_EPROTO);
		else
			assert_true(e == 0 && used == rows[i].n);
	}
}

/* The most that version 2 may bring along is skipped, and not kept. */
static void
the_longest_is_skipped(void **state)
{
	static uint8_t in[16 + PROXY_V2_MAX + 1];
	struct proxy_reader r = PROXY_READER_INIT;
	struct proxy_header h;
	size_t used;

	(void)state;
	memset(in, 0xee, sizeof(in));
	memcpy(in, SIGNATURE "\x21\x11\x10\x00" V4, 28);
	assert_int_equal(proxy_feed(&r, in, 4000, &used, &h), FERRY_AGAIN);
	assert_int_equal(used, 4000);
	assert_int_equal(proxy_feed(&r, in + 4000, sizeof(in) - 4000, &used, &h), 0);
	assert_int_equal(used, sizeof(in) - 4001);
	assert_true(h.told);
	assert_int_equal(h.peer.port, 40211);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cut_gives_the_same),
	    cmocka_unit_test(bytes_behind_it_are_not_taken),
	    cmocka_unit_test(the_longest_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
