/*
 * The client engine: the way to a data connection. EPSV, PASV, PORT and EPRT, what is
 * refused, in which order they are tried, and what the user is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_world.h"

/* A download that follows when the data connection is up. */
#define RETR_SCRIPT "C: RETR f\nS: 150 here\nsend hello\neof\nS: 226 done\n"

static int
get(struct world *w, struct sink *s)
{
	memset(s, 0, sizeof(*s));
	return go(w, ferry_get(w->h, "f", 0, sink_write, s));
}

static void
start(struct world *w, void **state, const char *script)
{
	world_start(w, state, script);
	world_login(w);
}

static void
epsv(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT
	    "C: TYPE I\nS: 200 I\n"
	    "C: EPSV\nlisten\nS: 229 Entering Extended Passive Mode (|||%P|)\n"
	    "accept\n" RETR_SCRIPT
	    "C: EPSV\nlisten\nS: 229 ok (|||%P|)\naccept\n" RETR_SCRIPT);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	assert_logged(&w, "mode mode=2\ncommand EPSV\nreply 229");
	assert_logged(&w, "address mode=2 remote=127.0.0.1 used=127.0.0.1\n"
			  "connecting data mode=2 remote=127.0.0.1\n"
			  "connected data mode=2 local=127.0.0.1 remote=127.0.0.1\n"
			  "command RETR f\n");
	assert_logged(&w,
	    "transfer mode=2 local=127.0.0.1 remote=127.0.0.1 RETR path=f down "
	    "bytes=0 size=-1\n");
	assert_logged(&w,
	    "data-end mode=2 local=127.0.0.1 remote=127.0.0.1 RETR path=f down "
	    "bytes=5 size=-1\nclosed data");
	/* TYPE is sent once */
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

static void
epsv_on_ipv6(void **state)
{
	struct world w;
	struct sink s;

	world_start_on(&w, state, "::1",
	    PLAIN_SCRIPT "C: TYPE I\nS: 200 I\nC: EPSV\nlisten\nS: 229 ok "
			 "(|||%P|)\naccept\n" RETR_SCRIPT);
	assert_int_equal(go(&w, ferry_connect(w.h, "::1", fake_port(w.f))), 0);
	assert_int_equal(go(&w, ferry_login(w.h, NULL, NULL, NULL)), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	world_end(&w);
}

#define TYPE_I "C: TYPE I\nS: 200 I\n"

/* Ways that lead to "hello" all the same, in automatic mode. */
static const struct {
	const char *script;
	const char *log;
} detours[] = {
    /* EPSV refused */
    {"C: EPSV\nS: 500 what?\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"mode-failed mode=2 refused: 500 what? error=14\nmode mode=3\n"},
    {"C: EPSV\nS: 425 not now\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"425 not now"},
    /* a reply that cannot be read */
    {"C: EPSV\nS: 229 nonsense\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"no address in the reply 229 nonsense"},
    {"C: EPSV\nS: 229 (|||99999|)\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"no address in the reply"},
    {"C: EPSV\nS: 200 fine\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"no address in the reply"},
    /* nobody listens there, or nobody answers */
    {"C: EPSV\nclosed\nS: 229 (|||%P|)\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"Connection refused"},
    {"C: EPSV\nsilent\nS: 229 (|||%P|)\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"no answer in 0."},
    /* a privileged port */
    {"C: EPSV\nS: 229 (|||22|)\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"the server named port 22; ports below 1024 are not dialled"},
    /* the address of another: the server's own is dialled instead (CVE-2020-8284) */
    {"C: EPSV\nS: 502 no\nC: PASV\nlisten\nS: 227 ok "
     "(127,0,0,2,%Q)\naccept\n" RETR_SCRIPT,
	"address mode=3 remote=127.0.0.2 used=127.0.0.1"},
    {"C: EPSV\nS: 502 no\nC: PASV\nlisten\nS: 227 ok "
     "(192,168,1,100,%Q)\naccept\n" RETR_SCRIPT,
	"remote=192.168.1.100 used=127.0.0.1"},
    {"C: EPSV\nS: 502 no\nC: PASV\nlisten\nS: 227 ok (0,0,0,0,%Q)\naccept\n" RETR_SCRIPT,
	"remote=0.0.0.0 used=127.0.0.1"},
    /* numbers without parentheses; the one reply to the other command */
    {"C: EPSV\nS: 502 no\nC: PASV\nlisten\nS: 227 =127,0,0,1,%Q\naccept\n" RETR_SCRIPT,
	"used=127.0.0.1"},
    {"C: EPSV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT, "mode=2"},
    {"C: EPSV\nS: 502 no\nC: PASV\nlisten\nS: 229 ok (|||%P|)\naccept\n" RETR_SCRIPT,
	"mode=3"},
    /* accepted by something that is not the server: 425, nothing moved */
    {"C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\nC: RETR f\nS: 425 nobody came\neof\n"
     "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT,
	"mode-failed mode=2 the server said 425 nobody came"},
};

static void
takes_detours(void **state)
{
	for (size_t i = 0; i < sizeof(detours) / sizeof(detours[0]); i++) {
		char script[2048];
		struct world w;
		struct sink s;

		snprintf(script, sizeof(script), "%s%s", PLAIN_SCRIPT TYPE_I,
		    detours[i].script);
		start(&w, state, script);
		ferry_set_timer(w.h, FERRY_TIMER_DATA_CONNECT, 200);
		assert_int_equal(get(&w, &s), 0);
		assert_string_equal(s.text, "hello");
		assert_logged(&w, detours[i].log);
		assert_true(ferry_is_connected(w.h));
		world_end(&w);
	}
}

/* A verb refused with 5xx is not tried again in the session; a way that worked comes
 * first. */
static void
remembers(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nS: 500 what?\nC: PASV\nlisten\nS: 227 ok "
	    "(127,0,0,1,%Q)\naccept\n" RETR_SCRIPT
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);

	/* EPSV is silent here, not refused: PASV is first because it worked */
	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nclosed\nS: 229 (|||%P|)\n"
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT
	    /* once more, for it worked in this session */
	    "C: PASV\nclosed\nS: 227 ok (127,0,0,1,%Q)\n"
	    "C: PASV\nclosed\nS: 227 ok (127,0,0,1,%Q)\n"
	    "C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

/* Who names one way sees it fail, whatever it did before. */
static void
one_way_fails_at_once(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT
	    "C: EPSV\nclosed\nS: 229 (|||%P|)\n"
	    "C: NOOP\nS: 200 alive\n");
	ferry_set_mode(w.h, FERRY_MODE_EPSV);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	world_end(&w);
}

/* What the caller knows comes first, with the caller's reason; when it fails, it is
 * forgotten and the usual order follows. */
static void
begins_with_what_is_known(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT);
	assert_int_equal(ferry_set_first_way(w.h, FERRY_MODE_PASV, "because"), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_logged(&w, "mode mode=3 because");
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: PASV\nclosed\nS: 227 ok (127,0,0,1,%Q)\n"
				"C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT
				"C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT);
	assert_int_equal(ferry_set_first_way(w.h, FERRY_MODE_PASV, NULL), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);

	/* no leave to listen: the same as nothing */
	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT);
	assert_int_equal(ferry_set_first_way(w.h, FERRY_MODE_PORT, "because"), 0);
	assert_int_equal(ferry_set_first_way(w.h, FERRY_MODE_PASSIVE, ""), -FERRY_EINVAL);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

/* Where PASV cannot ask for another port, EPSV does: once, for the range may be open in
 * part. */
static void
epsv_again(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: EPSV\nclosed\nS: 229 (|||%P|)\n"
				"C: PASV\nS: 502 no\n"
				"C: EPSV\nclosed\nS: 229 (|||%P|)\n"
				"C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\n" RETR_SCRIPT
				"C: EPSV\nclosed\nS: 229 (|||%P|)\n"
				"C: EPSV\nclosed\nS: 229 (|||%P|)\n"
				"C: NOOP\nS: 200 alive\n");
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	world_end(&w);
}

/* Nothing works: one sentence with every way, address, port and cause. */
static void
no_way(void **state)
{
	const char *text;
	struct world w;
	struct sink s;
	char own[32];

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: EPSV\nclosed\nS: 229 (|||%P|)\n"
				"C: PASV\nclosed\nS: 227 (127,0,0,1,%Q)\n"
				"C: NOOP\nS: 200 alive\n");
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_int_equal(ferry_errno(w.h), ECONNREFUSED);
	text = ferry_error_text(w.h);
	assert_error(
	    &w, "no data connection with 127.0.0.1; tried EPSV (127.0.0.1 port ");
	assert_error(&w, ": Connection refused), PASV (127.0.0.1 port ");
	assert_error(&w, "active mode was not allowed");
	snprintf(own, sizeof(own), "port %u", fake_port(w.f));
	assert_null(strstr(text, own));
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	world_end(&w);
}

/* Each attempt has its own budget: two silent ports cost twice the time, not once. */
static void
own_budgets(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: EPSV\nsilent\nS: 229 (|||%P|)\n"
				"C: PASV\nsilent\nS: 227 (127,0,0,1,%Q)\n");
	ferry_set_timer(w.h, FERRY_TIMER_DATA_CONNECT, 100);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_int_equal(ferry_errno(w.h), ETIMEDOUT);
	assert_error(&w, "no answer in 0.1 s), PASV");
	world_end(&w);
}

/* Forced modes try nothing else. */
static const struct {
	enum ferry_mode mode;
	const char *script;
	int result;
} forced[] = {
    {FERRY_MODE_EPSV, "C: EPSV\nS: 500 what?\n", -FERRY_EDATA},
    {FERRY_MODE_PASV, "C: PASV\nS: 500 what?\n", -FERRY_EDATA},
    {FERRY_MODE_PASSIVE, "C: EPSV\nS: 500 what?\nC: PASV\nS: 502 what?\n", -FERRY_EDATA},
    {FERRY_MODE_PORT, "C: PORT 127,0,0,1,*\nS: 500 no\n", -FERRY_EDATA},
    {FERRY_MODE_EPRT, "C: EPRT |1|127.0.0.1|*\nS: 522 no\n", -FERRY_EDATA},
    {FERRY_MODE_ACTIVE, "C: PORT *\nS: 500 no\nC: EPRT *\nS: 500 no\n", -FERRY_EDATA},
    {FERRY_MODE_PASV, "C: PASV\nlisten\nS: 227 (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT, 0},
    {FERRY_MODE_PORT,
	"C: PORT 127,0,0,1,*\nS: 200 ok\nC: RETR f\ndial\nS: 150 here\nsend hello\neof\n"
	"S: 226 done\n",
	0},
    {FERRY_MODE_EPRT,
	"C: EPRT |1|127.0.0.1|*\nS: 200 ok\nC: RETR f\nS: 150 here\ndial\nsend "
	"hello\neof\n"
	"S: 226 done\n",
	0},
    /* not logged in: no mode helps */
    {FERRY_MODE_AUTO, "C: EPSV\nS: 530 log in first\n", -FERRY_EREFUSED},
};

static void
forced_modes(void **state)
{
	for (size_t i = 0; i < sizeof(forced) / sizeof(forced[0]); i++) {
		char script[1024];
		struct world w;
		struct sink s;

		snprintf(script, sizeof(script), "%s%s", PLAIN_SCRIPT TYPE_I,
		    forced[i].script);
		start(&w, state, script);
		assert_int_equal(ferry_set_mode(w.h, forced[i].mode), 0);
		assert_int_equal(get(&w, &s), forced[i].result);
		assert_string_equal(s.text, forced[i].result ? "" : "hello");
		world_end(&w);
	}
}

/* ---------------------------------------------------------------- active */

static void
active_events(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PORT *\nS: 200 ok\nC: RETR f\nS: 150 here\ndial\nsend hello\n"
	    "eof\nS: 226 done\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(get(&w, &s), 0);
	assert_logged(
	    &w, "mode mode=6\nlistening mode=6 local=127.0.0.1\ncommand PORT 127,0,0,1,");
	assert_logged(&w, "accepted mode=6 local=127.0.0.1 remote=127.0.0.1\n");
	world_end(&w);
}

static void
active_on_ipv6(void **state)
{
	struct world w;
	struct sink s;

	world_start_on(&w, state, "::1",
	    PLAIN_SCRIPT TYPE_I
	    "C: EPRT |2|::1|*\nS: 200 ok\nC: RETR f\nS: 150 here\ndial\n"
	    "send hello\neof\nS: 226 done\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(go(&w, ferry_connect(w.h, "::1", fake_port(w.f))), 0);
	assert_int_equal(go(&w, ferry_login(w.h, NULL, NULL, NULL)), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

/* A call from another address is closed unread, and the wait goes on. */
static void
strangers(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PORT *\nS: 200 ok\nC: RETR f\nstranger\nstranger\nS: 150 here\n"
	    "stranger\ndial\nsend hello\neof\nS: 226 done\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	assert_logged(&w, "stranger remote=127.0.0.2\n");
	world_end(&w);
}

/* Only strangers come: the deadline stands. */
static void
only_strangers(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PORT *\nS: 200 ok\nC: RETR f\nS: 150 here\nknock\nstranger\n"
	    "C: \\377\\364\\377\\362ABOR\nS: 426 stopped\nS: 226 aborted\n"
	    "C: NOOP\nS: 200 fine\n");
	ferry_set_mode(w.h, FERRY_MODE_PORT);
	ferry_set_timer(w.h, FERRY_TIMER_ACCEPT, 200);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_error(&w, "nobody called our port");
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	world_end(&w);
}

/* Somebody takes the call and hangs up, and the server waits on: that is not waited for.
 */
static void
hung_up_at_once(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nlisten\nS: 229 (|||%P|)\naccept\nC: RETR f\nS: 150 here\neof\n"
	    "C: \\377\\364\\377\\362ABOR\nS: 426 aborted\nS: 226 done\n"
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,1,%Q)\naccept\n" RETR_SCRIPT);
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 2000);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	assert_logged(&w, "mode-failed mode=2 it was closed at once");
	world_end(&w);
}

/* The command connection ends at EPSV: the caller learns at which way, for the next
 * session. */
static void
lost_at_a_way(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state, PLAIN_SCRIPT TYPE_I "C: EPSV\nclose\n");
	assert_int_equal(get(&w, &s), -FERRY_ECLOSED);
	assert_logged(&w, "mode-failed mode=2 the command connection broke");
	world_end(&w);
	start(&w, state, PLAIN_SCRIPT TYPE_I "C: EPSV\nend\n");
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 100);
	assert_int_equal(get(&w, &s), -FERRY_ETIMEOUT);
	assert_logged(&w, "mode-failed mode=2 the command was not answered in 0.");
	world_end(&w);
}

/* An early refusal ends the wait for the call. */
static void
early_refusal(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PORT *\nS: 200 ok\nC: RETR f\nS: 550 no such file\n"
	    "C: PORT *\nS: 200 ok\nC: RETR f\nS: 425 cannot reach you\n"
	    "C: NOOP\nS: 200 fine\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(get(&w, &s), -FERRY_EREFUSED);
	assert_error(&w, "RETR f: 550 no such file");
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_error(&w, "PORT (the server said 425 cannot reach you)");
	assert_int_equal(go(&w, ferry_command(w.h, "NOOP")), 0);
	world_end(&w);
}

/* Automatic mode listens only when it may; then after passive mode has failed. */
static void
active_as_last_resort(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: EPSV\nclosed\nS: 229 (|||%P|)\n"
	    "C: PASV\nclosed\nS: 227 (127,0,0,1,%Q)\n"
	    "C: PORT *\nS: 200 ok\nC: RETR f\ndial\nS: 150 here\nsend hello\n"
	    "eof\nS: 226 done\n"
	    "C: PORT *\nS: 200 ok\nC: RETR f\ndial\nS: 150 here\nsend hello\n"
	    "eof\nS: 226 done\n");
	ferry_set_active_allowed(w.h, true);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

static void
active_ports(void **state)
{
	struct world w;
	struct sink s;

	/* one port: 24106 is 94 x 256 + 42, and none that the system hands out */
	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: PORT 198,51,100,7,94,42\nS: 500 not yours\n"
				"C: EPRT |1|198.51.100.7|24106|\nS: 500 not yours\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(ferry_set_active_ports(w.h, 24106, 24106), 0);
	assert_int_equal(ferry_set_active_address(w.h, "198.51.100.7"), 0);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	world_end(&w);

	/* an address of the other family is of no use here */
	start(&w, state,
	    PLAIN_SCRIPT TYPE_I "C: PORT 127,0,0,1,94,42\nS: 500 not yours\n"
				"C: EPRT |1|127.0.0.1|24106|\nS: 500 not yours\n");
	ferry_set_mode(w.h, FERRY_MODE_ACTIVE);
	assert_int_equal(ferry_set_active_ports(w.h, 24106, 24106), 0);
	assert_int_equal(ferry_set_active_address(w.h, "2001:db8::7"), 0);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	world_end(&w);
}

/* 226 without a call: there was no transfer. */
static void
never_called(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PORT *\nS: 200 ok\nC: RETR f\nS: 150 here\nS: 226 done\n"
	    "C: PORT *\nS: 200 ok\nC: RETR f\ndial\nsend hello\neof\n"
	    "S: 226 done\n");
	ferry_set_mode(w.h, FERRY_MODE_PORT);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_error(&w, "never called port");
	/* but a call that was over before its 226 counts */
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	world_end(&w);
}

/* With trust, another address is dialled: here one where nobody listens. */
static void
trusted_address(void **state)
{
	struct world w;
	struct sink s;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I
	    "C: PASV\nlisten\nS: 227 ok (127,0,0,2,%Q)\n"
	    "C: PASV\nlisten\nS: 227 ok (0,0,0,0,%Q)\naccept\n" RETR_SCRIPT
	    "C: PASV\nlisten\nS: 227 ok (224,0,0,1,%Q)\naccept\n" RETR_SCRIPT);
	ferry_set_mode(w.h, FERRY_MODE_PASV);
	ferry_set_trust_pasv_address(w.h, true);
	assert_int_equal(get(&w, &s), -FERRY_EDATA);
	assert_logged(&w, "remote=127.0.0.2 used=127.0.0.2");
	assert_error(&w, "PASV (127.0.0.2 port ");
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(epsv),
	    BOTH(epsv_on_ipv6),
	    BOTH(takes_detours),
	    BOTH(begins_with_what_is_known),
	    BOTH(one_way_fails_at_once),
	    BOTH(remembers),
	    BOTH(begins_with_what_is_known),
	    BOTH(epsv_again),
	    BOTH(no_way),
	    BOTH(own_budgets),
	    BOTH(forced_modes),
	    BOTH(active_events),
	    BOTH(active_on_ipv6),
	    BOTH(strangers),
	    BOTH(only_strangers),
	    BOTH(hung_up_at_once),
	    BOTH(lost_at_a_way),
	    BOTH(early_refusal),
	    BOTH(active_as_last_resort),
	    BOTH(active_ports),
	    BOTH(never_called),
	    BOTH(trusted_address),
	};

	return cmocka_run_group_tests_name("client: data connections", tests, NULL, NULL);
}
