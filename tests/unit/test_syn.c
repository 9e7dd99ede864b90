/*
 * The packets of ferryd check --watch: calls, answers, what they are taken from, and
 * everything that is neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ferry/ferry.h>
#include <string.h>

#include "syn.h"
#include "util.h"

/* 11.0.0.7:40000 -> 11.0.0.2:61000 */
#define V4(protocol)                                                                     \
	0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, protocol, 0, 0, 11, 0, 0, 7, 11, 0, 0, 2
#define TCP(flags)                                                                       \
	0x9c, 0x40, 0xee, 0x48, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0
#define V6(protocol)                                                                     \
	0x60, 0, 0, 0, 0, 20, protocol, 64, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	    0, 7, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2

static void
parse(const uint8_t *p, size_t n, const char *want_from, const char *want_to,
    enum packet_kind kind)
{
	char from[ENDPOINT_TEXT_MAX], to[ENDPOINT_TEXT_MAX];
	struct packet got;

	assert_int_equal(packet_parse(p, n, &got), 0);
	endpoint_format(&got.from, from);
	endpoint_format(&got.to, to);
	assert_string_equal(from, want_from);
	assert_string_equal(to, want_to);
	assert_int_equal(got.kind, kind);
}

static void
test_calls_and_answers(void **state)
{
	static const struct {
		uint8_t flags;
		enum packet_kind kind;
	} cases[] = {
	    {0x02, PACKET_CALL},
	    {0xc2, PACKET_CALL}, /* with ECN */
	    {0x12, PACKET_WELCOME},
	    {0x04, PACKET_RESET},
	    {0x14, PACKET_RESET},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint8_t v4[] = {V4(6), TCP(cases[i].flags)};
		const uint8_t v6[] = {V6(6), TCP(cases[i].flags)};

		parse(v4, sizeof(v4), "11.0.0.7:40000", "11.0.0.2:61000", cases[i].kind);
		parse(
		    v6, sizeof(v6), "[2a00::7]:40000", "[2a00::2]:61000", cases[i].kind);
	}
}

static void
test_sent_away(void **state)
{
	/* from the machine to the caller, about the caller's packet */
	const uint8_t v4[] = {V4(1), 3, 13, 0, 0, 0, 0, 0, 0, V4(6), TCP(2)};
	const uint8_t v6[] = {V6(58), 1, 1, 0, 0, 0, 0, 0, 0, V6(6), TCP(2)};

	parse(v4, sizeof(v4), "11.0.0.2:61000", "11.0.0.7:40000", PACKET_SENT_AWAY);
	parse(v6, sizeof(v6), "[2a00::2]:61000", "[2a00::7]:40000", PACKET_SENT_AWAY);
}

static void
test_neither(void **state)
{
	static const uint8_t ack[] = {V4(6), TCP(0x10)};
	static const uint8_t udp[] = {V4(17), TCP(2)};
	static const uint8_t ping[] = {V4(1), 8, 0, 0, 0, 0, 0, 0, 0, V4(6), TCP(2)};
	static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t fragment[] = {V4(6), TCP(2)}, header[] = {V4(6), TCP(2)};
	struct packet got;

	fragment[7] = 1;
	header[0] = 0x4f; /* longer than the packet */
	assert_int_equal(packet_parse(ack, sizeof(ack), &got), -FERRY_EPROTO);
	assert_int_equal(packet_parse(udp, sizeof(udp), &got), -FERRY_EPROTO);
	assert_int_equal(packet_parse(ping, sizeof(ping), &got), -FERRY_EPROTO);
	assert_int_equal(packet_parse(arp, sizeof(arp), &got), -FERRY_EPROTO);
	assert_int_equal(packet_parse(fragment, sizeof(fragment), &got), -FERRY_EPROTO);
	assert_int_equal(packet_parse(header, sizeof(header), &got), -FERRY_EPROTO);
}

static void
test_every_cut(void **state)
{
	const uint8_t whole[] = {V6(58), 1, 1, 0, 0, 0, 0, 0, 0, V6(6), TCP(2)};
	struct packet got;

	for (size_t n = 0; n < sizeof(whole); n++) {
		uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees the end */

		memcpy(copy, whole, n);
		int r = packet_parse(copy, n, &got);
		/* the ports are all that is needed of the inner packet */
		assert_int_equal(r, n < 40 + 8 + 40 + 4 ? -FERRY_EPROTO : 0);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_calls_and_answers),
	    cmocka_unit_test(test_sent_away),
	    cmocka_unit_test(test_neither),
	    cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
