/*
 * A crew and all its children in one process: the test speaks for worker, agent and auth at
 * the other ends of their channels, and processes are there to be killed. For
 * test_crew.c and test_crew_calls.c, which include it once.
 */
#ifndef FERRY_TESTS_CREW_WORLD_H
#define FERRY_TESTS_CREW_WORLD_H

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

static inline void
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
static inline size_t
nth(enum role role, size_t n)
{
	for (size_t i = 0; i < w.children; i++) {
		if (w.child[i].role == role && n-- == 0)
			return i;
	}
	fail_msg("there is no such %s", role_name(role));
	return 0;
}

static inline void
turn(void)
{
	for (int i = 0; i < 4; i++)
		uv_run(&w.loop, UV_RUN_NOWAIT);
}

static inline void
say(size_t i, const struct msg *m)
{
	assert_int_equal(
	    wire_send(w.child[i].sock, w.child[i].role, ROLE_MASTER, m, NULL, 0), 0);
}

/* The next message of that type, others are passed over. */
static inline const struct msg *
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
static inline void
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

static inline void
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

/* The process works for a second, and the crew has looked when it began to. */
static inline void
make_busy(struct crew *crew, size_t i)
{
	struct timespec used = {0};
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(w.child[i].pid, &clock), 0);
	kill(w.child[i].pid, SIGUSR1);
	while (used.tv_sec == 0) {
		sched_yield();
		assert_int_equal(clock_gettime(clock, &used), 0);
	}
	crew->looked_at = uv_hrtime() - 1000000000;
}

static inline void
on_closed(struct crew *crew, const struct session *s, void *user)
{
	peers_remove(&w.peers, s->who);
	w.closed++;
}

static inline void
no_log(enum log_kind kind, int level, uint32_t session, const char *text, void *user)
{
}

/* Workers with room for four sessions, and for two agents with all of them. */
static inline void
start(struct crew *crew, size_t workers)
{
	static const struct programs programs;

	assert_int_equal(crew_start(crew, &w.loop, &programs, NULL, &w.peers, &w.conf,
			     workers, 4 * SESSION_DESCRIPTORS + 2, on_closed, NULL),
	    0);
}

/* A connection over loopback, as accept() gives it. */
static inline int
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

static inline struct endpoint
address(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_from_text(text, &ep), 0);
	return ep;
}

/* A client for the crew; the session's number, as the worker hears it. */
static inline uint32_t
connect_from(struct crew *crew, const char *from, size_t worker)
{
	const struct endpoint peer = address(from);
	int fd = client();

	assert_int_equal(
	    crew_take(crew, &fd, &peer, peers_add(&w.peers, &peer), false), 0);
	assert_int_equal(fd, -1);
	return hear(worker, MSG_WORKER_SESSION)->worker_session.session;
}

static inline uint32_t
connect_client(struct crew *crew, size_t worker)
{
	return connect_from(crew, "192.0.2.1", worker);
}

static inline void
take(size_t worker, uint32_t session)
{
	say(worker, &(struct msg){
			.type = MSG_MASTER_TAKEN, .master_taken = {.session = session}});
	turn();
}

static inline void
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

static inline void
verdict_of(uint32_t session, uint32_t uid, uint32_t network)
{
	verdict_kept(session, uid, network, true);
}

static inline void
verdict_from(uint32_t session, uint32_t network)
{
	verdict_of(session, 1000, network);
}

static inline void
verdict(uint32_t session)
{
	verdict_from(session, 0);
}

static inline void
grant(uint32_t number, uint32_t error)
{
	struct msg m = {.type = MSG_MASTER_GRANTED};

	m.master_granted = (struct msg_master_granted){
	    .grant = number, .error = error, .cwd = bytes_of("/")};
	say(nth(ROLE_AGENT, 0), &m);
	turn();
}

static inline int
setup(void **state)
{
	memset(&w, 0, sizeof(w));
	log_to(no_log, NULL);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(conf_init(&w.conf), 0);
	peers_init(&w.peers);
	return 0;
}

static inline void
end(struct crew *crew)
{
	if (crew->loop == NULL)
		return;
	assert_true(crew_is_gone(crew));
	uv_close((uv_handle_t *)&crew->restart, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	crew_free(crew);
}

static inline int
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
