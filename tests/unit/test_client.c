/*
 * The client engine: session and files. Each case is a conversation that the scripted
 * server plays; both ways of driving the handle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_world.h"

static void
connects_and_quits(void **state)
{
	struct sockaddr_storage sa;
	struct world w;

	world_start(&w, state,
	    "S: 220-hello\n"
	    "S: 220 ready\n"
	    "C: QUIT\n"
	    "S: 221 bye\n"
	    "end\n");
	assert_false(ferry_is_connected(w.h));
	assert_int_equal(ferry_local_address(w.h, &sa), -FERRY_ESTATE);
	world_connect(&w);
	assert_true(ferry_is_connected(w.h));
	assert_int_equal(ferry_reply_code(w.h), 220);
	assert_string_equal(ferry_reply_text(w.h), "220-hello\n220 ready");
	assert_int_equal(ferry_remote_address(w.h, &sa), 0);
	assert_int_equal(sa.ss_family, AF_INET);
	assert_int_equal(ferry_connect(w.h, "127.0.0.1", 21), -FERRY_ESTATE);
	assert_int_equal(go(&w, ferry_quit(w.h)), 0);
	assert_false(ferry_is_connected(w.h));
	assert_logged(&w, "resolved 127.0.0.1\nconnecting control remote=127.0.0.1\n"
			  "connected control local=127.0.0.1 remote=127.0.0.1\n"
			  "reply 220-hello\n220 ready\n"
			  "command QUIT\nreply 221 bye\nclosed control");
	assert_string_equal(ferry_error_text(w.h), "");
	world_end(&w);
}

/* A router may have forgotten the connection; a slow reply is waited for longer. */
static void
goodbye_is_not_waited_for_long(void **state)
{
	struct pollfd fds[4];
	struct world w;
	int timeout;

	world_start(&w, state, "S: 220 ready\nC: QUIT\nend\n");
	world_connect(&w);
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 60000);
	ferry_set_blocking(w.h, false);
	assert_int_equal(ferry_quit(w.h), FERRY_AGAIN);
	do {
		assert_int_equal(ferry_step(w.h), FERRY_AGAIN);
		(void)ferry_poll(w.h, fds, 4, &timeout);
	} while (timeout == 0);
	assert_in_range(timeout, 1, 5001);
	world_end(&w);
}

static void
connects_over_ipv6(void **state)
{
	struct world w;

	world_start_on(&w, state, "::1", "S: 220 ready\nend\n");
	assert_int_equal(go(&w, ferry_connect(w.h, "::1", fake_port(w.f))), 0);
	assert_logged(&w, "connected control local=::1 remote=::1");
	world_end(&w);
}

/* A name goes through the system's resolver: in event-driven use in a thread. */
static void
connects_by_name(void **state)
{
	struct world w;

	world_start(&w, state, "S: 220 ready\nend\n");
	assert_int_equal(ferry_set_family(w.h, AF_INET), 0);
	assert_int_equal(go(&w, ferry_connect(w.h, "localhost", fake_port(w.f))), 0);
	assert_logged(&w, "resolved localhost");
	world_end(&w);
}

static void
unknown_name(void **state)
{
	struct ferry *h;
	struct world w;

	(void)state;
	assert_int_equal(ferry_new(&h), 0);
	w.h = h;
	assert_int_equal(ferry_connect(h, "no-such-host.invalid", 21), -FERRY_ERESOLVE);
	assert_error(&w, "no-such-host.invalid");
	assert_int_equal(ferry_connect(h, "two words", 21), -FERRY_EINVAL);
	assert_int_equal(ferry_connect(h, "line\nbreak", 21), -FERRY_EINVAL);
	assert_int_equal(ferry_connect(h, "", 21), -FERRY_EINVAL);
	assert_int_equal(ferry_connect(h, NULL, 21), -FERRY_EINVAL);
	ferry_free(h);
}

/* A handle may be freed while its look-up runs. */
static void
freed_during_look_up(void **state)
{
	struct ferry *h;

	(void)state;
	assert_int_equal(ferry_new(&h), 0);
	ferry_set_blocking(h, false);
	assert_int_equal(ferry_connect(h, "localhost", 1), FERRY_AGAIN);
	assert_int_equal(ferry_connect(h, "localhost", 1), -FERRY_ESTATE);
	ferry_free(h);
}

static void
refused_port(void **state)
{
	struct world w;
	uint16_t port;

	world_start(&w, state, "S: 220 ready\nend\n");
	port = fake_port(w.f);
	world_connect(&w);
	world_end(&w);
	/* now nobody listens there */
	assert_int_equal(ferry_new(&w.h), 0);
	assert_int_equal(ferry_connect(w.h, "127.0.0.1", port), -FERRY_ECONNECT);
	assert_error(&w, "cannot connect to 127.0.0.1: 127.0.0.1 port");
	assert_error(&w, "Connection refused");
	assert_int_equal(ferry_errno(w.h), ECONNREFUSED);
	ferry_free(w.h);
}

/* What a server may say instead of 220. */
static const struct {
	const char *script;
	int result;
	const char *text;
} greetings[] = {
    {"S: 421 too many of you\n", -FERRY_ETEMPORARY, "421 too many of you"},
    {"S: 530 go away\n", -FERRY_EREFUSED, "530 go away"},
    {"S: 120 wait\nS: 220 ready\n", 0, ""},
    {"S: 331 odd\n", -FERRY_EPROTO, "331 odd"},
    {"S: SSH-2.0-OpenSSH_9.2\n", -FERRY_EPROTO, "for SFTP"},
    {"S: HTTP/1.1 400 Bad Request\n", -FERRY_EPROTO, "web server"},
    {"raw \\000\\001\\002\\r\\n\n", -FERRY_EPROTO, "does not speak FTP"},
    {"raw hello\\r\\n220 ready\\r\\n\n", -FERRY_EPROTO, "does not speak FTP"},
    {"raw 220 half\nclose\n", -FERRY_ECLOSED, "closed the control connection"},
    {"close\n", -FERRY_ECLOSED, "closed the control connection"},
    {"flood 101 120 wait\n", -FERRY_EPROTO, "keeps saying 120"},
    {"flood 9000 220-more\n", -FERRY_ETOOBIG, "reply without end"},
    {"slow\nraw 220-a\\r\\n b\\r\\n220 c\\r\\n\n", 0, ""},
    {"raw \\377\\373\\001220 ready\\r\\n\nC: \\377\\376\\001*\n", 0, ""},
    {"S: 220 lenient\\n", 0, ""},
};

/* A handle without a connection has nothing to wait for: no end of a connection may leave
 * something behind that a caller would be called for again and again. */
static void
assert_at_rest(struct ferry *h)
{
	struct pollfd fds[4];
	int timeout;

	assert_int_equal(ferry_poll(h, fds, 4, &timeout), 0);
	assert_int_equal(timeout, -1);
}

static void
greets(void **state)
{
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		struct world w;
		char script[256];

		/* "C:" of a Telnet answer needs a line end: QUIT brings it */
		snprintf(script, sizeof(script), "%s", greetings[i].script);
		world_start(&w, state, script);
		assert_int_equal(go(&w, ferry_connect(w.h, "127.0.0.1", fake_port(w.f))),
		    greetings[i].result);
		assert_error(&w, greetings[i].text);
		assert_int_equal(ferry_is_connected(w.h), greetings[i].result == 0);
		if (greetings[i].result < 0)
			assert_at_rest(w.h);
		if (strstr(greetings[i].script, "C:")) {
			ferry_set_timer(w.h, FERRY_TIMER_REPLY, 50);
			(void)go(&w, ferry_quit(w.h));
		}
		world_end(&w);
	}
}

/* Reset at once: the kernel may tell it as a failed connect or as a broken connection. */
static void
reset_at_once(void **state)
{
	struct world w;
	int r;

	world_start(&w, state, "abort\n");
	r = go(&w, ferry_connect(w.h, "127.0.0.1", fake_port(w.f)));
	assert_true(r == -FERRY_ECLOSED || r == -FERRY_ECONNECT);
	assert_error(&w, "127.0.0.1 port");
	assert_error(&w, "reset by peer");
	world_end(&w);
}

/* Its end never comes: what is too long is known before. */
static void
long_line(void **state)
{
	static char script[70000];
	struct world w;

	memcpy(script, "raw 220 ", 8);
	memset(script + 8, 'x', 20000);
	memcpy(script + 20008, "\nend\n", 6);
	world_start(&w, state, script);
	assert_int_equal(
	    go(&w, ferry_connect(w.h, "127.0.0.1", fake_port(w.f))), -FERRY_ETOOBIG);
	world_end(&w);
}

/* ---------------------------------------------------------------- login */

static const struct {
	const char *user, *password, *account;
	const char *script;
	int result;
} logins[] = {
    {"joe", "geheim", NULL, "C: USER joe\nS: 331 p\nC: PASS geheim\nS: 230 in\n", 0},
    {NULL, NULL, NULL, "C: USER anonymous\nS: 331 p\nC: PASS ferry@\nS: 230 in\n", 0},
    {"joe", "", NULL, "C: USER joe\nS: 331 p\nC: PASS \nS: 230 in\n", 0},
    {"joe", "x", NULL, "C: USER joe\nS: 230 come in\n", 0},
    {"joe", "x", "acc", "C: USER joe\nS: 332 a\nC: ACCT acc\nS: 230 in\n", 0},
    {"joe", "x", "acc",
	"C: USER joe\nS: 331 p\nC: PASS x\nS: 332 a\nC: ACCT acc\nS: 202 in\n", 0},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nS: 202 fine\n", 0},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nS: 332 a\n", -FERRY_ELOGIN},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nS: 530 no\n", -FERRY_ELOGIN},
    {"joe", "x", NULL, "C: USER joe\nS: 530 no\n", -FERRY_ELOGIN},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nS: 421 full\n",
	-FERRY_ETEMPORARY},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nS: 331 again\n", -FERRY_EPROTO},
    {"joe", "x", NULL, "C: USER joe\nS: 331 p\nC: PASS x\nclose\n", -FERRY_ECLOSED},
    {"joe", "a\r\nDELE b", NULL, "", -FERRY_EINVAL},
    {"joe\nDELE b", "a", NULL, "", -FERRY_EINVAL},
    {"joe", "a", "b\rc", "", -FERRY_EINVAL},
    {"", "a", NULL, "", -FERRY_EINVAL},
};

static void
logs_in(void **state)
{
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		struct world w;
		char script[512];

		snprintf(script, sizeof(script), "S: 220 r\n%s%s", logins[i].script,
		    logins[i].result == 0 ? "C: FEAT\nS: 502 no\n" : "");
		world_start(&w, state, script);
		world_connect(&w);
		assert_int_equal(go(&w, ferry_login(w.h, logins[i].user,
					    logins[i].password, logins[i].account)),
		    logins[i].result);
		assert_int_equal(ferry_is_logged_in(w.h), logins[i].result == 0);
		/* FEAT's answer is not the login's */
		if (logins[i].result == 0)
			assert_int_not_equal(ferry_reply_code(w.h), 502);
		if (logins[i].password && strcmp(logins[i].password, "geheim") == 0) {
			assert_logged(&w, "command PASS ****\n");
			assert_false(logged(&w, "geheim"));
		}
		assert_false(logged(&w, "ACCT acc"));
		world_end(&w);
	}
}

static void
features(void **state)
{
	struct world w;

	world_start(&w, state, LOGIN_SCRIPT);
	world_login(&w);
	assert_true(ferry_has_feature(w.h, "SIZE"));
	assert_true(ferry_has_feature(w.h, "size"));
	assert_true(ferry_has_feature(w.h, "MLST"));
	assert_true(ferry_has_feature(w.h, "REST STREAM"));
	assert_true(ferry_has_feature(w.h, "REST"));
	assert_false(ferry_has_feature(w.h, "SIZ"));
	assert_false(ferry_has_feature(w.h, "MDTM"));
	assert_false(ferry_has_feature(w.h, ""));
	world_end(&w);
}

/* What a person would be asked for. */
struct asked {
	const char *password, *account; /* NULL: gives up */
	unsigned times;
};

static char *
answer_secret(int code, void *user)
{
	struct asked *a = user;
	const char *answer = code == 332 ? a->account : a->password;

	a->times++;
	return answer ? strdup(answer) : NULL;
}

/* The program is asked for what the call did not bring, once the server wants it. */
static void
secrets_that_are_asked_for(void **state)
{
	static const struct {
		struct asked asked;
		const char *password; /* of the call */
		const char *script;
		int result;
		unsigned times;
	} rows[] = {
	    {{"pw", NULL, 0}, NULL, "S: 331 pw\nC: PASS pw\nS: 230 in\nC: FEAT\nS: 502 no\n", 0,
		1},
	    {{"pw", "acct", 0}, NULL,
		"S: 331 pw\nC: PASS pw\nS: 332 acct\nC: ACCT acct\nS: 230 in\n"
		"C: FEAT\nS: 502 no\n",
		0, 2},
	    /* the call brought it; nobody wants it */
	    {{"no", NULL, 0}, "pw", "S: 331 pw\nC: PASS pw\nS: 230 in\nC: FEAT\nS: 502 no\n", 0,
		0},
	    {{"no", NULL, 0}, NULL, "S: 230 in\nC: FEAT\nS: 502 no\n", 0, 0},
	    /* nothing was given, or what no line can hold */
	    {{NULL, NULL, 0}, NULL, "S: 331 pw\n", -FERRY_ELOGIN, 1},
	    {{"pw", NULL, 0}, NULL, "S: 331 pw\nC: PASS pw\nS: 332 acct\n", -FERRY_ELOGIN, 2},
	    {{"pw\r\nDELE x", NULL, 0}, NULL, "S: 331 pw\n", -FERRY_EINVAL, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked = rows[i].asked;
		char script[512];
		struct world w;

		snprintf(script, sizeof(script), "S: 220 ready\nC: USER joe\n%sC: NOOP\nS: 200 ok\n",
		    rows[i].script);
		world_start(&w, state, script);
		ferry_on_secret(w.h, answer_secret, &asked);
		world_connect(&w);
		assert_int_equal(
		    go(&w, ferry_login(w.h, "joe", rows[i].password, NULL)), rows[i].result);
		assert_int_equal(asked.times, rows[i].times);
		assert_int_equal(ferry_is_logged_in(w.h), rows[i].result == 0);
		assert_false(logged(&w, "PASS pw"));
		assert_false(logged(&w, "ACCT acct"));
		/* in step, whatever came of it */
		assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
		world_end(&w);
	}
}

/* ---------------------------------------------------------------- commands */

static void
raw_commands(void **state)
{
	struct world w;

	world_start(&w, state,
	    PLAIN_SCRIPT "C: NOOP\nS: 200 fine\n"
			 "C: SITE HELP  x\nS: 214-a\nS:  b\nS: 214 c\n"
			 "C: FOO\nS: 500 no\n"
			 "C: RNFR a\nS: 350 go on\n"
			 "C: PASS secret\nS: 230 in\n"
			 "C: DELE \\377\\377\nS: 250 gone\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	assert_int_equal(go(&w, ferry_command(w.h, "SITE HELP  x")), 0);
	assert_string_equal(ferry_reply_text(w.h), "214-a\n b\n214 c");
	assert_int_equal(go(&w, ferry_command(w.h, "FOO")), 0);
	assert_int_equal(ferry_reply_code(w.h), 500);
	assert_int_equal(go(&w, ferry_command(w.h, "RNFR a")), 0);
	assert_int_equal(ferry_reply_code(w.h), 350);
	assert_int_equal(go(&w, ferry_command(w.h, "PASS secret")), 0);
	assert_false(logged(&w, "secret"));
	assert_int_equal(go(&w, ferry_command(w.h, "DELE \377")), 0);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP\r\nDELE x")), -FERRY_EINVAL);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP\n")), -FERRY_EINVAL);
	assert_int_equal(go(&w, ferry_command(w.h, "")), -FERRY_EINVAL);
	assert_int_equal(go(&w, ferry_command(w.h, NULL)), -FERRY_EINVAL);
	world_end(&w);
}

/* Every call with a name refuses a line break before anything is sent. */
static void
injections(void **state)
{
	static const char *const names[] = {"a\r\nDELE b", "a\nb", "\r", "a\r"};
	struct ferry_entry e;
	uint64_t size;
	int64_t mtime;
	struct world w;

	world_start(&w, state, LOGIN_SCRIPT "end\n");
	world_login(&w);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *n = names[i];

		assert_int_equal(go(&w, ferry_chdir(w.h, n)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_mkdir(w.h, n, NULL)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_rmdir(w.h, n)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_delete(w.h, n)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_rename(w.h, n, "x")), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_rename(w.h, "x", n)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_size(w.h, n, &size)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_mtime(w.h, n, &mtime)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_set_mtime(w.h, n, 0)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_stat(w.h, n, &e)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_list(w.h, n, NULL, NULL)), -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_list_raw(w.h, "LIST", n, sink_write, NULL)),
		    -FERRY_EINVAL);
		assert_int_equal(go(&w, ferry_list_raw(w.h, n, NULL, sink_write, NULL)),
		    -FERRY_EINVAL);
		assert_int_equal(
		    go(&w, ferry_get(w.h, n, 0, sink_write, NULL)), -FERRY_EINVAL);
		assert_int_equal(
		    go(&w, ferry_put(w.h, n, FERRY_PUT_STORE, 0, -1, source_read, NULL)),
		    -FERRY_EINVAL);
		assert_error(&w, "line break");
	}
	assert_int_equal(go(&w, ferry_chdir(w.h, NULL)), -FERRY_EINVAL);
	assert_int_equal(go(&w, ferry_delete(w.h, "")), -FERRY_EINVAL);
	assert_int_equal(
	    go(&w, ferry_list_raw(w.h, "LIST x", NULL, sink_write, NULL)), -FERRY_EINVAL);
	assert_true(ferry_is_connected(w.h));
	world_end(&w);
}

static void
not_connected(void **state)
{
	struct ferry *h;
	struct world w;
	char *path;

	(void)state;
	assert_int_equal(ferry_new(&h), 0);
	w.h = h;
	assert_int_equal(ferry_login(h, NULL, NULL, NULL), -FERRY_ESTATE);
	assert_int_equal(ferry_pwd(h, &path), -FERRY_ESTATE);
	assert_error(&w, "there is no connection");
	assert_int_equal(ferry_get(h, "x", 0, sink_write, NULL), -FERRY_ESTATE);
	assert_int_equal(ferry_quit(h), -FERRY_ESTATE);
	assert_int_equal(ferry_step(h), 0);
	ferry_abort(h);
	ferry_free(h);
	ferry_free(NULL);
}

static void
settings(void **state)
{
	struct ferry *h;

	(void)state;
	assert_int_equal(ferry_new(&h), 0);
	assert_int_equal(ferry_get_mode(h), FERRY_MODE_AUTO);
	assert_int_equal(ferry_set_mode(h, FERRY_MODE_PORT), 0);
	assert_int_equal(ferry_set_mode(h, (enum ferry_mode)99), -FERRY_EINVAL);
	assert_int_equal(ferry_get_mode(h), FERRY_MODE_PORT);
	assert_int_equal(ferry_set_active_ports(h, 0, 0), 0);
	assert_int_equal(ferry_set_active_ports(h, 1024, 65535), 0);
	assert_int_equal(ferry_set_active_ports(h, 1023, 2000), -FERRY_EINVAL);
	assert_int_equal(ferry_set_active_ports(h, 3000, 2000), -FERRY_EINVAL);
	assert_int_equal(ferry_set_active_address(h, "198.51.100.7"), 0);
	assert_int_equal(ferry_set_active_address(h, "example.com"), -FERRY_EINVAL);
	assert_int_equal(ferry_set_active_address(h, NULL), 0);
	assert_int_equal(ferry_set_source_address(h, "::1"), 0);
	assert_int_equal(ferry_set_family(h, 99), -FERRY_EINVAL);
	assert_int_equal(ferry_set_timer(h, FERRY_TIMER_STALL, 0), 0);
	assert_int_equal(ferry_set_timer(h, (enum ferry_timer)5, 0), -FERRY_EINVAL);
	ferry_free(h);
}

/* ---------------------------------------------------------------- files */

static void
directories(void **state)
{
	struct world w;
	char *path = NULL;

	world_start(&w, state,
	    PLAIN_SCRIPT "C: CWD a b\nS: 250 there\n"
			 "C: CWD nowhere\nS: 550 no such directory\n"
			 "C: CDUP\nS: 200 up\n"
			 "C: PWD\nS: 257 \"/a \"\"b\"\" c\" is it\n"
			 "C: PWD\nS: 257 nothing quoted\n"
			 "C: PWD\nS: 257 \"/open\n"
			 "C: MKD new\nS: 257 \"/new\" made\n"
			 "C: MKD new2\nS: 257 made\n"
			 "C: MKD new3\nS: 550 exists\n"
			 "C: RMD new\nS: 250 gone\n"
			 "C: DELE f\nS: 450 busy\n"
			 "C: RNFR a\nS: 350 to?\nC: RNTO b\nS: 250 done\n"
			 "C: RNFR a\nS: 550 none\n"
			 "C: RNFR a\nS: 350 to?\nC: RNTO /x\nS: 553 no\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_chdir(w.h, "a b")), 0);
	assert_int_equal(go(&w, ferry_chdir(w.h, "nowhere")), -FERRY_EREFUSED);
	assert_string_equal(ferry_error_text(w.h),
	    "127.0.0.1 refused CWD nowhere: 550 no such directory");
	assert_int_equal(go(&w, ferry_chdir_up(w.h)), 0);
	assert_int_equal(go(&w, ferry_pwd(w.h, &path)), 0);
	assert_string_equal(path, "/a \"b\" c");
	free(path);
	path = NULL;
	assert_int_equal(go(&w, ferry_pwd(w.h, &path)), -FERRY_EPROTO);
	assert_int_equal(go(&w, ferry_pwd(w.h, &path)), -FERRY_EPROTO);
	assert_null(path);
	assert_int_equal(go(&w, ferry_mkdir(w.h, "new", &path)), 0);
	assert_string_equal(path, "/new");
	free(path);
	assert_int_equal(go(&w, ferry_mkdir(w.h, "new2", &path)), 0);
	assert_null(path);
	assert_int_equal(go(&w, ferry_mkdir(w.h, "new3", NULL)), -FERRY_EREFUSED);
	assert_int_equal(go(&w, ferry_rmdir(w.h, "new")), 0);
	assert_int_equal(go(&w, ferry_delete(w.h, "f")), -FERRY_ETEMPORARY);
	assert_int_equal(go(&w, ferry_rename(w.h, "a", "b")), 0);
	assert_int_equal(go(&w, ferry_rename(w.h, "a", "b")), -FERRY_EREFUSED);
	assert_int_equal(go(&w, ferry_rename(w.h, "a", "/x")), -FERRY_EREFUSED);
	world_end(&w);
}

static void
sizes_and_times(void **state)
{
	struct world w;
	uint64_t size = 7;
	int64_t mtime = 7;

	world_start(&w, state,
	    PLAIN_SCRIPT "C: TYPE I\nS: 200 I\n"
			 "C: SIZE f\nS: 213 5000000000\n"
			 "C: SIZE g\nS: 550 none\n"
			 "C: SIZE h\nS: 213 -5\n"
			 "C: SIZE h\nS: 213 99999999999999999999\n"
			 "C: MDTM f\nS: 213 20240229123456.789\n"
			 "C: MDTM f\nS: 213 20230229123456\n"
			 "C: MDTM f\nS: 500 what?\n"
			 "C: MFMT 20240229123456 f\nS: 213 Modify=20240229123456; f\n"
			 "C: MFMT 19700101000000 f\nS: 502 no\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_size(w.h, "f", &size)), 0);
	assert_int_equal(size, 5000000000);
	assert_int_equal(go(&w, ferry_size(w.h, "g", &size)), -FERRY_EREFUSED);
	assert_int_equal(go(&w, ferry_size(w.h, "h", &size)), -FERRY_EPROTO);
	assert_int_equal(go(&w, ferry_size(w.h, "h", &size)), -FERRY_EPROTO);
	assert_int_equal(size, 5000000000);
	assert_int_equal(go(&w, ferry_mtime(w.h, "f", &mtime)), 0);
	assert_int_equal(mtime, 1709210096);
	assert_int_equal(go(&w, ferry_mtime(w.h, "f", &mtime)), -FERRY_EPROTO);
	assert_int_equal(go(&w, ferry_mtime(w.h, "f", &mtime)), -FERRY_EUNSUPPORTED);
	assert_int_equal(go(&w, ferry_set_mtime(w.h, "f", 1709210096)), 0);
	assert_int_equal(go(&w, ferry_set_mtime(w.h, "f", 0)), -FERRY_EUNSUPPORTED);
	assert_int_equal(go(&w, ferry_set_mtime(w.h, "f", INT64_MAX)), -FERRY_EINVAL);
	assert_true(ferry_is_connected(w.h));
	world_end(&w);
}

static void
stat_by_mlst(void **state)
{
	struct ferry_entry e = {0};
	struct world w;

	world_start(&w, state,
	    LOGIN_SCRIPT
	    "C: MLST d/f\nS: 250-Facts\nS:  type=file;size=12;modify=20240229123456; "
	    "/d/f\n"
	    "S: 250 End\n"
	    "C: MLST g\nS: 250-type=dir; g\nS: 250 End\n"
	    "C: MLST h\nS: 550 none\n"
	    "C: MLST i\nS: 250 nothing\n"
	    "C: MLST j\nS: 500 what?\nC: TYPE I\nS: 200 I\nC: SIZE j\nS: 213 5\n"
	    "C: MDTM j\nS: 213 20240229123456\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_stat(w.h, "d/f", &e)), 0);
	assert_int_equal(e.type, FERRY_ENTRY_FILE);
	assert_int_equal(e.size, 12);
	assert_string_equal(e.name, "f");
	ferry_entry_clear(&e);
	assert_int_equal(go(&w, ferry_stat(w.h, "g", &e)), 0);
	assert_int_equal(e.type, FERRY_ENTRY_DIRECTORY);
	ferry_entry_clear(&e);
	assert_int_equal(go(&w, ferry_stat(w.h, "h", &e)), -FERRY_EREFUSED);
	assert_int_equal(go(&w, ferry_stat(w.h, "i", &e)), -FERRY_EPROTO);
	assert_null(e.name);
	assert_int_equal(go(&w, ferry_stat(w.h, "j", &e)), 0);
	assert_int_equal(e.size, 5);
	assert_int_equal(e.mtime, 1709210096);
	ferry_entry_clear(&e);
	world_end(&w);
}

static void
stat_without_mlst(void **state)
{
	struct ferry_entry e = {0};
	struct world w;

	world_start(&w, state,
	    PLAIN_SCRIPT "C: TYPE I\nS: 200 I\n"
			 "C: SIZE f\nS: 213 9\nC: MDTM f\nS: 500 what?\n"
			 "C: SIZE d\nS: 550 no file\nC: PWD\nS: 257 \"/home\"\n"
			 "C: CWD d\nS: 250 in\nC: CWD /home\nS: 250 back\n"
			 "C: SIZE n\nS: 550 no file\nC: PWD\nS: 257 \"/home\"\n"
			 "C: CWD n\nS: 550 nothing there\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_stat(w.h, "f", &e)), 0);
	assert_int_equal(e.type, FERRY_ENTRY_FILE);
	assert_int_equal(e.size, 9);
	assert_true(e.mtime == INT64_MIN);
	ferry_entry_clear(&e);
	assert_int_equal(go(&w, ferry_stat(w.h, "d", &e)), 0);
	assert_int_equal(e.type, FERRY_ENTRY_DIRECTORY);
	ferry_entry_clear(&e);
	assert_int_equal(go(&w, ferry_stat(w.h, "n", &e)), -FERRY_EREFUSED);
	world_end(&w);
}

/* ---------------------------------------------------------------- trouble */

static void
no_answer(void **state)
{
	struct world w;

	world_start(&w, state, PLAIN_SCRIPT "C: NOOP\nend\n");
	world_login(&w);
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 30);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), -FERRY_ETIMEOUT);
	assert_error(&w, "did not answer NOOP");
	/* a late answer must not become the answer to the next command */
	assert_false(ferry_is_connected(w.h));
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), -FERRY_ESTATE);
	world_end(&w);
}

/* Replies that came before their command are not its answer. */
static void
unasked_replies(void **state)
{
	struct world w;

	world_start(&w, state,
	    "raw 220 ready\\r\\n230 you are in\\r\\n230 really\\r\\n\n"
	    "C: USER joe\nS: 530 no\n"
	    "C: NOOP\nS: 200 ok\n");
	world_connect(&w);
	assert_int_equal(go(&w, ferry_login(w.h, "joe", "x", NULL)), -FERRY_ELOGIN);
	assert_logged(&w, "warning 127.0.0.1 sent a reply that answers no command");
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	assert_int_equal(ferry_reply_code(w.h), 200);
	world_end(&w);
}

static void
endless_unasked(void **state)
{
	struct world w;

	world_start(&w, state, "S: 220 ready\nflood 2000 200 again\n");
	world_connect(&w);
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 1000);
	while (ferry_is_connected(w.h))
		(void)go(&w, ferry_command(w.h, "NOOP"));
	world_end(&w);
}

/* Telnet commands for ever are no answer: the timer of the reply still counts. */
static void
endless_telnet(void **state)
{
	static char script[64000];
	struct world w;
	size_t n =
	    (size_t)snprintf(script, sizeof(script), "%s", PLAIN_SCRIPT "C: NOOP\n");

	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(script + n, sizeof(script) - n, "%s",
		    "raw \\377\\361\\377\\361\\377\\361\\377\\361\n");
	snprintf(script + n, sizeof(script) - n, "end\n");
	world_start(&w, state, script);
	world_login(&w);
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 50);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), -FERRY_ETIMEOUT);
	world_end(&w);
}

static void
closed_with_words(void **state)
{
	struct world w;

	world_start(
	    &w, state, PLAIN_SCRIPT "C: NOOP\nS: 200 ok\nS: 421 idle too long\nclose\n");
	world_login(&w);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	if (w.has_thread) {
		pthread_join(w.thread, NULL);
		w.has_thread = false;
	} else {
		fake_run(w.f);
	}
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), -FERRY_ECLOSED);
	assert_error(&w, "421 idle too long");
	assert_error(&w, "127.0.0.1 port");
	assert_false(ferry_is_connected(w.h));
	world_end(&w);
}

/* An event-driven program sees the end between operations. */
static void
closed_while_idle(void **state)
{
	struct world w;
	struct pollfd fds[4];
	int timeout;

	(void)state;
	world_start(&w, (void *[]){&world_events}, "S: 220 ready\nclose\n");
	world_connect(&w);
	fake_run(w.f);
	assert_int_equal(ferry_poll(w.h, fds, 4, &timeout), 1);
	assert_int_equal(poll(fds, 1, 5000), 1);
	assert_int_equal(ferry_step(w.h), -FERRY_ECLOSED);
	assert_false(ferry_is_connected(w.h));
	assert_int_equal(ferry_step(w.h), 0);
	world_end(&w);
}

static void
connects_again(void **state)
{
	struct world w;

	world_start(&w, state, LOGIN_SCRIPT "close\n" PLAIN_SCRIPT "end\n");
	world_login(&w);
	while (ferry_is_connected(w.h))
		(void)go(&w, ferry_command(w.h, "NOOP"));
	world_login(&w);
	assert_false(ferry_has_feature(w.h, "SIZE"));
	world_end(&w);
}

/* Aborting a command: its reply is awaited, so that the session stays in step. */
static void
aborts_command(void **state)
{
	struct world w;

	(void)state;
	world_start(&w, (void *[]){&world_events},
	    PLAIN_SCRIPT "C: NOOP\nS: 200 one\nC: NOOP\nS: 201 two\n");
	world_login(&w);
	assert_int_equal(ferry_command(w.h, "NOOP"), FERRY_AGAIN);
	ferry_abort(w.h);
	assert_int_equal(go(&w, FERRY_AGAIN), -FERRY_EABORTED);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	assert_int_equal(ferry_reply_code(w.h), 201);
	world_end(&w);
}

static int reentered;

static void
reenter(const struct ferry_event *ev, void *user)
{
	if (ev->kind == FERRY_EV_REPLY) {
		reentered = ferry_command(user, "NOOP");
		assert_int_equal(ferry_step(user), -FERRY_ESTATE);
	}
}

/* A callback may not begin another operation. */
static void
one_at_a_time(void **state)
{
	struct world w;

	world_start(&w, state, "S: 220 ready\nend\n");
	ferry_on_event(w.h, reenter, w.h);
	world_connect(&w);
	assert_int_equal(reentered, -FERRY_ESTATE);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(connects_and_quits),
	    BOTH(connects_over_ipv6),
	    BOTH(connects_by_name),
	    cmocka_unit_test(unknown_name),
	    cmocka_unit_test(freed_during_look_up),
	    BOTH(refused_port),
	    BOTH(greets),
	    BOTH(reset_at_once),
	    BOTH(long_line),
	    BOTH(logs_in),
	    BOTH(features),
	    BOTH(secrets_that_are_asked_for),
	    BOTH(raw_commands),
	    BOTH(injections),
	    cmocka_unit_test(not_connected),
	    cmocka_unit_test(settings),
	    BOTH(directories),
	    BOTH(sizes_and_times),
	    BOTH(stat_by_mlst),
	    BOTH(stat_without_mlst),
	    BOTH(no_answer),
	    BOTH(unasked_replies),
	    BOTH(endless_unasked),
	    BOTH(endless_telnet),
	    BOTH(closed_with_words),
	    cmocka_unit_test(closed_while_idle),
	    BOTH(goodbye_is_not_waited_for_long),
	    BOTH(connects_again),
	    cmocka_unit_test(aborts_command),
	    BOTH(one_at_a_time),
	};

	return cmocka_run_group_tests_name(
	    "client: session and files", tests, NULL, NULL);
}
