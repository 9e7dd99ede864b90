/*
 * Data connections that failed: which verdict follows from what the server saw, and the
 * lines of the failures file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"
#include "util.h"

#define OUTER "11.0.0.7"
#define OUTER_2 "11.0.0.8"
#define INNER "192.168.1.50"
#define BRIDGE "172.17.0.1"

/* clang-format off */
static const struct {
	const char *name;
	enum failure_cause cause;
	int error;
	const char *peer, *other;
	const char *want; /* "!" certain, "?" likely */
} rows[] = {
    {"nobody came", FAILURE_NOBODY, 0, OUTER, NULL, "P11?"},
    {"a call from another address", FAILURE_STRANGERS, 0, OUTER, OUTER_2, "H11?"},
    {"... from an inner one", FAILURE_STRANGERS, 0, OUTER, BRIDGE, "H03?"},
    {"the turn is over", FAILURE_TURN, 0, OUTER, NULL, "A18?"},
    {"calls that could be for several", FAILURE_UNPROVED, 0, OUTER, NULL, "A18!"},
    {"the range is full", FAILURE_FULL, 0, OUTER, NULL, "P15!"},
    {"silence", FAILURE_DIALLED, ETIMEDOUT, OUTER, NULL, "A02?"},
    {"refused", FAILURE_DIALLED, ECONNREFUSED, OUTER, NULL, "A03?"},
    {"no route", FAILURE_DIALLED, EHOSTUNREACH, OUTER, NULL, "A03?"},
    {"network unreachable", FAILURE_DIALLED, ENETUNREACH, OUTER, NULL, "A03?"},
    {"protocol unreachable", FAILURE_DIALLED, ENOPROTOOPT, OUTER, NULL, "A03?"},
    {"not permitted", FAILURE_DIALLED, EPERM, OUTER, NULL, "A07?"},
    {"prohibited", FAILURE_DIALLED, EACCES, OUTER, NULL, "A07?"},
    {"prohibited, over IPv6", FAILURE_DIALLED, EACCES, "2a00::7", NULL, "A03?"},
    {"the pair of ports is taken", FAILURE_DIALLED, EADDRNOTAVAIL, OUTER, NULL, "A08?"},
    {"... or in use", FAILURE_DIALLED, EADDRINUSE, OUTER, NULL, "A08?"},
    {"another error", FAILURE_DIALLED, ENOMEM, OUTER, NULL, "A02?"},
    {"no right to port 20", FAILURE_BIND, EACCES, OUTER, NULL, "A06!"},
    {"PORT with an inner address", FAILURE_NAMED, 0, OUTER, INNER, "A01!"},
    {"PORT with loopback", FAILURE_NAMED, 0, OUTER, "127.0.0.1", "A01!"},
    {"PORT with an outer address, seen as a bridge", FAILURE_NAMED, 0, BRIDGE, OUTER, "A11?"},
    {"PORT with another outer address", FAILURE_NAMED, 0, OUTER, OUTER_2, "A13?"},
    {"PORT with another inner address", FAILURE_NAMED, 0, INNER, "10.1.1.1", "A13?"},
    {"EPRT with a link-local address", FAILURE_NAMED, 0, "2a00::7", "fe80::7", "A01!"},
    {"no resumption", FAILURE_NOT_RESUMED, 0, OUTER, NULL, "T03!"},
    {"no handshake", FAILURE_HANDSHAKE, 0, OUTER, NULL, "T07?"},
    {"small packets only", FAILURE_SWALLOWED, 0, OUTER, NULL, "L03?"},
    {"packets without an answer", FAILURE_LOST, 0, OUTER, NULL, "L07?"},
    {"a client that does not read", FAILURE_UNREAD, 0, OUTER, NULL, "L08!"},
    {"a client that does not send", FAILURE_SILENT, 0, OUTER, NULL, "L09?"},
    {"a proxy without a header", FAILURE_HEADERLESS, 0, OUTER, NULL, "H09!"},
    {"no right to any port", FAILURE_FORBIDDEN, EACCES, OUTER, NULL, "S01!"},
    {"a router that forgets", FAILURE_FORGOTTEN, ETIMEDOUT, OUTER, NULL, "L01?"},
};
/* clang-format on */

static struct endpoint
address(const char *text)
{
	struct endpoint ep = {0};

	if (text != NULL)
		assert_int_equal(endpoint_from_text(text, &ep), 0);
	return ep;
}

static struct failure
failure_of(size_t i)
{
	return (struct failure){
	    .cause = rows[i].cause,
	    .error = rows[i].error,
	    .port = (uint16_t)(61000 + i),
	    .peer = address(rows[i].peer),
	    .other = address(rows[i].other),
	};
}

static void
test_verdicts(void **state)
{
	bool seen[CODES] = {false};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure f = failure_of(i);
		struct failure_verdict v = failure_judge(&f);
		const char want[] = {v.certain ? '!' : '?', '\0'};

		if (strncmp(failure_code_name(v.code), rows[i].want, 3) != 0 ||
		    strcmp(want, rows[i].want + 3) != 0)
			fail_msg("%s: %s%s in place of %s", rows[i].name,
			    failure_code_name(v.code), want, rows[i].want);
		seen[v.code] = true;
	}
	for (int code = 0; code < CODES; code++) {
		assert_true(seen[code]);
		assert_true(strlen(failure_code_means((enum failure_code)code)) > 10);
		assert_true(strlen(failure_code_advice((enum failure_code)code)) > 10);
	}
}

static void
test_lines_there_and_back(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct failure_record r = {.last = 1700000000 + (int64_t)i,
		    .count = 1 + (uint32_t)i,
		    .failure = failure_of(i)};
		char line[FAILURE_LINE_MAX], again[FAILURE_LINE_MAX];
		struct failure_record back;
		size_t n = failure_format(&r, line);

		assert_int_equal(line[n - 1], '\n');
		assert_int_equal(failure_parse(line, n - 1, &back), 0);
		assert_true(back.last == r.last && back.count == r.count);
		assert_int_equal(back.failure.cause, r.failure.cause);
		assert_int_equal(back.failure.port, r.failure.port);
		assert_true(endpoint_same_address(&back.failure.peer, &r.failure.peer));
		assert_int_equal(failure_format(&back, again), n);
		assert_string_equal(again, line);
	}
}

static void
test_lines_that_nobody_wrote(void **state)
{
	static const char *const lines[] = {
	    "",
	    " ",
	    "1700000000",
	    "1700000000 1 0 0 61000",
	    "1700000000 1 0 0 61000 11.0.0.7",
	    "1700000000 0 0 0 61000 11.0.0.7 -",
	    "1700000000 1 17 0 61000 11.0.0.7 -",
	    "1700000000 1 0 4096 61000 11.0.0.7 -",
	    "1700000000 1 0 0 65536 11.0.0.7 -",
	    "-1 1 0 0 61000 11.0.0.7 -",
	    "1700000000 1 0 0 61000 11.0.0.7\033[31m -",
	    "1700000000 1 0 0 61000 host.example -",
	    "1700000000 1 0 0 61000 11.0.0.7 - -",
	    "1700000000 1 0 0 61000 11.0.0.7 11.0.0.8 x",
	    "99999999999999999999 1 0 0 61000 11.0.0.7 -",
	};
	char zeros[FAILURE_LINE_MAX + 64];
	struct failure_record r;
	int n = snprintf(
	    zeros, sizeof(zeros), "%0*d 1 0 0 61000 11.0.0.7 -", FAILURE_LINE_MAX, 7);

	assert_int_equal(failure_parse(zeros, (size_t)n, &r), -FERRY_EPROTO);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (failure_parse(lines[i], strlen(lines[i]), &r) != -FERRY_EPROTO &&
		    failure_parse(lines[i], strlen(lines[i]), &r) != -FERRY_EINVAL)
			fail_msg("taken: %s", lines[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_lines_there_and_back),
	    cmocka_unit_test(test_lines_that_nobody_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
