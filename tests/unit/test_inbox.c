/*
 * One channel, several threads: no request lies while a thread waits, and the end reaches
 * all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ferry/ferry.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdpass.h"
#include "inbox.h"

#define THREADS 4

static struct {
	int sock, worker; /* the agent's end, and the other */
	int inbox;
	_Atomic unsigned taken;
	sem_t took, go_on;
	pthread_t thread[THREADS];
} w;

/* Takes requests, each time staying with it until it is told to go on. */
static void *
serve(void *user)
{
	struct wire_box *box = calloc(1, sizeof(*box));

	assert_non_null(box);
	while (inbox_take(w.inbox, w.sock, box) == 0) {
		w.taken++;
		wire_box_close(box);
		sem_post(&w.took);
		sem_wait(&w.go_on);
	}
	/* As channel_end(). */
	shutdown(w.sock, SHUT_RDWR);
	inbox_wake(w.inbox, w.sock);
	free(box);
	return NULL;
}

static void
ask(void)
{
	const struct msg m = {
	    .type = MSG_AGENT_COMMIT, .id = 1, .agent_commit = {.grant = 1, .upload = 1}};

	assert_int_equal(wire_send(w.worker, ROLE_WORKER, ROLE_AGENT, &m, NULL, 0), 0);
}

static void
start_threads(void)
{
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&w.thread[i], NULL, serve, NULL), 0);
}

static void
join_threads(void)
{
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(w.thread[i], NULL), 0);
}

static int
setup(void **state)
{
	int pair[2];

	assert_int_equal(fdpass_pair(pair), 0);
	w.sock = pair[0];
	w.worker = pair[1];
	w.inbox = inbox_open(w.sock);
	assert_true(w.inbox >= 0);
	w.taken = 0;
	sem_init(&w.took, 0, 0);
	sem_init(&w.go_on, 0, 0);
	return 0;
}

static int
teardown(void **state)
{
	close(w.inbox);
	close(w.sock);
	if (w.worker >= 0)
		close(w.worker);
	sem_destroy(&w.took);
	sem_destroy(&w.go_on);
	return 0;
}

static void
end_all(void)
{
	close(w.worker);
	w.worker = -1;
	for (size_t i = 0; i < THREADS; i++)
		sem_post(&w.go_on);
	join_threads();
}

/* They are one event to epoll, since nobody waited when they came. */
static void
test_requests_behind_one_that_takes_long_go_to_others(void **state)
{
	for (size_t i = 0; i < THREADS; i++)
		ask();
	start_threads();
	for (size_t i = 0; i < THREADS; i++)
		sem_wait(&w.took);
	assert_int_equal(w.taken, THREADS);
	end_all();
}

static void
test_requests_that_come_while_others_work_wake_the_rest(void **state)
{
	start_threads();
	for (size_t i = 0; i < THREADS; i++) {
		ask();
		sem_wait(&w.took);
	}
	end_all();
}

static void
test_none_is_lost_when_threads_are_few(void **state)
{
	enum { MANY = 20 * THREADS };

	start_threads();
	for (size_t i = 0; i < MANY; i++) {
		ask();
		sem_post(&w.go_on);
	}
	for (size_t i = 0; i < MANY; i++)
		sem_wait(&w.took);
	assert_int_equal(w.taken, MANY);
	end_all();
}

static void
test_all_hear_of_the_end(void **state)
{
	start_threads();
	end_all();
	assert_int_equal(w.taken, 0);
}

static void
test_what_came_before_the_end_is_taken(void **state)
{
	ask();
	ask();
	start_threads();
	end_all();
	assert_int_equal(w.taken, 2);
}

/* Who breaks a rule is no request. */
static void
test_garbage_ends_it(void **state)
{
	struct wire_box *box = calloc(1, sizeof(*box));

	assert_non_null(box);
	assert_int_equal(send(w.worker, "x", 1, 0), 1);
	assert_int_equal(inbox_take(w.inbox, w.sock, box), -FERRY_EPROTO);
	assert_non_null(box->why);
	free(box);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_requests_behind_one_that_takes_long_go_to_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_requests_that_come_while_others_work_wake_the_rest, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_none_is_lost_when_threads_are_few, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_all_hear_of_the_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_what_came_before_the_end_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_garbage_ends_it, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	alarm(60); /* a request that nobody takes would be waited for for ever */
	return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
