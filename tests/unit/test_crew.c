/*
 * The master's side of its children, who may have been taken over: test and crew are in
 * one process, and the test speaks for worker, agent and auth at the other ends of their
 * channels. Processes are there to be killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "chan.h"
#include "crew.h"
#include "fdpass.h"
#include "log.h"
#include "section.h"

#define CHILDREN_MAX 16

static struct world {
	uv_loop_t loop;
	struct conf conf;
	struct peers peers;
	struct crew crew, next; /* next: after a reload */
	struct {
		enum role role;
		int sock;
		pid_t pid;
	} child[CHILDREN_MAX];
	size_t children;
	size_t closed;
	struct wire_box box;
} w;

/* ---- instead of spawn.c ---- */

const char *
role_name(enum role role)
{
	return role == ROLE_WORKER ? "worker" : role == ROLE_AGENT ? "agent" : "auth";
}

static void
work_for_ever(int signo)
{
	for (;;)
		continue;
}

int
spawn_child(
    const struct programs *programs, enum role role, pid_t *ret_pid, int *ret_sock)
{
	const struct timeval patience = {.tv_sec = 5};
	int pair[2];
	pid_t pid;

	assert_true(w.children < CHILDREN_MAX);
	assert_int_equal(fdpass_pair(pair), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		close_range(3, ~0U, 0);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	w.child[w.children].role = role;
	w.child[w.children].sock = pair[1];
	w.child[w.children++].pid = pid;
	*ret_pid = pid;
	*ret_sock = pair[0];
	return 0;
}

/* ---- the world ---- */

/* Index of the n-th process of that role, from 0. */
static size_t
nth(enum role role, size_t n)
{
	for (size_t i = 0; i < w.children; i++) {
		if (w.child[i].role == role && n-- == 0)
			return i;
	}
	fail_msg("there is no such %s", role_name(role));
	return 0;
}

static void
turn(void)
{
	for (int i = 0; i < 4; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static void
say(size_t i, const struct msg *m)
{
	assert_int_equal(
	    wire_send(w.child[i].sock, w.child[i].role, ROLE_MASTER, m, NULL, 0), 0);
}

/* The next message of that type, others are passed over. */
static const struct msg *
hear(size_t i, enum msg_type type)
{
	do {
		wire_box_close(&w.box);
		assert_int_equal(
		    wire_recv(w.child[i].sock, w.child[i].role, ROLE_MASTER, &w.box), 0);
	} while (w.box.msg.type != type);
	return &w.box.msg;
}

/* Nothing of that type waits. */
static void
hear_no(size_t i, enum msg_type type)
{
	char byte;

	while (recv(w.child[i].sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		wire_box_close(&w.box);
		assert_int_equal(
		    wire_recv(w.child[i].sock, w.child[i].role, ROLE_MASTER, &w.box), 0);
		assert_int_not_equal(w.box.msg.type, type);
	}
}

static void
die(size_t i)
{
	int status;

	fd_closep(&w.child[i].sock);
	kill(w.child[i].pid, SIGKILL);
	assert_int_equal(waitpid(w.child[i].pid, &status, 0), w.child[i].pid);
	assert_true(crew_reap(&w.crew, w.child[i].pid, status) ||
		    crew_reap(&w.next, w.child[i].pid, status));
	w.child[i].pid = 0;
}

/* The process works until it has used 200 ms, and the crew has looked when it
 * began to. */
static void
make_busy(struct crew *crew, size_t i)
{
	const uint64_t work = 200 * 1000 * 1000;
	struct timespec used = {0};
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(w.child[i].pid, &clock), 0);
	kill(w.child[i].pid, SIGUSR1);
	while (used.tv_sec == 0 && (uint64_t)used.tv_nsec < work) {
		sched_yield();
		assert_int_equal(clock_gettime(clock, &used), 0);
	}
	crew->looked_at = uv_hrtime() - work;
}

static void
on_closed(struct crew *crew, const struct session *s, void *user)
{
	peers_remove(&w.peers, s->who);
	w.closed++;
}

static void
no_log(enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
}

/* Workers with room for four sessions, and for two agents with all of them. */
static void
start(struct crew *crew, size_t workers)
{
	static const struct programs programs;

	assert_int_equal(crew_start(crew, &w.loop, &programs, NULL, &w.peers, &w.conf,
			     workers, 4 * SESSION_DESCRIPTORS + 2, on_closed, NULL),
	    0);
}

/* A connection over loopback, as accept() gives it. */
static int
client(void)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), near;

	assert_int_equal(bind(listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(connect(far, (struct sockaddr *)&in, sizeof(in)), 0);
	near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(near >= 0);
	close(listener);
	close(far);
	return near;
}

static struct endpoint
address(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_from_text(text, &ep), 0);
	return ep;
}

/* A client for the crew; the session's number, as the worker hears it. */
static uint32_t
connect_from(struct crew *crew, const char *from, size_t worker)
{
	const struct endpoint peer = address(from);
	int fd = client();

	assert_int_equal(
	    crew_take(crew, &fd, &peer, peers_add(&w.peers, &peer), false), 0);
	assert_int_equal(fd, -1);
	return hear(worker, MSG_WORKER_SESSION)->worker_session.session;
}

static uint32_t
connect_client(struct crew *crew, size_t worker)
{
	return connect_from(crew, "192.0.2.1", worker);
}

static void
take(size_t worker, uint32_t session)
{
	say(worker, &(struct msg){
			.type = MSG_MASTER_TAKEN, .master_taken = {.session = session}});
	turn();
}

static void
verdict_kept(uint32_t session, uint32_t uid, uint32_t network, bool kept)
{
	struct msg m = {.type = MSG_MASTER_VERDICT};

	m.master_verdict = (struct msg_master_verdict){
	    .session = session,
	    .user = bytes_of("somebody"),
	    .account = bytes_of(""),
	    .uid = uid,
	    .gid = 1000,
	    .prefix = bytes_of("/srv"),
	    .root = bytes_of("/srv"),
	    .cwd = bytes_of("/"),
	    .network = network,
	    .kept = kept,
	};
	say(nth(ROLE_AUTH, 0), &m);
	turn();
}

static void
verdict_of(uint32_t session, uint32_t uid, uint32_t network)
{
	verdict_kept(session, uid, network, true);
}

static void
verdict_from(uint32_t session, uint32_t network)
{
	verdict_of(session, 1000, network);
}

static void
verdict(uint32_t session)
{
	verdict_from(session, 0);
}

static void
grant(uint32_t number, uint32_t error)
{
	struct msg m = {.type = MSG_MASTER_GRANTED};

	m.master_granted = (struct msg_master_granted){
	    .grant = number, .error = error, .cwd = bytes_of("/")};
	say(nth(ROLE_AGENT, 0), &m);
	turn();
}

static int
setup(void **state)
{
	memset(&w, 0, sizeof(w));
	log_to(no_log, NULL);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(conf_init(&w.conf), 0);
	peers_init(&w.peers);
	return 0;
}

static void
end(struct crew *crew)
{
	if (crew->loop == NULL)
		return;
	assert_true(crew_is_gone(crew));
	uv_close((uv_handle_t *)&crew->restart, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	crew_free(crew);
}

static int
teardown(void **state)
{
	wire_box_close(&w.box);
	w.crew.retired = w.next.retired = true; /* nobody is started again */
	for (size_t i = 0; i < w.children; i++) {
		if (w.child[i].pid != 0)
			die(i);
	}
	end(&w.crew);
	end(&w.next);
	peers_free(&w.peers);
	conf_free(&w.conf);
	return uv_loop_close(&w.loop);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_what_was_not_taken_goes_to_another_worker),
	    TEST(test_what_it_took_at_the_last_moment_ends_with_it),
	    TEST(test_a_login_of_a_session_that_was_not_taken),
	    TEST(test_a_log_line_about_anothers_session_ends_it),
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
	    TEST(test_a_proxys_client_counts_at_its_own_address),
	    TEST(test_a_worker_may_not_make_up_addresses),
	    TEST(test_a_header_counts_once),
	    TEST(test_a_session_that_was_told_of_goes_with_its_worker),
	    TEST(test_a_crew_without_processes_can_retire),
	    TEST(test_auth_does_not_outlive_the_last_worker),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, work_for_ever); /* for the children */
	return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
