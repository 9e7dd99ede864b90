/*
 * The master's side of its children, who may have been taken over: deaths, lies, sections,
 * reloads.
 */
#include "crew_world.h"

/* ---- a worker dies ---- */

static void
test_what_was_not_taken_goes_to_another_worker(void **state)
{
	uint32_t id, again;

	start(&w.crew, 2);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	die(nth(ROLE_WORKER, 0));
	again = hear(nth(ROLE_WORKER, 1), MSG_WORKER_SESSION)->worker_session.session;
	assert_int_not_equal(again, id);
	assert_int_equal(w.closed, 0);
	assert_int_equal(crew_sessions(&w.crew), 1);
}

static void
test_what_it_took_at_the_last_moment_ends_with_it(void **state)
{
	uint32_t id;

	start(&w.crew, 2);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	say(nth(ROLE_WORKER, 0),
	    &(struct msg){.type = MSG_MASTER_TAKEN, .master_taken = {.session = id}});
	die(nth(ROLE_WORKER, 0)); /* before the loop has turned */
	assert_int_equal(w.closed, 1);
	hear_no(nth(ROLE_WORKER, 1), MSG_WORKER_SESSION);
}

/* It logs in and never says that it has the session: its death must not leave the grant
 * behind. */
static void
test_a_login_of_a_session_that_was_not_taken(void **state)
{
	uint32_t id, number;

	start(&w.crew, 2);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	verdict(id);
	number = hear(nth(ROLE_AGENT, 0), MSG_AGENT_GRANT)->agent_grant.grant;
	grant(number, 0);
	die(nth(ROLE_WORKER, 0));
	assert_int_equal(w.closed, 1);
	assert_int_equal(crew_sessions(&w.crew), 0);
	assert_true(TAILQ_EMPTY(&LIST_FIRST(&w.crew.agents)->sessions));
	assert_int_equal(
	    hear(nth(ROLE_AGENT, 0), MSG_AGENT_REVOKE)->agent_revoke.grant, number);
	assert_int_equal(hear(nth(ROLE_AUTH, 0), MSG_AUTH_END)->auth_end.session, id);
	hear_no(nth(ROLE_WORKER, 1), MSG_WORKER_SESSION);
}

/* ---- what a worker may not ---- */

static void
test_a_log_line_about_anothers_session_ends_it(void **state)
{
	struct msg m = {.type = MSG_MASTER_LOG};
	uint32_t mine, theirs;

	start(&w.crew, 2);
	mine = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	make_busy(&w.crew, nth(ROLE_WORKER, 0));
	theirs = connect_client(&w.crew, nth(ROLE_WORKER, 1));
	m.master_log =
	    (struct msg_master_log){.level = LOG_NOTICE, .text = bytes_of("x")};
	say(nth(ROLE_WORKER, 0), &m);
	m.master_log.session = mine;
	say(nth(ROLE_WORKER, 0), &m);
	turn();
	assert_non_null(w.crew.worker[0].child.chan);
	m.master_log.session = theirs;
	say(nth(ROLE_WORKER, 0), &m);
	turn();
	assert_null(w.crew.worker[0].child.chan);
	assert_non_null(w.crew.worker[1].child.chan);
}

static void
test_clients_go_to_the_first_worker_that_is_not_busy(void **state)
{
	start(&w.crew, 3);
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	make_busy(&w.crew, nth(ROLE_WORKER, 0));
	connect_client(&w.crew, nth(ROLE_WORKER, 1));
	assert_int_equal(w.crew.worker[0].sessions, 2);
	assert_int_equal(w.crew.worker[1].sessions, 1);
	assert_int_equal(w.crew.worker[2].sessions, 0);
}

static void
test_a_worker_without_room_is_passed_over(void **state)
{
	start(&w.crew, 2);
	for (int i = 0; i < 4; i++)
		connect_client(&w.crew, nth(ROLE_WORKER, 0));
	connect_client(&w.crew, nth(ROLE_WORKER, 1));
}

static void
test_where_all_are_busy_the_least_busy_is_taken(void **state)
{
	start(&w.crew, 3);
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	/* As if it had just been looked at; the next look is far away. */
	w.crew.looked_at = uv_hrtime() + 3600 * (uint64_t)1000000000;
	w.crew.worker[0].load = 990;
	w.crew.worker[1].load = 800;
	w.crew.worker[2].load = 900;
	connect_client(&w.crew, nth(ROLE_WORKER, 1));
}

/* What many who come at once will do is not known yet: they count for a little. */
static void
test_newcomers_are_taken_for_work(void **state)
{
	unsigned before;

	start(&w.crew, 2);
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	w.crew.looked_at = uv_hrtime() + 3600 * (uint64_t)1000000000;
	before = w.crew.worker[0].load = 749;
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	assert_true(w.crew.worker[0].load > before);
	connect_client(&w.crew, nth(ROLE_WORKER, 1));
}

static void
test_the_data_port_is_bound_at_the_sessions_address_only(void **state)
{
	static const uint8_t loopback[] = {127, 0, 0, 1}, other[] = {127, 0, 0, 2};
	struct msg m = {.type = MSG_MASTER_BIND, .id = 7};
	const struct msg *answer;

	w.conf.connect_from_port_20 = true;
	w.conf.ftp_data_port = 0; /* any: the test may have no right to 20 */
	start(&w.crew, 1);
	m.master_bind.session = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	m.master_bind.address = (struct bytes){.p = other, .n = sizeof(other)};
	say(nth(ROLE_WORKER, 0), &m);
	turn();
	answer = hear(nth(ROLE_WORKER, 0), MSG_WORKER_BOUND);
	assert_int_equal(answer->worker_bound.error, EPERM);
	assert_int_equal(w.box.nfds, 0);
	m.master_bind.address = (struct bytes){.p = loopback, .n = sizeof(loopback)};
	say(nth(ROLE_WORKER, 0), &m);
	turn();
	answer = hear(nth(ROLE_WORKER, 0), MSG_WORKER_BOUND);
	assert_int_equal(answer->worker_bound.error, 0);
	assert_int_equal(w.box.nfds, 1);
}

/* Auth hears of the end of a login only if it waits for it. */
static void
test_a_login_that_auth_has_forgotten(void **state)
{
	uint32_t id, number;

	start(&w.crew, 1);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	take(nth(ROLE_WORKER, 0), id);
	verdict_kept(id, 1000, 0, false);
	number = hear(nth(ROLE_AGENT, 0), MSG_AGENT_GRANT)->agent_grant.grant;
	grant(number, 0);
	say(nth(ROLE_WORKER, 0),
	    &(struct msg){.type = MSG_MASTER_CLOSED, .master_closed = {.session = id}});
	turn();
	assert_int_equal(w.closed, 1);
	assert_int_equal(
	    hear(nth(ROLE_AGENT, 0), MSG_AGENT_REVOKE)->agent_revoke.grant, number);
	hear_no(nth(ROLE_AUTH, 0), MSG_AUTH_END);
	/* ... nor of one for a session that has gone */
	verdict_kept(id, 1000, 0, false);
	hear_no(nth(ROLE_AUTH, 0), MSG_AUTH_END);
}

/* Auth has the address from the worker alone: one that lies about it gains nothing. */
static void
test_a_login_from_another_network_ends_the_worker(void **state)
{
	static const char sections[] = "[network 10.0.0.0/8]\nwrite_enable=YES\n";
	uint32_t id;
	int status;

	assert_int_equal(
	    conf_parse(&w.conf, "f", sections, sizeof(sections) - 1, NULL, NULL), 0);
	start(&w.crew, 2);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	take(nth(ROLE_WORKER, 0), id);
	verdict_from(id, 1);
	assert_int_equal(hear(nth(ROLE_AUTH, 0), MSG_AUTH_END)->auth_end.session, id);
	assert_true(LIST_EMPTY(&w.crew.agents));
	assert_int_equal(waitpid(w.child[nth(ROLE_WORKER, 0)].pid, &status, 0),
	    w.child[nth(ROLE_WORKER, 0)].pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(crew_reap(&w.crew, w.child[nth(ROLE_WORKER, 0)].pid, status));
	w.child[nth(ROLE_WORKER, 0)].pid = 0;
}

/* ---- sections ---- */

static void
test_workers_and_auth_hear_of_sections_and_agents_do_not(void **state)
{
	static const char text[] =
	    "[host a.example]\nanon_root=/srv/a\n[network 10.0.0.0/8]\n";
	const enum role who[] = {ROLE_WORKER, ROLE_AUTH};
	const struct msg *m;
	uint32_t id;

	assert_int_equal(conf_parse(&w.conf, "f", text, sizeof(text) - 1, NULL, NULL), 0);
	start(&w.crew, 1);
	for (size_t i = 0; i < 2; i++) {
		m = hear(nth(who[i], 0), MSG_SECTION);
		assert_int_equal(m->section.kind, SECTION_HOST);
		assert_int_equal(hear(nth(who[i], 0), MSG_OPTION)->option.value.n, 6);
		m = hear(nth(who[i], 0), MSG_SECTION);
		assert_int_equal(m->section.kind, SECTION_NETWORK);
		assert_memory_equal(m->section.name.p, "10.0.0.0/8", 10);
	}
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	take(nth(ROLE_WORKER, 0), id);
	verdict(id);
	hear_no(nth(ROLE_AGENT, 0), MSG_SECTION);
}

/* The system's hosts(5) answers: no name server is asked. */
static void
test_workers_hear_of_a_new_address(void **state)
{
	static const char text[] = "pasv_address=192.0.2.1\n[host a]\n"
				   "[network 10.0.0.0/8]\npasv_address=192.0.2.2\n";
	const struct msg *m;
	struct section *s;

	assert_int_equal(conf_parse(&w.conf, "f", text, sizeof(text) - 1, NULL, NULL), 0);
	s = section_get(&w.conf, SECTION_NETWORK, 1);
	s->conf.pasv_name = strdup("localhost");
	start(&w.crew, 1);
	const struct conf *view = section_view(&w.crew.conf, 1, 1);
	assert_string_equal(view->pasv_address, "192.0.2.2");
	crew_look_up(&w.crew);
	while (!LIST_EMPTY(&w.crew.lookups))
		uv_run(&w.loop, UV_RUN_ONCE);
	m = hear(nth(ROLE_WORKER, 0), MSG_WORKER_ADDRESS);
	assert_int_equal(m->worker_address.place, 1 + SECTION_NETWORK);
	assert_int_equal(m->worker_address.number, 1);
	assert_memory_equal(m->worker_address.address.p, "127.0.0.1", 9);
	/* ... and so do those that start later */
	assert_string_equal(view->pasv_address, "127.0.0.1");
	assert_string_equal(w.crew.conf.pasv_address, "192.0.2.1");
	/* The same again is no news. */
	crew_look_up(&w.crew);
	while (!LIST_EMPTY(&w.crew.lookups))
		uv_run(&w.loop, UV_RUN_ONCE);
	hear_no(nth(ROLE_WORKER, 0), MSG_WORKER_ADDRESS);
}

/* An answer that comes when the crew has gone finds nobody. */
static void
test_a_late_answer_harms_nobody(void **state)
{
	w.conf.pasv_address = strdup("192.0.2.1");
	w.conf.pasv_name = strdup("localhost");
	start(&w.crew, 1);
	crew_look_up(&w.crew);
	advertise_forget(&w.crew);
	assert_true(LIST_EMPTY(&w.crew.lookups));
	assert_string_equal(w.crew.conf.pasv_address, "192.0.2.1");
	/* the loop ends it: see teardown() */
}

/* ---- agents ---- */

static void
test_an_agent_that_lost_the_worker_is_introduced_again(void **state)
{
	uint32_t id;

	start(&w.crew, 1);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	take(nth(ROLE_WORKER, 0), id);
	verdict(id);
	hear(nth(ROLE_AGENT, 0), MSG_AGENT_WORKER);
	grant(hear(nth(ROLE_AGENT, 0), MSG_AGENT_GRANT)->agent_grant.grant, EPIPE);
	assert_int_equal(
	    hear(nth(ROLE_WORKER, 0), MSG_WORKER_REFUSED)->worker_refused.session, id);
	verdict(id);
	hear(nth(ROLE_AGENT, 0), MSG_AGENT_WORKER);
	grant(hear(nth(ROLE_AGENT, 0), MSG_AGENT_GRANT)->agent_grant.grant, 0);
	hear(nth(ROLE_WORKER, 0), MSG_WORKER_GRANT);
	assert_int_equal(w.box.nfds, 1);
}

/* A worker's descriptors are for its sessions and for channels to agents: what the one
 * kind has the other cannot get. */
static void
test_agents_and_sessions_share_descriptors(void **state)
{
	uint32_t id[4];

	start(&w.crew, 1);
	for (size_t i = 0; i < ARRAY_LEN(id); i++) {
		id[i] = connect_client(&w.crew, nth(ROLE_WORKER, 0));
		take(nth(ROLE_WORKER, 0), id[i]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		verdict_of(id[i], 1000 + i, 0);
		hear(nth(ROLE_AGENT, i), MSG_AGENT_WORKER);
	}
	verdict_of(id[2], 1002, 0); /* all are in use */
	hear_no(nth(ROLE_AGENT, 2), MSG_AGENT_WORKER);
	assert_int_equal(
	    hear(nth(ROLE_WORKER, 0), MSG_WORKER_REFUSED)->worker_refused.session, id[2]);
	die(nth(ROLE_AGENT, 1)); /* one is free again */
	verdict_of(id[2], 1002, 0);
	hear(nth(ROLE_AGENT, 2), MSG_AGENT_WORKER);
}

/* ---- auth ---- */

static void
test_a_new_auth_is_not_told_of_the_last_ones_logins(void **state)
{
	uint32_t id;

	start(&w.crew, 1);
	id = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	take(nth(ROLE_WORKER, 0), id);
	verdict(id);
	die(nth(ROLE_AUTH, 0));
	uv_run(&w.loop, UV_RUN_ONCE); /* the pause before it starts again */
	while (w.crew.auth.child.pid == 0)
		uv_run(&w.loop, UV_RUN_ONCE);
	say(nth(ROLE_WORKER, 0),
	    &(struct msg){.type = MSG_MASTER_CLOSED, .master_closed = {.session = id}});
	turn();
	assert_int_equal(w.closed, 1);
	hear_no(nth(ROLE_AUTH, 1), MSG_AUTH_END);
}

/* ---- crews ---- */

static void
test_numbers_go_on_after_a_reload(void **state)
{
	uint32_t last, first;

	start(&w.crew, 1);
	connect_client(&w.crew, nth(ROLE_WORKER, 0));
	last = connect_client(&w.crew, nth(ROLE_WORKER, 0));
	start(&w.next, 1);
	crew_continue(&w.next, &w.crew);
	first = connect_client(&w.next, nth(ROLE_WORKER, 1));
	assert_true(first > last);
}

/* Between two deaths there may be no process at all: nothing will come that could end the
 * crew. */
static void
test_a_crew_without_processes_can_retire(void **state)
{
	start(&w.crew, 1);
	die(nth(ROLE_WORKER, 0));
	die(nth(ROLE_AUTH, 0));
	assert_false(crew_is_gone(&w.crew));
	crew_retire(&w.crew, 5);
	assert_true(crew_is_gone(&w.crew));
}

static void
test_auth_does_not_outlive_the_last_worker(void **state)
{
	char byte;

	start(&w.crew, 1);
	die(nth(ROLE_WORKER, 0));
	crew_retire(&w.crew, 5);
	turn();
	hear_no(nth(ROLE_AUTH, 0), MSG_AUTH_END);
	assert_int_equal(recv(w.child[nth(ROLE_AUTH, 0)].sock, &byte, 1, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_what_was_not_taken_goes_to_another_worker),
	    TEST(test_what_it_took_at_the_last_moment_ends_with_it),
	    TEST(test_a_login_of_a_session_that_was_not_taken),
	    TEST(test_a_log_line_about_anothers_session_ends_it),
	    TEST(test_clients_go_to_the_first_worker_that_is_not_busy),
	    TEST(test_a_worker_without_room_is_passed_over),
	    TEST(test_where_all_are_busy_the_least_busy_is_taken),
	    TEST(test_newcomers_are_taken_for_work),
	    TEST(test_the_data_port_is_bound_at_the_sessions_address_only),
	    TEST(test_a_login_that_auth_has_forgotten),
	    TEST(test_a_login_from_another_network_ends_the_worker),
	    TEST(test_workers_and_auth_hear_of_sections_and_agents_do_not),
	    TEST(test_workers_hear_of_a_new_address),
	    TEST(test_a_late_answer_harms_nobody),
	    TEST(test_an_agent_that_lost_the_worker_is_introduced_again),
	    TEST(test_agents_and_sessions_share_descriptors),
	    TEST(test_a_new_auth_is_not_told_of_the_last_ones_logins),
	    TEST(test_numbers_go_on_after_a_reload),
	    TEST(test_a_crew_without_processes_can_retire),
	    TEST(test_auth_does_not_outlive_the_last_worker),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, work_for_ever); /* for the children */
	return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
