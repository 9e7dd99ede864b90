/*
 * ferryd-auth as a process: a test that is its master and its workers, over the real
 * codec; PAM with a private /etc, a module that misbehaves on demand, and pam_unix; a
 * second program with backends that fail. Arguments: ferryd-auth, ferryd-auth-fail,
 * pam_ferrytest.so.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "grant.h"
#include "world.h"

static const char *program, *program_fail;

#define PAM "local_enable=YES pam_service_name=ferry "
#define SESSIONS PAM "session_support=YES "

static bool
is(struct bytes b, const char *s)
{
	return b.n == strlen(s) && memcmp(b.p, s, b.n) == 0;
}

static void
assert_clean_end(struct world *w)
{
	assert_int_equal(world_stop(w), 0);
	assert_null(strstr(w->log, PASSWORD));
}

/* Waits for a number of processes: their ends are events that only /proc tells. */
static void
expect_children(const struct world *w, unsigned n)
{
	for (int i = 0; i < 1000 && world_children(w) != n; i++)
		poll(NULL, 0, 10);
	assert_int_equal(world_children(w), n);
}

/* ---- without PAM ---- */

static void
test_anonymous(void **state)
{
	const struct msg_master_verdict *v;
	struct world w;
	int worker;

	world_start(&w, program, "anon_umask=027", NULL, false);
	worker = world_worker(&w, 7);
	worker_login(worker, 41, "anonymous", "me@");
	v = world_expect_verdict(&w, 7, 41);
	assert_true(is(v->user, "anonymous"));
	assert_true(is(v->account, "ftp"));
	assert_int_equal(v->uid, 101);
	assert_true(is(v->root, "/srv/anonymous"));
	assert_true(is(v->prefix, "/srv/anonymous"));
	assert_true(is(v->cwd, "/"));
	assert_int_equal(v->rights, RIGHT_READ_ONLY);
	assert_int_equal(v->umask, 027);
	assert_int_equal(v->anonymous, 1);
	worker_login(worker, 42, "alice", "x");
	worker_expect_denied(worker, 42, 42, false);
	world_expect_log(&w, "no kind of login is enabled");
	close(worker);
	assert_clean_end(&w);
}

static void
test_single(void **state)
{
	const struct msg_master_verdict *v;
	struct world w;
	int worker;

	/* local_enable must not open a second door */
	world_start(&w, program, PAM, "alice", true);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "alice", PASSWORD);
	v = world_expect_verdict(&w, 0, 1);
	assert_int_equal(v->uid, 88);
	assert_int_equal(v->gid, 89);
	assert_true(is(v->root, ""));
	assert_int_equal(v->rights, RIGHT_ALL);
	worker_login(worker, 2, "alice", "wrong");
	worker_expect_denied(worker, 2, 2, false);
	worker_login(worker, 3, "carol", PASSWORD);
	worker_expect_denied(worker, 3, 3, false);
	worker_login(worker, 4, "FTP", "");
	v = world_expect_verdict(&w, 0, 4);
	assert_int_equal(v->rights, RIGHT_READ_ONLY | RIGHT_PRIVATE);
	assert_int_equal(v->uid, 88);
	close(worker);
	assert_clean_end(&w);
}

/* ---- PAM ---- */

static void
test_pam(void **state)
{
	const struct msg_master_verdict *v;
	struct world w;
	int worker;

	world_start(
	    &w, program, PAM "chroot_local_user=YES write_enable=YES", NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "carol", PASSWORD);
	module_expect("auth carol 192.0.2.7 ftp []");
	module_expect("setcred carol establish");
	v = world_expect_verdict(&w, 0, 1);
	assert_int_equal(v->uid, 1200);
	assert_int_equal(v->gid, 1201);
	assert_true(is(v->account, "carol"));
	assert_true(is(v->root, "/home/carol"));
	assert_true(is(v->prefix, "/home/carol"));
	assert_int_equal(v->rights, RIGHT_ALL);
	assert_int_equal(v->anonymous, 0);
	/* no session_support: nothing is held */
	module_expect("setcred carol delete");
	expect_children(&w, 0);

	worker_login(worker, 2, "carol", "wrong");
	worker_expect_denied(worker, 2, 2, false);
	world_expect_log(&w, "peer=192.0.2.7 backend=pam user=\"carol\" "
			     "why=\"pam_authenticate: Authentication failure");
	/* an unknown name takes the same way, and is told from a wrong password only in
	 * the log */
	worker_login(worker, 3, "nemo", PASSWORD);
	worker_expect_denied(worker, 3, 3, false);
	world_expect_log(&w, "there is no account nemo");
	module_expect("auth carol 192.0.2.7 ftp []");
	module_expect("auth nemo 192.0.2.7 ftp []");
	worker_login(worker, 4, "root", PASSWORD);
	worker_expect_denied(worker, 4, 4, false);
	world_expect_log(&w, "the account root has user id 0");
	/* a name that would like to be a line of the log */
	worker_login(worker, 5, "x\nlogin=ok \x1b[2J", "wrong");
	worker_expect_denied(worker, 5, 5, false);
	world_expect_log(&w, "user=\"x\\012login=ok \\033[2J\"");
	close(worker);
	assert_clean_end(&w);
}

/* Each row: what the module does with this user, and what comes of it. */
static void
test_pam_modules(void **state)
{
	static const struct {
		const char *user;
		const char *accepted; /* as this user, or NULL */
		bool again;
		const char *log;
	} rows[] = {
	    {"prompts", "prompts", false, NULL},
	    {"rude", "rude", false, NULL},
	    {"map", "carol", false, NULL},
	    {"chatty", NULL, false, "(blah\\012blah \\033[31m; blah"},
	    {"map-root", NULL, false, "root is never served"},
	    {"map-empty", NULL, false, "no usable user name"},
	    {"expired", NULL, false, "pam_acct_mgmt: User account has expired"},
	    {"newtok", NULL, false,
		"pam_acct_mgmt: Authentication token is no longer valid"},
	    {"unavailable", NULL, true,
		"pam_authenticate: Authentication service cannot"},
	    {"crash", NULL, true, "ended by signal 9"},
	};
	struct world w;
	int worker;

	world_start(&w, program, PAM, NULL, false);
	worker = world_worker(&w, 0);
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("%s\n", rows[i].user);
		worker_login(worker, i + 1, rows[i].user, PASSWORD);
		if (rows[i].accepted != NULL)
			assert_true(is(
			    world_expect_verdict(&w, 0, i + 1)->user, rows[i].accepted));
		else
			worker_expect_denied(worker, i + 1, i + 1, rows[i].again);
		if (rows[i].log != NULL)
			world_expect_log(&w, rows[i].log);
	}
	close(worker);
	assert_clean_end(&w);
	module_drain();
}

/* The system's own module, with hashes and expiry as in a real /etc/shadow. */
static void
test_pam_unix(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program, "local_enable=YES pam_service_name=unix", NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "carol", PASSWORD);
	assert_int_equal(world_expect_verdict(&w, 0, 1)->uid, 1200);
	worker_login(worker, 2, "carol", PASSWORD " ");
	worker_expect_denied(worker, 2, 2, false);
	worker_login(worker, 3, "carol", "");
	worker_expect_denied(worker, 3, 3, false);
	worker_login(worker, 4, "dave", PASSWORD);
	worker_expect_denied(worker, 4, 4, false);
	world_expect_log(&w, "pam_acct_mgmt: User account has expired");
	worker_login(worker, 5, "nemo", PASSWORD);
	worker_expect_denied(worker, 5, 5, false);
	close(worker);
	assert_clean_end(&w);
}

/* The operator's mistakes are not the user's. */
static void
test_pam_misconfigured(void **state)
{
	static const struct {
		const char *options;
		bool again;
	} rows[] = {
	    {"local_enable=YES pam_service_name=broken", true},
	    {"local_enable=YES pam_service_name=absent", false}, /* "other" denies */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		int worker;

		world_start(&w, program, rows[i].options, NULL, false);
		worker = world_worker(&w, 0);
		worker_login(worker, 1, "carol", PASSWORD);
		worker_expect_denied(worker, 1, 1, rows[i].again);
		world_expect_log(&w, "why=\"pam_authenticate: ");
		close(worker);
		assert_clean_end(&w);
	}
}

static void
test_guest(void **state)
{
	const struct msg_master_verdict *v;
	struct world w;
	int worker;

	world_start(&w, program,
	    PAM "guest_enable=YES local_root=/srv/guests/$USER user_sub_token=$USER",
	    NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "no-account-at-all", PASSWORD);
	v = world_expect_verdict(&w, 0, 1);
	assert_int_equal(v->uid, 101);
	assert_true(is(v->account, "ftp"));
	assert_true(is(v->user, "no-account-at-all"));
	assert_true(is(v->root, "/srv/guests/no-account-at-all"));
	assert_true(is(v->prefix, "/srv/guests"));
	assert_int_equal(v->rights, RIGHT_READ_ONLY);
	worker_login(worker, 2, "../carol", PASSWORD);
	worker_expect_denied(worker, 2, 2, false);
	world_expect_log(&w, "one plain component");
	close(worker);
	assert_clean_end(&w);
	module_expect_ends(2);
}

/* ---- PAM sessions ---- */

static void
open_session(struct world *w, int worker, uint32_t index, uint32_t session)
{
	worker_login(worker, session, "carol", PASSWORD);
	module_expect("auth carol 192.0.2.7 ftp []");
	module_expect("setcred carol establish");
	module_expect("open carol");
	assert_int_equal(world_expect_verdict(w, index, session)->uid, 1200);
	module_expect_silence();
}

static void
expect_close(void)
{
	module_expect("close carol");
	module_expect("setcred carol delete");
}

static void
test_session(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program, SESSIONS, NULL, false);
	worker = world_worker(&w, 0);
	open_session(&w, worker, 0, 1);
	open_session(&w, worker, 0, 2);
	assert_int_equal(world_children(&w), 2);
	world_end(&w, 0, 2);
	expect_close();
	expect_children(&w, 1);
	/* unknown ones, and one that has ended, are no harm */
	world_end(&w, 0, 2);
	world_end(&w, 0, 99);
	world_end(&w, 5, 1);
	world_end(&w, 0, 1);
	expect_close();
	expect_children(&w, 0);
	close(worker);
	assert_clean_end(&w);
}

/* After REIN the next login can overtake the end of the last: the older session is the
 * one that closes. */
static void
test_session_overtaken(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program, SESSIONS, NULL, false);
	worker = world_worker(&w, 0);
	open_session(&w, worker, 0, 1);
	open_session(&w, worker, 0, 1);
	world_end(&w, 0, 1);
	expect_close();
	expect_children(&w, 1);
	world_end(&w, 0, 1);
	expect_close();
	expect_children(&w, 0);
	close(worker);
	assert_clean_end(&w);
}

static void
test_session_refused(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program, SESSIONS, NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "nosession", PASSWORD);
	worker_expect_denied(worker, 1, 1, false);
	world_expect_log(&w, "pam_open_session: ");
	module_expect("auth nosession 192.0.2.7 ftp []");
	module_expect("setcred nosession establish");
	module_expect("open nosession");
	module_expect("setcred nosession delete"); /* and no close */
	expect_children(&w, 0);
	/* a login that comes to nothing opens none */
	worker_login(worker, 2, "nemo", PASSWORD);
	worker_expect_denied(worker, 2, 2, false);
	module_expect("auth nemo 192.0.2.7 ftp []");
	module_expect("setcred nemo establish");
	module_expect("setcred nemo delete");
	close(worker);
	assert_clean_end(&w);
	module_expect_silence();
}

/* The session is the login's, not the worker's: it ends when the master says so. */
static void
test_session_outlives_worker(void **state)
{
	struct world w;
	int worker, next;

	world_start(&w, program, SESSIONS, NULL, false);
	worker = world_worker(&w, 3);
	open_session(&w, worker, 3, 1);
	next = world_worker(&w, 3);
	worker_expect_end(worker);
	module_expect_silence();
	open_session(&w, next, 3, 2);
	world_end(&w, 3, 1);
	expect_close();
	close(next);
	world_expect_log(&w, "worker=3 channel=ended");
	module_expect_silence();
	world_end(&w, 3, 2);
	expect_close();
	close(worker);
	assert_clean_end(&w);
}

/* However auth ends, open sessions are closed. */
static void
test_session_closes_with_auth(void **state)
{
	for (int killed = 0; killed < 2; killed++) {
		struct world w;
		int worker;

		world_start(&w, program, SESSIONS, NULL, false);
		worker = world_worker(&w, 0);
		open_session(&w, worker, 0, 1);
		if (killed) {
			kill(w.pid, SIGKILL);
			assert_int_equal(world_stop(&w), SIGKILL);
		} else {
			assert_clean_end(&w);
		}
		expect_close();
		close(worker);
	}
}

/* No password in the memory of auth once it is answered: wrong, right, and with an open
 * session. */
static void
test_forgets(void **state)
{
	static const char guess[] = "a wrong guess of the password";
	struct world w;
	int worker;

	world_start(&w, program, SESSIONS, NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "carol", guess);
	worker_expect_denied(worker, 1, 1, false);
	module_expect("auth carol 192.0.2.7 ftp []");
	open_session(&w, worker, 0, 2);
	worker_login(worker, 3, "anonymous", guess);
	world_expect_verdict(&w, 0, 3);
	/* the last step of an answer comes after it was sent; this answer comes after
	 * that step */
	worker_login(worker, 4, "anonymous", "");
	world_expect_verdict(&w, 0, 4);
	assert_true(
	    world_remembers(&w, "vsftpd")); /* the look itself works: a default in conf */
	assert_false(world_remembers(&w, guess));
	assert_false(world_remembers(&w, PASSWORD));
	close(worker);
	assert_clean_end(&w);
	expect_close();
}

/* ---- backends that fail ---- */

static void
test_failures(void **state)
{
	static const struct {
		const char *user;
		bool good, again;
		const char *log;
	} rows[] = {
	    {"now-no", false, false, "told to\\012fail \\033[31m"},
	    {"now-again", false, true, "told to be unable"},
	    {"now-silent", false, false, NULL},
	    {"now-not", true, false, NULL},
	    {"fail-no", false, false, "told to\\012fail \\033[31m"},
	    {"fail-again", false, true, "told to be unable"},
	    {"fail-silent", false, false, NULL},
	    {"fail-crash", false, true, "its process was ended by signal 9"},
	    {"fail-exit", false, true, "its process ended with status 0"},
	    {"fail-garbage", false, true, "cannot be understood"},
	    {"fail-hang", false, true, "took too long"},
	    {"fail-unknown", false, false, "there is no account no-such-account"},
	    {"fail-root", false, false, "root is never served"},
	    {"fail-fds", true, false, NULL},
	    {"fail-not", true, false, NULL},
	    {"fail-session", false, false, "told to refuse the session"},
	    {"fail-session-hang", false, true, "took too long"},
	    {"fail-session-crash", false, true, "ended by signal 9"},
	    {"fail-end-hang", true, false, NULL},
	};
	struct world w;
	int worker;

	world_start(&w, program_fail,
	    "check_shell=NO local_root=/srv session_support=YES", NULL, false);
	worker = world_worker(&w, 0);
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("%s\n", rows[i].user);
		worker_login(worker, i + 1, rows[i].user, PASSWORD);
		if (rows[i].good)
			world_expect_verdict(&w, 0, i + 1);
		else
			worker_expect_denied(worker, i + 1, i + 1, rows[i].again);
		if (rows[i].log != NULL)
			world_expect_log(&w, rows[i].log);
		if (rows[i].good)
			world_end(&w, 0, i + 1);
	}
	/* the one that does not want to end is made to */
	world_expect_log(&w, "closing the session took too long");
	expect_children(&w, 0);
	close(worker);
	assert_clean_end(&w);
}

static void
test_check_shell(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program_fail, "local_root=/srv", NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "fail-not", "");
	worker_expect_denied(worker, 1, 1, false);
	world_expect_log(&w, "/usr/sbin/nologin is not in /etc/shells");
	close(worker);
	assert_clean_end(&w);
}

/* Four checks at once, three wait, more are told to come again. */
static void
test_bound(void **state)
{
	uint32_t denied = 0;
	struct world w;
	int worker;

	world_start(&w, program_fail, "check_shell=NO local_root=/srv", NULL, false);
	worker = world_worker(&w, 0);
	for (uint32_t i = 1; i <= 9; i++)
		worker_login(worker, i, "fail-hang", PASSWORD);
	assert_int_equal(worker_expect_denied(worker, 8, 9, true), 8);
	assert_int_equal(worker_expect_denied(worker, 8, 9, true), 9);
	assert_int_equal(world_children(&w), 4);
	/* what needs no process is answered all the same */
	worker_login(worker, 10, "anonymous", "");
	world_expect_verdict(&w, 0, 10);
	for (uint32_t i = 1; i <= 7; i++) {
		denied |= 1U << worker_expect_denied(worker, 1, 7, true);
		assert_true(world_children(&w) <= 4);
	}
	assert_int_equal(denied, 0xfe);
	worker_login(worker, 11, "fail-not", PASSWORD);
	world_expect_verdict(&w, 0, 11);
	close(worker);
	assert_clean_end(&w);
}

/* One worker cannot fill auth with logins. Those that need no session are not kept. */
static void
test_logins_bounded(void **state)
{
	struct world w;
	int worker, other;

	world_start(&w, program_fail,
	    "anonymous_enable=YES check_shell=NO local_root=/srv session_support=YES",
	    NULL, false);
	worker = world_worker(&w, 0);
	for (uint32_t i = 21; i <= 32; i++) {
		worker_login(worker, i, "ftp", "");
		assert_false(world_expect_verdict(&w, 0, i)->kept);
	}
	for (uint32_t i = 1; i <= 10; i++) {
		worker_login(worker, i, "fail-not", "");
		assert_true(world_expect_verdict(&w, 0, i)->kept);
	}
	worker_login(worker, 11, "ftp", "");
	worker_expect_denied(worker, 11, 11, true);
	world_end(&w, 0, 4);
	/* the answer to another worker says that auth has read so far */
	other = world_worker(&w, 1);
	worker_login(other, 1, "ftp", "");
	world_expect_verdict(&w, 1, 1);
	worker_login(worker, 11, "anonymous", "");
	world_expect_verdict(&w, 0, 11);
	close(other);
	close(worker);
	assert_clean_end(&w);
}

static void
test_two_at_once(void **state)
{
	struct world w;
	int worker, other;

	world_start(&w, program_fail, "", NULL, false);
	worker = world_worker(&w, 0);
	other = world_worker(&w, 1);
	worker_login(worker, 5, "fail-hang", "");
	worker_login(
	    other, 5, "fail-hang", ""); /* another worker's 5 is another session */
	worker_login(worker, 5, "anonymous", "");
	worker_expect_end(worker);
	world_expect_log(&w, "it asked a second time");
	worker_expect_denied(other, 5, 5, true);
	close(worker);
	close(other);
	assert_clean_end(&w);
}

/* A worker's word about a certificate is none where nobody wants certificates. */
static void
test_certificate_unwanted(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program, "local_enable=YES", NULL, false);
	worker = world_worker(&w, 0);
	worker_login_certified(worker, 5, "carol", "x", 1);
	worker_expect_end(worker);
	world_expect_log(&w, "cert_user is off");
	close(worker);
	assert_clean_end(&w);
}

/* ... and has to be proved elsewhere. */
static void
test_certificate_unproved(void **state)
{
	static const uint8_t zeros[12288];
	struct world w;
	int worker;

	world_start(&w, program, "local_enable=YES cert_user=CN", NULL, false);
	worker = world_worker(&w, 0);
	worker_login_certified(worker, 5, "carol", zeros, sizeof(zeros));
	worker_expect_denied(worker, 5, 5, false);
	world_expect_log(&w, "no authority is known");
	worker_login_certified(worker, 6, "anonymous", "x", 1);
	worker_expect_denied(worker, 6, 6, false);
	world_expect_log(&w, "no certificate is good for this kind of login");
	close(worker);
	assert_clean_end(&w);
}

/* ---- hosts and networks ---- */

static void
expect_anonymous(struct world *w, uint32_t session, const char *root, uint32_t rights,
    uint32_t network)
{
	const struct msg_master_verdict *v = world_expect_verdict(w, 0, session);

	assert_true(is(v->root, root));
	assert_true(is(v->prefix, root));
	assert_int_equal(v->rights, rights);
	assert_int_equal(v->network, network);
}

static void
test_options_of_host_and_network(void **state)
{
	const uint32_t reads = RIGHT_READ | RIGHT_LIST;
	struct world w;
	int worker;

	world_start(&w, program,
	    "anon_root=/srv/head host:a.example anon_root=/srv/a anon_upload_enable=YES "
	    "host:closed.example anonymous_enable=NO local_enable=YES "
	    "network:10.0.0.0/8 write_enable=YES network:10.6.6.0/24 anonymous_enable=NO",
	    NULL, false);
	worker = world_worker(&w, 0);
	worker_login_at(worker, 1, "ftp", "", "192.0.2.7", 0);
	expect_anonymous(&w, 1, "/srv/head", reads, 0);
	worker_login_at(worker, 2, "ftp", "", "192.0.2.7", 1);
	expect_anonymous(&w, 2, "/srv/a", reads, 0);
	worker_login_at(worker, 3, "ftp", "", "10.1.1.1", 1);
	expect_anonymous(&w, 3, "/srv/a", reads | RIGHT_CREATE, 1);
	worker_login_at(worker, 4, "ftp", "", "10.1.1.1", 0);
	expect_anonymous(&w, 4, "/srv/head", reads, 1);
	worker_login_at(worker, 5, "ftp", "", "10.6.6.1", 1);
	worker_expect_denied(worker, 5, 5, false);
	/* an address that is none is in no network */
	worker_login_at(worker, 6, "ftp", "", "10.1.1", 1);
	expect_anonymous(&w, 6, "/srv/a", reads, 0);
	close(worker);
	assert_clean_end(&w);
}

/* Anonymous is off but for one network; whose root it is, is known all the same. */
static void
test_anonymous_for_one_network(void **state)
{
	struct world w;
	int worker;

	world_start(&w, program,
	    PAM "anonymous_enable=NO anon_root=/srv network:2001:db8::/32 "
		"anonymous_enable=YES",
	    NULL, false);
	worker = world_worker(&w, 0);
	worker_login_at(worker, 1, "anonymous", "", "2001:db8::9", 0);
	expect_anonymous(&w, 1, "/srv", RIGHT_READ | RIGHT_LIST, 1);
	close(worker);
	assert_clean_end(&w);
}

static void
test_a_host_that_does_not_exist(void **state)
{
	struct world w;
	int worker, other;

	world_start(&w, program, "host:a.example", NULL, false);
	worker = world_worker(&w, 0);
	other = world_worker(&w, 1);
	worker_login_at(worker, 1, "ftp", "", "192.0.2.7", 2);
	worker_expect_end(worker);
	world_expect_log(&w, "named a host that does not exist");
	worker_login_at(other, 1, "ftp", "", "192.0.2.7", 1);
	world_expect_verdict(&w, 1, 1);
	close(worker);
	close(other);
	assert_clean_end(&w);
}

/* A worker that dies takes its questions with it. */
static void
test_worker_replaced(void **state)
{
	struct world w;
	int worker, next;

	world_start(&w, program_fail, "check_shell=NO local_root=/srv", NULL, false);
	worker = world_worker(&w, 0);
	for (uint32_t i = 1; i <= 6; i++)
		worker_login(worker, i, "fail-hang", "");
	worker_login(worker, 7, "anonymous", "");
	world_expect_verdict(&w, 0, 7);
	assert_int_equal(world_children(&w), 4);
	next = world_worker(&w, 0);
	worker_expect_end(worker);
	expect_children(&w, 0);
	worker_login(next, 1, "fail-not", "");
	world_expect_verdict(&w, 0, 1);
	world_end(&w, 0, 7);
	/* the end of a login that is being checked: no answer, no process */
	worker_login(next, 8, "fail-hang", "");
	worker_login(next, 9, "anonymous", "");
	world_expect_verdict(&w, 0, 9);
	assert_int_equal(world_children(&w) >= 1, 1);
	world_end(&w, 0, 8);
	expect_children(&w, 0);
	world_expect_silence(&w, next);
	close(worker);
	close(next);
	assert_clean_end(&w);
}

/* The master's end is ours, whatever is going on. */
static void
test_end(void **state)
{
	struct world w;
	int worker;
	pid_t pid;

	world_start(&w, program_fail, "", NULL, false);
	worker = world_worker(&w, 0);
	worker_login(worker, 1, "fail-hang", "");
	worker_login(worker, 2, "anonymous", "");
	world_expect_verdict(&w, 0, 2);
	pid = w.pid;
	assert_clean_end(&w);
	worker_expect_end(worker);
	w.pid = pid;
	expect_children(&w, 0);
	close(worker);

	/* and before it has begun */
	world_start(&w, program, "", NULL, false);
	assert_true(WIFEXITED(world_stop(&w)));
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_anonymous),
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_pam),
	    cmocka_unit_test(test_pam_modules),
	    cmocka_unit_test(test_pam_unix),
	    cmocka_unit_test(test_pam_misconfigured),
	    cmocka_unit_test(test_guest),
	    cmocka_unit_test(test_session),
	    cmocka_unit_test(test_session_overtaken),
	    cmocka_unit_test(test_session_refused),
	    cmocka_unit_test(test_session_outlives_worker),
	    cmocka_unit_test(test_session_closes_with_auth),
	    cmocka_unit_test(test_forgets),
	    cmocka_unit_test(test_failures),
	    cmocka_unit_test(test_check_shell),
	    cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_logins_bounded),
	    cmocka_unit_test(test_two_at_once),
	    cmocka_unit_test(test_certificate_unwanted),
	    cmocka_unit_test(test_certificate_unproved),
	    cmocka_unit_test(test_options_of_host_and_network),
	    cmocka_unit_test(test_anonymous_for_one_network),
	    cmocka_unit_test(test_a_host_that_does_not_exist),
	    cmocka_unit_test(test_worker_replaced),
	    cmocka_unit_test(test_end),
	};
	char module[PATH_MAX]; /* PAM wants it absolute */
	int failed;

	if (argc != 4 || realpath(argv[3], module) == NULL) {
		fprintf(stderr,
		    "usage: test_auth ferryd-auth ferryd-auth-fail pam_ferrytest.so\n");
		return 2;
	}
	program = argv[1];
	program_fail = argv[2];
	if (!world_make(module))
		return 77;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_remove();
	return failed;
}
