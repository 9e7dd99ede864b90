/*
 * For the tests of sessions (test_session*.c): a world (worker_world.h), and the session of its
 * client.
 */
#ifndef FERRY_TESTS_SESSION_WORLD_H
#define FERRY_TESTS_SESSION_WORLD_H

#include "worker_world.h"

#include <signal.h>

#include "session.h"

/* The newest one. */
static inline struct session *
session_of(struct world *w)
{
	return worker_session(&w->worker, w->sessions);
}

static inline void
send_all(struct world *w, int data, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t r = send(data, p + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r > 0)
			sent += (size_t)r;
		else
			assert_int_equal(errno, EAGAIN);
		world_turn(w);
	}
}

static inline void
stored_is(struct world *w, const void *p, size_t n)
{
	uint8_t *got = malloc(n + 2);

	assert_int_equal(pread(w->stored, got, n + 2, 0), n);
	assert_memory_equal(got, p, n);
	free(got);
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

/* main() of a file of them; the first argument names one test. */
#define RUN_SESSION_TESTS(tests, argc, argv)                                             \
	do {                                                                             \
		signal(SIGPIPE, SIG_IGN);                                                \
		if ((argc) > 1)                                                          \
			cmocka_set_test_filter((argv)[1]);                               \
		return cmocka_run_group_tests(tests, NULL, NULL);                        \
	} while (0)

#endif
