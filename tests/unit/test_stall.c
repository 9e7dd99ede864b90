/*
 * Transfers that stand still: the cause that follows from what the system says of the
 * connection, and what it says of a real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stall.h"
#include "util.h"

#define NONE FAILURE_CAUSES

/* clang-format off */
static const struct {
	const char *name;
	struct stall seen;
	enum failure_cause want;
} rows[] = {
    {"nothing large gets through", {.stood = true, .arrived = 1, .packet = 1448, .in_flight = 10, .repeats = 4}, FAILURE_SWALLOWED},
    {"a handshake got through", {.stood = true, .arrived = 260, .packet = 1448, .in_flight = 10, .repeats = 4}, FAILURE_SWALLOWED},
    {"it moved once", {.stood = true, .arrived = 90000, .packet = 1448, .in_flight = 10, .repeats = 4}, FAILURE_LOST},
    {"one full packet is enough", {.stood = true, .arrived = 1448, .packet = 1448, .in_flight = 10, .repeats = 2}, FAILURE_LOST},
    {"sent again once", {.stood = true, .arrived = 1, .packet = 1448, .in_flight = 10, .repeats = 1, .waiting = 9}, NONE},
    {"sent again long ago, confirmed since", {.stood = true, .arrived = 5000, .packet = 1448, .repeats = 3, .waiting = 9}, FAILURE_UNREAD},
    {"the client reads no more", {.stood = true, .arrived = 90000, .packet = 1448, .waiting = 70000}, FAILURE_UNREAD},
    {"... from the beginning", {.stood = true, .arrived = 1, .packet = 1448, .waiting = 70000}, FAILURE_UNREAD},
    {"one probe is on its way", {.stood = true, .arrived = 90000, .packet = 1448, .probes = 1, .waiting = 70000}, FAILURE_UNREAD},
    {"... and then it is gone", {.stood = true, .arrived = 90000, .packet = 1448, .probes = 5, .waiting = 70000}, FAILURE_LOST},
    {"nothing is left to send", {.stood = true, .arrived = 90000, .packet = 1448}, NONE},
    {"the system gave up", {.given_up = true, .arrived = 90000, .packet = 1448}, FAILURE_LOST},
    {"... on the first packets", {.given_up = true, .arrived = 1, .packet = 1448}, FAILURE_SWALLOWED},
    {"aborted while it moved", {.arrived = 90000, .packet = 1448, .in_flight = 3, .waiting = 5000}, NONE},
    {"aborted when it stood", {.arrived = 1, .packet = 1448, .in_flight = 10, .repeats = 3}, FAILURE_SWALLOWED},
    {"aborted by one that does not read", {.arrived = 90000, .packet = 1448, .waiting = 5000}, NONE},
    {"nothing came", {.upload = true, .stood = true, .packet = 1448}, FAILURE_SWALLOWED},
    {"nothing more came", {.upload = true, .stood = true, .arrived = 1, .packet = 1448}, FAILURE_SILENT},
    {"an upload that was aborted", {.upload = true, .packet = 1448}, NONE},
    {"... under TLS, with a packet of ours unconfirmed", {.upload = true, .packet = 1448, .in_flight = 1, .repeats = 3}, NONE},
};
/* clang-format on */

static void
test_causes(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (stall_judge(&rows[i].seen) != rows[i].want)
			fail_msg("%s: %d in place of %d", rows[i].name,
			    (int)stall_judge(&rows[i].seen), (int)rows[i].want);
}

static void
test_words(void **state)
{
	for (enum failure_cause c = 0; c <= FAILURE_CAUSES; c++) {
		bool told = c == FAILURE_SWALLOWED || c == FAILURE_LOST ||
			    c == FAILURE_UNREAD || c == FAILURE_SILENT;

		for (int upload = 0; upload < 2; upload++) {
			const char *words = stall_words(c, upload);

			assert_int_equal(words[0] != '\0', told);
			/* A reply has one line, and not a long one. */
			assert_true(strlen(words) < 130);
			assert_null(strchr(words, '\n'));
		}
	}
}

/* Two connected sockets over loopback. */
static void
connect_both(int fd[2])
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(connect(fd[1], (struct sockaddr *)&in, sizeof(in)), 0);
	fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd[0] >= 0);
	close(listener);
}

static void
test_a_client_that_does_not_read(void **state)
{
	static const char block[65536];
	struct stall seen = {.stood = true};
	int fd[2];

	connect_both(fd);
	while (send(fd[0], block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_true(stall_look(fd[0], &seen));
	assert_true(seen.arrived > 0 && seen.waiting > 0);
	assert_true(seen.packet > 0 && seen.packet <= 9000);
	/* The last of what there was room for may not be confirmed yet. */
	seen.in_flight = 0;
	assert_int_equal(stall_judge(&seen), FAILURE_UNREAD);
	close(fd[0]);
	close(fd[1]);
}

static void
test_what_is_no_tcp_tells_nothing(void **state)
{
	struct stall seen = {.upload = true, .arrived = 7};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_false(stall_look(fd[0], &seen));
	assert_int_equal(seen.arrived, 7);
	close(fd[0]);
	close(fd[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_causes),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_a_client_that_does_not_read),
	    cmocka_unit_test(test_what_is_no_tcp_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
