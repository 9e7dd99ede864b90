/*
 * Whom the master hands the calls at the one passive port, and what workers say of clients that
 * come through proxies.
 */
#include "crew_world.h"

/* ---- one passive port for all ---- */

static void
expect_call(size_t worker, uint32_t session, uint32_t id, bool secure)
{
	say(worker, &(struct msg){
			.type = MSG_MASTER_EXPECT,
			.id = id,
			.master_expect = {.session = session, .secure = secure},
		    });
	turn();
}

static void
unexpect_call(size_t worker, uint32_t session, uint32_t id)
{
	say(worker, &(struct msg){
			.type = MSG_MASTER_UNEXPECT,
			.id = id,
			.master_unexpect = {.session = session},
		    });
	turn();
}

static void
its_turn(size_t worker, uint32_t id)
{
	assert_int_equal(hear(worker, MSG_WORKER_EXPECTED)->id, id);
}

static bool
call_from(const char *from)
{
	const struct endpoint ep = address(from);

	int fd = client();

	if (calls_hand_over(&w.peers, &ep, fd))
		return true;
	close(fd);
	return false;
}

static void
given(size_t worker, uint32_t id)
{
	assert_int_equal(hear(worker, MSG_WORKER_CALL)->id, id);
	assert_int_equal(w.box.nfds, 1);
}

static size_t
start_with_one_port(size_t workers)
{
	w.conf.pasv_min_port = w.conf.pasv_max_port = 61000;
	start(&w.crew, workers);
	return nth(ROLE_WORKER, 0);
}

static void
test_a_call_in_clear_goes_to_the_one_that_expects_it(void **state)
{
	size_t worker = start_with_one_port(1);
	uint32_t a = connect_from(&w.crew, "192.0.2.1", worker);
	uint32_t b = connect_from(&w.crew, "192.0.2.2", worker);

	assert_false(call_from("192.0.2.1")); /* nobody was told the port */
	expect_call(worker, a, 11, false);
	expect_call(worker, b, 12, false);
	its_turn(worker, 11);
	its_turn(worker, 12);
	assert_false(call_from("192.0.2.3"));
	assert_true(call_from("192.0.2.2"));
	given(worker, 12);
	assert_false(call_from("192.0.2.2")); /* one call is all there is */
	assert_true(call_from("192.0.2.1"));
	given(worker, 11);
}

static void
test_in_clear_one_after_the_other(void **state)
{
	size_t worker = start_with_one_port(1);
	uint32_t id[3];

	for (uint32_t i = 0; i < 3; i++)
		id[i] = connect_client(&w.crew, worker);
	for (uint32_t i = 0; i < 3; i++)
		expect_call(worker, id[i], 20 + i, i == 2);
	its_turn(worker, 20);
	hear_no(worker, MSG_WORKER_EXPECTED);
	assert_true(call_from("192.0.2.1"));
	given(worker, 20);
	its_turn(worker, 21);
	hear_no(worker, MSG_WORKER_EXPECTED);
	unexpect_call(worker, id[1], 20); /* an old number means nothing */
	hear_no(worker, MSG_WORKER_EXPECTED);
	unexpect_call(worker, id[1], 21);
	its_turn(worker, 22);
}

static void
test_under_tls_side_by_side(void **state)
{
	size_t worker = start_with_one_port(2);
	uint32_t a = connect_client(&w.crew, worker);
	uint32_t b =
	    connect_client(&w.crew, worker); /* the same one, though it is busier */

	expect_call(worker, a, 1, true);
	expect_call(worker, b, 2, true);
	its_turn(worker, 1);
	its_turn(worker, 2);
	assert_true(call_from("192.0.2.1"));
	given(worker, 0);
	assert_true(call_from("192.0.2.1"));
	given(worker, 0);
	unexpect_call(worker, a, 1);
	unexpect_call(worker, b, 2);
	assert_false(call_from("192.0.2.1"));
}

static void
test_a_turn_ends_when_others_wait(void **state)
{
	size_t worker = start_with_one_port(1);
	uint32_t a = connect_client(&w.crew, worker), b = connect_client(&w.crew, worker);
	uint64_t now = uv_now(&w.loop);

	expect_call(worker, a, 1, false);
	calls_review(&w.peers, now + 2 * CALLS_TURN);
	hear_no(worker, MSG_WORKER_UNEXPECTED); /* nobody is kept waiting */
	expect_call(worker, b, 2, false);
	calls_review(&w.peers, now + CALLS_TURN / 2);
	hear_no(worker, MSG_WORKER_UNEXPECTED);
	calls_review(&w.peers, uv_now(&w.loop) + CALLS_TURN);
	assert_int_equal(hear(worker, MSG_WORKER_UNEXPECTED)->id, 1);
	its_turn(worker, 2);
	assert_true(call_from("192.0.2.1"));
	given(worker, 2);
}

static void
test_a_session_that_ends_leaves_the_line(void **state)
{
	size_t worker = start_with_one_port(1);
	uint32_t a = connect_client(&w.crew, worker), b = connect_client(&w.crew, worker);

	expect_call(worker, a, 1, false);
	expect_call(worker, b, 2, false);
	its_turn(worker, 1);
	say(worker,
	    &(struct msg){.type = MSG_MASTER_CLOSED, .master_closed = {.session = a}});
	turn();
	its_turn(worker, 2);
	die(worker);
	assert_false(call_from("192.0.2.1"));
}

/* TLS tells the calls of one worker's sessions apart, and no worker knows another's. */
static void
test_tls_calls_of_two_crews_take_turns(void **state)
{
	size_t old = start_with_one_port(1), new;
	uint32_t a = connect_client(&w.crew, old), b, c;

	start(&w.next, 1);
	crew_continue(&w.next, &w.crew);
	new = nth(ROLE_WORKER, 1);
	b = connect_client(&w.next, new);
	c = connect_client(&w.next, new);
	expect_call(old, a, 1, true);
	expect_call(new, b, 2, true);
	expect_call(new, c, 3, true);
	its_turn(old, 1);
	hear_no(new, MSG_WORKER_EXPECTED);
	assert_true(call_from("192.0.2.1"));
	given(old, 0);
	unexpect_call(old, a, 1); /* it was its call */
	its_turn(new, 2);
	its_turn(new, 3);
	expect_call(old, a, 4, true);
	hear_no(old, MSG_WORKER_EXPECTED);
	assert_true(call_from("192.0.2.1"));
	given(new, 0);
	unexpect_call(new, b, 2);
	hear_no(old, MSG_WORKER_EXPECTED);
	calls_review(&w.peers, uv_now(&w.loop) + CALLS_TURN);
	its_turn(old, 4);
}

/* Calls that wait at the port when somebody is to be told it. */
static struct {
	const char *from[4];
	size_t n, given;
} waiting;

static void
take_waiting(void *collector)
{
	size_t n = waiting.n;

	waiting.n = 0;
	for (size_t i = 0; i < n; i++)
		waiting.given += call_from(waiting.from[i]);
}

static void
test_a_call_that_was_given_up_is_not_the_next_ones(void **state)
{
	size_t worker = start_with_one_port(1);
	uint32_t a = connect_client(&w.crew, worker), b = connect_client(&w.crew, worker);
	uint32_t other = connect_from(&w.crew, "192.0.2.2", worker);

	w.peers.collect = take_waiting;
	waiting.given = 0;
	expect_call(worker, a, 1, false);
	expect_call(worker, b, 2, false);
	its_turn(worker, 1);
	waiting.from[0] = "192.0.2.1";
	waiting.n = 1;
	unexpect_call(worker, a, 1);
	its_turn(worker, 2);
	assert_int_equal(waiting.given, 0);
	/* Its own next one: a call that came before does not answer it. */
	expect_call(worker, a, 3, false);
	waiting.n = 1;
	unexpect_call(worker, b, 2);
	its_turn(worker, 3);
	assert_int_equal(waiting.given, 0);
	waiting.n = 1;
	expect_call(worker, a, 4, false);
	its_turn(worker, 4);
	assert_int_equal(waiting.given, 0);
	/* Others' calls are taken by the way, and make room for nobody ahead of time. */
	expect_call(worker, b, 5, false);
	waiting.from[1] = waiting.from[0];
	waiting.n = 2;
	expect_call(worker, other, 6, false);
	assert_int_equal(waiting.given, 1);
	given(worker, 4);
	its_turn(worker, 6);
	its_turn(worker, 5);
	assert_true(call_from("192.0.2.1"));
	given(worker, 5);
	assert_true(call_from("192.0.2.2"));
	given(worker, 6);
}

/* A call through a proxy goes to the crew that alone has told the port. */
static void
test_a_crew_that_awaits_a_call(void **state)
{
	const struct endpoint proxy = address("10.0.0.1"), nobody = address("10.0.0.2");
	size_t worker;
	uint32_t id;

	w.conf.proxy_protocol_from = strdup("10.0.0.1");
	worker = start_with_one_port(1);
	id = connect_client(&w.crew, worker);
	assert_false(crew_awaits_call(&w.crew, &proxy));
	expect_call(worker, id, 1, false);
	assert_true(crew_awaits_call(&w.crew, &proxy));
	assert_false(crew_awaits_call(&w.crew, &nobody));
	unexpect_call(worker, id, 1);
	assert_false(crew_awaits_call(&w.crew, &proxy));
}

static void
test_probes_are_counted_by_address_and_hour(void **state)
{
	const uint64_t hour = 60 * 60 * 1000;
	struct endpoint a = address("192.0.2.1"), b = address("192.0.2.2");

	for (unsigned i = 0; i < PROBES_AN_HOUR; i++)
		assert_true(probes_allow(&w.peers.probes, &a, 1000 + i));
	assert_false(probes_allow(&w.peers.probes, &a, hour));
	assert_true(probes_allow(&w.peers.probes, &b, hour));
	assert_true(probes_allow(&w.peers.probes, &a, hour + 1000));
	/* A full table lets nobody new in. */
	for (uint32_t i = 0; i < PROBES_ADDRESSES; i++) {
		b.v4.s_addr = htonl(0x0a000000 + i);
		(void)probes_allow(&w.peers.probes, &b, hour + 2000);
	}
	b = address("192.0.2.3");
	assert_false(probes_allow(&w.peers.probes, &b, hour + 3000));
	assert_true(probes_allow(&w.peers.probes, &b, 2 * hour + 3000));
}

static void
test_a_range_has_no_calls(void **state)
{
	size_t worker;
	uint32_t id;

	start(&w.crew, 1);
	worker = nth(ROLE_WORKER, 0);
	id = connect_client(&w.crew, worker);
	expect_call(worker, id, 1, false);
	hear_no(worker, MSG_WORKER_EXPECTED);
	assert_false(call_from("192.0.2.1"));
}

/* ---- clients of proxies ---- */

static void
trust(const char *proxies)
{
	w.conf.proxy_protocol_from = strdup(proxies);
}

static void
tell_peer(size_t worker, uint32_t session, const char *address_text)
{
	const struct endpoint at = address(address_text);
	struct msg m = {
	    .type = MSG_MASTER_PEER,
	    .id = 5,
	    .master_peer =
		{
		    .session = session,
		    .address = {(const uint8_t *)&at.v4, sizeof(at.v4)},
		    .port = 4711,
		},
	};

	say(worker, &m);
	turn();
}

static unsigned
sessions_of(const char *from)
{
	const struct endpoint at = address(from);
	const struct peer *peer = peers_find(&w.peers, &at);

	return peer != NULL ? peer->sessions : 0;
}

static void
test_a_proxys_client_counts_at_its_own_address(void **state)
{
	size_t worker;
	uint32_t id;

	trust("192.0.2.0/24");
	w.conf.max_per_ip = 1;
	start(&w.crew, 1);
	worker = nth(ROLE_WORKER, 0);
	for (unsigned i = 0; i < 2; i++) {
		id = connect_client(&w.crew, worker);
		take(worker, id);
		tell_peer(worker, id, "198.51.100.7");
		assert_int_equal(hear(worker, MSG_WORKER_PEER)->worker_peer.error,
		    i == 0 ? 0 : EDQUOT);
		assert_int_equal(sessions_of("198.51.100.7"), 1 + i);
		assert_int_equal(sessions_of("192.0.2.1"), 0);
	}
	assert_int_equal(w.crew.worker[0].session[id % 4]->peer.port, 4711);
	say(worker,
	    &(struct msg){.type = MSG_MASTER_CLOSED, .master_closed = {.session = id}});
	turn();
	assert_int_equal(sessions_of("198.51.100.7"), 1);
	assert_non_null(w.crew.worker[0].child.chan);
}

static void
test_a_worker_may_not_make_up_addresses(void **state)
{
	size_t worker;

	trust("192.0.2.77");
	start(&w.crew, 1);
	worker = nth(ROLE_WORKER, 0);
	tell_peer(worker, connect_client(&w.crew, worker), "198.51.100.7");
	assert_null(w.crew.worker[0].child.chan);
	assert_int_equal(sessions_of("198.51.100.7"), 0);
	assert_int_equal(sessions_of("192.0.2.1"), 1);
}

static void
test_a_header_counts_once(void **state)
{
	size_t worker;
	uint32_t id;

	trust("192.0.2.1");
	start(&w.crew, 1);
	worker = nth(ROLE_WORKER, 0);
	id = connect_client(&w.crew, worker);
	tell_peer(worker, id, "192.0.2.1");
	assert_non_null(w.crew.worker[0].child.chan);
	tell_peer(worker, id, "198.51.100.7");
	assert_null(w.crew.worker[0].child.chan);
	assert_int_equal(sessions_of("198.51.100.7"), 0);
}

/* It has been read from: nobody else can find the header in it. */
static void
test_a_session_that_was_told_of_goes_with_its_worker(void **state)
{
	uint32_t id;

	trust("192.0.2.1");
	start(&w.crew, 2);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	tell_peer(nth(ROLE_WORKER, 0), id, "198.51.100.7");
	die(nth(ROLE_WORKER, 0));
	assert_int_equal(w.closed, 1);
	hear_no(nth(ROLE_WORKER, 1), MSG_WORKER_SESSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_call_in_clear_goes_to_the_one_that_expects_it),
	    TEST(test_in_clear_one_after_the_other),
	    TEST(test_under_tls_side_by_side),
	    TEST(test_a_turn_ends_when_others_wait),
	    TEST(test_a_session_that_ends_leaves_the_line),
	    TEST(test_a_range_has_no_calls),
	    TEST(test_tls_calls_of_two_crews_take_turns),
	    TEST(test_a_call_that_was_given_up_is_not_the_next_ones),
	    TEST(test_a_crew_that_awaits_a_call),
	    TEST(test_probes_are_counted_by_address_and_hour),
	    TEST(test_a_proxys_client_counts_at_its_own_address),
	    TEST(test_a_worker_may_not_make_up_addresses),
	    TEST(test_a_header_counts_once),
	    TEST(test_a_session_that_was_told_of_goes_with_its_worker),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("crew: calls", tests, NULL, NULL);
}
