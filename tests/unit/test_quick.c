/*
 * What makes files follow each other quickly: small ones that travel with the agent's
 * answer or with the question, passive ports that rest between two transfers, uploads
 * that a thread moves by itself.
 */
#include "worker_world.h"

#include "session.h"
#include "transfer.h"

static struct session *
session_of(struct world *w)
{
	return LIST_FIRST(&w->worker.all);
}

static int
setup(void **state)
{
	int r = world_setup(state);
	struct world *w = *state;

	w->inlines = true;
	worker_may_use(&w->worker, 1, 20000);
	assert_int_equal(w->worker.pipes, 64);
	return r;
}

/* ---- files that come with the answer ---- */

static void
retr(struct world *w, const char *first, const void *want, size_t n)
{
	uint8_t got[256];
	int data = world_epsv(w);

	world_ask(w, "RETR /f", first);
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), n);
	assert_memory_equal(got, want, n);
	world_expect(w, "226 Transfer complete.");
	close(data);
}

static void
test_retr(void **state)
{
	struct world *w = *state;
	size_t most = 16384;
	_cleanup_free_ uint8_t *file = calloc(1, most + 2), *got = malloc(most + 2);

	memset(file, 'x', most + 1);
	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_add_file(w, "/empty", "", 0);
	world_add_file(w, "/home/most", file, most);
	world_add_file(w, "/home/more", file, most + 1);
	world_login(w);
	retr(w, "150 Opening ASCII mode data connection for f.", "one\r\ntwo\r\n", 10);
	world_ask(w, "TYPE I", "200 ");
	retr(w, "150 Opening BINARY mode data connection for f (8 bytes).", "one\ntwo\n",
	    8);
	world_ask(w, "REST 5", "350 ");
	retr(w, "150 Opening BINARY mode data connection for f (8 bytes).", "wo\n", 3);
	world_ask(w, "REST 8", "350 ");
	retr(w, "150 ", "", 0);
	/* A range has an end of its own: the file itself is asked for. */
	world_ask(w, "RANG 1 2", "350 ");
	retr(w, "150 Opening BINARY mode data connection for f (2 bytes).", "ne", 2);
	for (size_t n = most; n <= most + 1; n++) {
		int data = world_epsv(w);
		world_ask(w, n == most ? "RETR most" : "RETR more", "150 ");
		assert_int_equal(world_slurp(w, data, got, most + 2), n);
		assert_memory_equal(got, file, n);
		world_expect(w, "226 ");
		close(data);
	}
	int data = world_epsv(w);
	world_ask(w, "RETR /empty", "150 ");
	assert_int_equal(world_slurp(w, data, got, 1), 0);
	world_expect(w, "226 ");
	close(data);
}

/* An agent that has been taken over gives more, less, or says that it is more. */
static bool
lie(struct world *w, struct msg *back, int *fd)
{
	if (back->worker_answer.size != 8)
		return false;
	back->worker_answer.size += w->lie;
	return false;
}

static void
test_lies(void **state)
{
	static const uint64_t lies[] = {1, (uint64_t)-1, 1ULL << 62};
	struct world *w = *state;

	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	w->on_answer = lie;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		w->lie = lies[i];
		int data = world_epsv(w);
		world_ask(w, "RETR /f", "451 ");
		close(data);
	}
	w->on_answer = NULL;
	retr(w, "150 ", "one\ntwo\n", 8);
}

/* ---- uploads ---- */

static void
stored_is(struct world *w, const uint8_t *p, size_t n)
{
	_cleanup_free_ uint8_t *got = malloc(n + 1);

	assert_int_equal(pread(w->stored, got, n + 1, 0), n);
	assert_memory_equal(got, p, n);
}

/* Sends so many bytes and ends; tells how many of them came with COMMIT. */
static size_t
stor(struct world *w, size_t n, const char *reply)
{
	_cleanup_free_ uint8_t *file = malloc(n + 1);
	int data = world_epsv(w);

	for (size_t i = 0; i < n; i++)
		file[i] = (uint8_t)((i * 2654435761u) >> 13);
	world_ask(w, "STOR up", "150 ");
	for (size_t sent = 0; sent < n;) {
		ssize_t r =
		    send(data, file + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0) {
			assert_int_equal(errno, EAGAIN);
			world_turn(w);
		}
		sent += r > 0 ? (size_t)r : 0;
	}
	close(data);
	world_expect(w, reply);
	if (*reply == '2')
		stored_is(w, file, n);
	return w->rest_n;
}

static size_t
stor_early(struct world *w, size_t n)
{
	_cleanup_free_ uint8_t *file = calloc(1, n);
	int data = world_epsv(w);

	assert_int_equal(send(data, file, n, 0), n);
	close(data);
	world_ask(w, "STOR up", "150 ");
	world_expect(w, "226 ");
	stored_is(w, file, n);
	return w->rest_n;
}

static void
test_stor(void **state)
{
	struct world *w = *state;

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	assert_int_equal(stor(w, 0, "226 "), 0);
	/* The whole of it was there before it was asked for. */
	assert_int_equal(stor_early(w, 16384), 16384);
	assert_int_equal(stor_early(w, 16385), 0);
	assert_int_equal(stor(w, 9000001, "226 "), 0);
	/* The file takes no splice: APPE's. */
	w->store_flags = O_APPEND;
	assert_int_equal(stor(w, 9000001, "226 "), 0);
	assert_int_equal(w->commits, 5);
	w->store_flags = 0;
	w->stores_read_only = true;
	stor(w, 100000, "451 Writing failed after ");
	assert_int_equal(w->aborts, 1);
}

/* What a client has sent before it stops is written soon, and what was held when it
 * breaks goes to the agent with the word that it is not complete. */
static void
test_stor_in_pieces(void **state)
{
	const struct linger at_once = {.l_onoff = 1};
	struct world *w = *state;

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	assert_int_equal(send(data, "first", 5, 0), 5);
	WORLD_UNTIL(w, lseek(w->stored, 0, SEEK_END) == 5);
	assert_int_equal(send(data, "second", 6, 0), 6);
	close(data);
	world_expect(w, "226 ");
	stored_is(w, (const uint8_t *)"firstsecond", 11);
	assert_int_equal(w->rest_n, 0);

	data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	assert_int_equal(send(data, "part", 4, 0), 4);
	WORLD_UNTIL(w, transfer_bytes(session_of(w)) == 4);
	setsockopt(data, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(data);
	world_expect(w, "426 ");
	assert_int_equal(w->aborts, 1);
	stored_is(w, (const uint8_t *)"part", 4);
}

/* The session ends while a thread has its socket: the next connection must not get the
 * same descriptor before the thread has done with it. */
static void
test_stor_cut_off(void **state)
{
	struct world *w = *state;
	_cleanup_free_ uint8_t *file = calloc(1, 100000);

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	int fd = conn_fd(session_of(w)->data.conn);
	assert_true(send(data, file, 100000, MSG_DONTWAIT) > 16384);
	/* Held up to its limit, and the rest asked for: in this turn or the next. */
	WORLD_UNTIL(w, w->worker.pipes == 63);
	session_end(session_of(w), "test");
	assert_true(fcntl(fd, F_GETFD) >= 0);
	WORLD_UNTIL(w, w->worker.pipes == 64);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	close(data);
}

/* An ABOR that comes while a thread is at work: what that has written is counted. */
static void
test_stor_aborted(void **state)
{
	struct world *w = *state;
	_cleanup_free_ uint8_t *file = calloc(1, 100000);

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	ssize_t sent = send(data, file, 100000, MSG_DONTWAIT);
	assert_true(sent > 16384);
	WORLD_UNTIL(w, w->worker.pipes == 63);
	/* In the turn in which the thread was asked: its word is still to come. */
	transfer_abort(session_of(w));
	world_expect(w, "426 ");
	assert_int_equal(w->aborts, 1);
	assert_int_equal(session_of(w)->bytes_in, lseek(w->stored, 0, SEEK_END));
	close(data);
}

/* Without a pipe to spare it goes on all the same. */
static void
test_stor_without_pipes(void **state)
{
	struct world *w = *state;

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	worker_may_use(&w->worker, 1, 127);
	assert_int_equal(w->worker.pipes, 0);
	stor(w, 9000001, "226 ");
	assert_int_equal(w->worker.pipes, 0);
}

/* ---- ports that rest ---- */

static uint16_t
port_of(struct world *w)
{
	return session_of(w)->data.listener.port;
}

/* Was fd closed without a byte? */
static bool
is_turned_away(struct world *w, int fd)
{
	uint8_t byte;

	bool away = world_slurp(w, fd, &byte, 1) <= 0;
	close(fd);
	return away;
}

static void
test_rest(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	retr(w, "150 ", "one\ntwo\n", 8);
	uint16_t port = port_of(w);
	assert_int_equal(w->worker.resting.count, 1);
	assert_true(is_turned_away(w, world_dial(w, port)));
	for (int i = 0; i < 3; i++) {
		retr(w, "150 ", "one\ntwo\n", 8);
		assert_int_equal(port_of(w), port);
	}
	/* A call that came before the reply is not the client's: it was told nothing
	 * yet. */
	int early = world_dial(w, port);
	retr(w, "150 ", "one\ntwo\n", 8);
	assert_int_equal(port_of(w), port);
	assert_true(is_turned_away(w, early));
	/* Neither PORT nor the end of the login need it. */
	world_ask(w, "PORT 127,0,0,1,200,1", "200 ");
	assert_int_equal(w->worker.resting.count, 1);
	world_ask(w, "QUIT", "221 ");
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->closed == 1);
	assert_int_equal(w->worker.resting.count, 0);
	assert_int_equal(world_dial(w, port), -1);
}

/* So many call a port that rests that it could not be handed out again. */
static void
test_rest_disturbed(void **state)
{
	struct world *w = *state;
	int calls[9];

	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	retr(w, "150 ", "one\ntwo\n", 8);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		calls[i] = world_dial(w, port_of(w));
	retr(w, "150 ", "one\ntwo\n", 8);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		assert_true(is_turned_away(w, calls[i]));
}

static void
test_rest_ends(void **state)
{
	struct world *w = *state;
	struct resting *r = &w->worker.resting;

	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	retr(w, "150 ", "one\ntwo\n", 8);
	uint16_t port = port_of(w);
	session_of(w)->data.listener.rests_since -= 1000;
	uv_timer_set_repeat(&r->timer, 1);
	uv_timer_again(&r->timer);
	WORLD_UNTIL(w, r->count == 0);
	assert_int_equal(world_dial(w, port), -1);
	retr(w, "150 ", "one\ntwo\n", 8);
}

/* In a narrow range ports are for those who need one now. */
static void
test_rest_limit(void **state)
{
	static const struct {
		unsigned ports, workers, descriptors, rest;
	} table[] = {{1000, 1, 1024, 1}, {8, 1, 1024, 1}, {4, 1, 1024, 1},
	    {3, 1, 1024, 0}, {8, 2, 1024, 1}, {7, 2, 1024, 0}, {1000, 0, 1024, 0},
	    {1000, 1, 64, 1}, {1000, 1, 63, 0}};
	struct world *w = *state;

	world_add_file(w, "/f", "one\ntwo\n", 8);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		w->conf.pasv_min_port = 61000;
		w->conf.pasv_max_port = 61000 + table[i].ports - 1;
		worker_may_use(&w->worker, table[i].workers, table[i].descriptors);
		retr(w, "150 ", "one\ntwo\n", 8);
		assert_int_equal(w->worker.resting.count, table[i].rest);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_retr, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_lies, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_stor, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_stor_in_pieces, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_stor_cut_off, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_stor_aborted, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(
		test_stor_without_pipes, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_rest, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_rest_disturbed, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_rest_ends, setup, world_teardown),
	    cmocka_unit_test_setup_teardown(test_rest_limit, setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
