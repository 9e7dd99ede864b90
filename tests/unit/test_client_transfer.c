/*
 * The client engine: bytes. Downloads, uploads and listings, TYPE A, byte counts, stalls,
 * aborts, and servers that lie.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_world.h"

#define TYPE_I "C: TYPE I\nS: 200 I\n"
#define DATA "C: EPSV\nlisten\nS: 229 ok (|||%P|)\naccept\n"
#define IN_STEP "C: NOOP\nS: 200 in step\n"
#define ABOR "C: \\377\\364\\377\\362ABOR\n"

static void
start(struct world *w, void **state, const char *script)
{
	world_start(w, state, script);
	world_login(w);
}

static int
get(struct world *w, struct sink *s)
{
	s->bytes = 0;
	s->wrong = false;
	memset(s->text, 0, sizeof(s->text));
	return go(w, ferry_get(w->h, "f", s->from, sink_write, s));
}

/* The session is where it should be: the next command gets its own answer. */
static void
in_step(struct world *w)
{
	assert_int_equal(go(w, ferry_command(w->h, "NOOP")), 0);
	assert_string_equal(ferry_reply_text(w->h), "200 in step");
}

/* ---------------------------------------------------------------- download */

static void
downloads(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT TYPE_I
	    "C: SIZE f\nS: 213 5000000\n" DATA
	    "C: RETR f\nS: 150 here\nfill 5000000\neof\n"
	    "S: 226 done\n"
	    /* nothing at all; 226 before the end of the data; no 150 */
	    "C: SIZE f\nS: 213 0\n" DATA "C: RETR f\nS: 150 here\neof\nS: 226 done\n"
	    "C: SIZE f\nS: 213 100000\n" DATA
	    "C: RETR f\nS: 150 here\nS: 226 done\nfill 100000\n"
	    "eof\n"
	    "C: SIZE f\nS: 550 no\n" DATA
	    "C: RETR f\nfill 7\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(s.bytes, 5000000);
	assert_false(s.wrong);
	assert_true(w.progress > 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(s.bytes, 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(s.bytes, 100000);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(s.bytes, 7);
	in_step(&w);
	world_end(&w);
}

static void
resumes(void **state)
{
	struct sink s = {.from = 1000};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT TYPE_I
	    "C: SIZE f\nS: 213 1005\n" DATA "C: REST 1000\nS: 350 from there\nC: RETR f\n"
	    "S: 150 here (1005 bytes)\nsend 12345\neof\nS: 226 done\n"
	    "C: SIZE f\nS: 213 999\n"
	    "C: SIZE f\nS: 550 no\n" DATA "C: REST 1000\nS: 502 no\ngone\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "12345");
	assert_int_equal(get(&w, &s), -FERRY_ESHORT);
	assert_error(&w, "the file has 999 bytes");
	assert_int_equal(get(&w, &s), -FERRY_EUNSUPPORTED);
	ferry_set_binary(w.h, false);
	assert_int_equal(get(&w, &s), -FERRY_EINVAL);
	in_step(&w);
	world_end(&w);
}

/* Counts that do not agree, replies that are not positive. */
static const struct {
	const char *script;
	int result;
	const char *text;
} bad_downloads[] = {
    /* half a file with a 226 */
    {"C: SIZE f\nS: 213 1000\n" DATA
     "C: RETR f\nS: 150 here\nfill 500\neof\nS: 226 done\n",
	-FERRY_ESHORT, "500 bytes came and 1000 were announced"},
    {"C: SIZE f\nS: 213 10\n" DATA "C: RETR f\nS: 150 here\nfill 11\neof\nS: 226 done\n",
	-FERRY_ESHORT, "11 bytes came and 10 were announced"},
    {"C: SIZE f\nS: 550 no\n" DATA
     "C: RETR f\nS: 150 for f (12 bytes).\nfill 11\neof\nS: 226 done\n",
	-FERRY_ESHORT, "12 were announced"},
    /* the file grew after SIZE */
    {"C: SIZE f\nS: 213 10\n" DATA
     "C: RETR f\nS: 150 for f (12 bytes).\nfill 12\neof\nS: 226 done\n",
	0, ""},
    /* a full file with a bad reply */
    {"C: SIZE f\nS: 213 5\n" DATA "C: RETR f\nS: 150 here\nfill 5\neof\nS: 426 broke\n",
	-FERRY_ETEMPORARY, "cannot now do RETR f: 426 broke"},
    {"C: SIZE f\nS: 213 5\n" DATA "C: RETR f\nS: 150 here\nfill 5\neof\nS: 551 disk\n",
	-FERRY_EREFUSED, "refused RETR f: 551 disk"},
    {"C: SIZE f\nS: 213 5\n" DATA "C: RETR f\nS: 150 here\nfill 5\neof\nS: 350 what\n",
	-FERRY_EPROTO, "350 what"},
    /* refused at once, the data connection being open */
    {"C: SIZE f\nS: 550 no\n" DATA "C: RETR f\nS: 550 no such file\ngone\n",
	-FERRY_EREFUSED, "refused RETR f: 550 no such file"},
    {"C: SIZE f\nS: 550 no\n" DATA "C: RETR f\nS: 450 busy\ngone\n", -FERRY_ETEMPORARY,
	"450 busy"},
    {"C: SIZE f\nS: 550 no\n" DATA "C: RETR f\nS: 502 no RETR\ngone\n",
	-FERRY_EUNSUPPORTED, "does not support RETR f: 502"},
    /* 425 after a few bytes: they were not the server's */
    {"C: SIZE f\nS: 213 50\n" DATA "C: RETR f\nS: 150 here\nfill 5\neof\nS: 425 no\n",
	-FERRY_EDATA, "tried EPSV (the server said 425 no)"},
    /* after many it is the result */
    {"C: SIZE f\nS: 213 90000\n" DATA
     "C: RETR f\nS: 150 here\nfill 80000\neof\nS: 425 broke\n",
	-FERRY_ETEMPORARY, "425 broke"},
    /* the data connection breaks */
    {"C: SIZE f\nS: 550 no\n" DATA "C: RETR f\nS: 150 here\nreset\nS: 226 done\n",
	-FERRY_ESHORT, "broke after"},
    {"C: SIZE f\nS: 550 no\n" DATA "C: RETR f\nS: 150 here\nreset\nS: 426 broke\n",
	-FERRY_ETEMPORARY, "426 broke"},
};

static void
bad_downloads_fail(void **state)
{
	for (size_t i = 0; i < sizeof(bad_downloads) / sizeof(bad_downloads[0]); i++) {
		char script[2048];
		struct sink s = {0};
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s", LOGIN_SCRIPT TYPE_I,
		    bad_downloads[i].script, IN_STEP);
		start(&w, state, script);
		assert_int_equal(get(&w, &s), bad_downloads[i].result);
		assert_error(&w, bad_downloads[i].text);
		in_step(&w);
		world_end(&w);
	}
}

/* After these there is no session any more. */
static const struct {
	const char *script;
	int result;
	const char *text;
} lost[] = {
    /* 226 never comes */
    {DATA "C: RETR f\nS: 150 here\nfill 5\neof\nend\n", -FERRY_ETIMEOUT,
	"the data connection ended after 5 bytes, but 127.0.0.1 did not confirm it"},
    /* nothing comes at all */
    {DATA "C: RETR f\nend\n", -FERRY_ETIMEOUT, "did not answer RETR f"},
    /* the control connection ends at any moment */
    {"C: EPSV\nclose\n", -FERRY_ECLOSED, "closed the control connection after EPSV"},
    {DATA "C: RETR f\nclose\n", -FERRY_ECLOSED, "after RETR f"},
    {DATA "C: RETR f\nabort\n", -FERRY_ECLOSED, "after RETR f"},
    {DATA "C: RETR f\nS: 150 here\nfill 5\nclose\n", -FERRY_ECLOSED, "after RETR f"},
    {DATA "C: RETR f\nS: 150 here\nfill 5\neof\nclose\n", -FERRY_ECLOSED, "after RETR f"},
    {DATA "C: RETR f\nS: 150 here\nfill 5\nS: 421 shutting down\nclose\n",
	-FERRY_ETEMPORARY, "421 shutting down"},
    {DATA "C: RETR f\nflood 200 150 here\nend\n", -FERRY_EPROTO, "keeps saying 150"},
    {DATA "C: RETR f\nraw what is this\\r\\n\nend\n", -FERRY_EPROTO,
	"does not speak FTP"},
};

static void
lost_sessions(void **state)
{
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		char script[1024];
		struct sink s = {0};
		struct world w;

		snprintf(
		    script, sizeof(script), "%s%s", PLAIN_SCRIPT TYPE_I, lost[i].script);
		start(&w, state, script);
		ferry_set_timer(w.h, FERRY_TIMER_REPLY, 100);
		assert_int_equal(get(&w, &s), lost[i].result);
		assert_error(&w, lost[i].text);
		if (lost[i].result != -FERRY_ETEMPORARY)
			assert_false(ferry_is_connected(w.h));
		world_end(&w);
	}
}

/* The final reply was there before the control connection ended: the rest of the data
 * counts. */
static void
closed_after_226(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I DATA
	    "C: RETR f\nS: 150 here\nS: 226 done\nclose\nfill 20000000\n"
	    "eof\n");
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(s.bytes, 20000000);
	assert_false(ferry_is_connected(w.h));
	world_end(&w);
}

static void
byte_by_byte(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    "slow\n" LOGIN_SCRIPT TYPE_I "C: SIZE f\nS: 213 5\n" DATA
	    "C: RETR f\nS: 150-opening\nS:  150 not yet\nS: 150 here\nsend hello\neof\n"
	    "S: 226-it\nS: 226 done\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "hello");
	in_step(&w);
	world_end(&w);
}

/* ---------------------------------------------------------------- TYPE A */

static void
ascii_download(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT
	    "C: TYPE A\nS: 200 A\n" DATA
	    "C: RETR f\nS: 150 here (4 bytes)\nsend a\\r\\nb\\rc\\nd\\r\nsend \\r\\n\n"
	    "send e\\r\neof\nS: 226 done\n");
	ferry_set_binary(w.h, false);
	assert_int_equal(get(&w, &s), 0);
	/* CR LF becomes LF, whatever the cut; a bare CR or LF stays */
	assert_string_equal(s.text, "a\nb\rc\nd\r\ne\r");
	world_end(&w);
}

static void
ascii_upload(void **state)
{
	struct source src = {.text = "a\nb\r\n\n", .total = 6, .piece = 1};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT
	    "C: TYPE A\nS: 200 A\n" DATA
	    "C: STOR f\nS: 150 go\nrecv a\\r\\nb\\r\\r\\n\\r\\n\nS: 226 done\n"
	    /* back to TYPE I */
	    "C: TYPE I\nS: 200 I\n" DATA "C: STOR f\nS: 150 go\nrecv a\\n\n"
	    "S: 226 done\n");
	ferry_set_binary(w.h, false);
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, 6, source_read, &src)), 0);
	ferry_set_binary(w.h, true);
	src = (struct source){.text = "a\n", .total = 2};
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, 2, source_read, &src)), 0);
	world_end(&w);
}

/* ---------------------------------------------------------------- upload */

static void
uploads(void **state)
{
	struct source src = {.total = 5000000};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT TYPE_I DATA
	    "C: STOR f\nS: 150 go\nsink 5000000\nS: 226 done\n" DATA
	    "C: STOR f\nS: 150 go\nsink 0\nS: 226 done\n" DATA
	    "C: APPE f\nS: 125 go\nsink 3\nS: 250 done\n" DATA
	    "C: STOU\nS: 150 FILE: made up 1\nsink 3\nS: 226 done\n" DATA
	    "C: STOU f\nS: 150 FILE: f.1\nsink 3\nS: 226 done\n" DATA
	    "C: REST 100\nS: 350 ok\nC: STOR f\nS: 150 go\nsink 3\n"
	    "S: 226 done\n" IN_STEP);
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, 5000000, source_read, &src)),
	    0);
	assert_logged(&w, "STOR path=f up bytes=5000000 size=5000000");
	src = (struct source){0};
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, 0, source_read, &src)), 0);
	src = (struct source){.total = 3};
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_APPEND, 0, -1, source_read, &src)), 0);
	src = (struct source){.total = 3};
	assert_int_equal(
	    go(&w, ferry_put(w.h, NULL, FERRY_PUT_UNIQUE, 0, -1, source_read, &src)), 0);
	assert_string_equal(ferry_unique_name(w.h), "made up 1");
	src = (struct source){.total = 3};
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_UNIQUE, 0, -1, source_read, &src)), 0);
	assert_string_equal(ferry_unique_name(w.h), "f.1");
	src = (struct source){.total = 3};
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 100, 3, source_read, &src)), 0);
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_APPEND, 1, 3, source_read, &src)),
	    -FERRY_EINVAL);
	in_step(&w);
	world_end(&w);
}

#define STOR DATA "C: STOR f\nS: 150 go\n"
static const struct {
	struct source src;
	int64_t size;
	const char *script;
	int result;
	const char *text;
} bad_uploads[] = {
    /* refused before a byte was asked for */
    {{.total = 9}, 9, DATA "C: STOR f\nS: 553 no\nbroken\n", -FERRY_EREFUSED,
	"refused STOR f: 553 no"},
    {{.total = 9}, 9, DATA "C: STOR f\nS: 452 full\nbroken\n", -FERRY_ETEMPORARY,
	"452 full"},
    /* the server stops in the middle */
    {{.total = UINT64_MAX}, -1, STOR "S: 552 quota\nbroken\n", -FERRY_EREFUSED,
	"552 quota"},
    {{.total = UINT64_MAX}, -1, STOR "reset\nS: 426 broke\n", -FERRY_ETEMPORARY,
	"426 broke"},
    {{.total = UINT64_MAX}, -1, STOR "eof\nS: 226 done\n", -FERRY_ESHORT, ""},
    /* the source is not what it was said to be, or fails: the server must not see a good
       end */
    {{.total = 5}, 9, STOR ABOR "broken\nS: 426 broke\nS: 226 aborted\n", -FERRY_ESHORT,
	"had to have 9 bytes, but here are only 5"},
    {{.total = 12}, 9, STOR ABOR "broken\nS: 426 broke\nS: 226 aborted\n", -FERRY_ESHORT,
	"had to have 9 bytes"},
    {{.total = 12, .fail_at = 4, .piece = 4}, 12,
	STOR ABOR "broken\nS: 426 broke\nS: 226 aborted\n", -FERRY_ELOCAL,
	"stopped on this side"},
    /* everything sent, but the reply is bad */
    {{.total = 9}, 9, STOR "sink 9\nS: 451 disk\n", -FERRY_ETEMPORARY, "451 disk"},
};

static void
bad_uploads_fail(void **state)
{
	for (size_t i = 0; i < sizeof(bad_uploads) / sizeof(bad_uploads[0]); i++) {
		struct source src = bad_uploads[i].src;
		char script[1024];
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s", PLAIN_SCRIPT TYPE_I,
		    bad_uploads[i].script, IN_STEP);
		start(&w, state, script);
		assert_int_equal(go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0,
					    bad_uploads[i].size, source_read, &src)),
		    bad_uploads[i].result);
		assert_error(&w, bad_uploads[i].text);
		in_step(&w);
		world_end(&w);
	}
}

/* ---------------------------------------------------------------- stopping */

/* What servers answer to ABOR; all of them leave the session in step. */
static const char *const calm_ways[] = {
    "broken\nS: 426 stopped\nS: 226 aborted\n" IN_STEP,
    "broken\nS: 426 stopped\nS: 225 aborted\n" IN_STEP,
    /* the transfer was over already */
    "broken\nS: 226 done\nS: 225 nothing to abort\n" IN_STEP,
    "broken\nS: 426 stopped\nS: 500 what?\n" IN_STEP,
    "broken\nS: 426-stopped\nS: 426 really\nS: 226 aborted\n" IN_STEP,
    /* one reply only: NOOP marks the end of what belongs to ABOR */
    "broken\nS: 426 stopped\nC: NOOP\nS: 200 here\n" IN_STEP,
    "broken\nS: 226 aborted\nC: NOOP\nS: 500 what?\n" IN_STEP,
    /* none at all, or one in disguise, as Pure-FTPd sends it */
    "broken\nC: NOOP\nS: 200 here\n" IN_STEP,
    "broken\nS: 150 0.001 seconds\nC: NOOP\nS: 200 here\n" IN_STEP,
    /* the second reply comes late, after NOOP was sent */
    "broken\nS: 426 stopped\nC: NOOP\nS: 226 aborted\nS: 200 here\n" IN_STEP,
};

static void
aborts(void **state)
{
	for (size_t i = 0; i < sizeof(calm_ways) / sizeof(calm_ways[0]); i++) {
		char script[1024];
		struct sink s = {0};
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s",
		    PLAIN_SCRIPT TYPE_I DATA "C: RETR f\nS: 150 here\npour\n", ABOR,
		    calm_ways[i]);
		start(&w, state, script);
		/* the wait for a second reply that never comes */
		ferry_set_timer(w.h, FERRY_TIMER_REPLY, 200);
		w.abort_at = 1;
		assert_int_equal(get(&w, &s), -FERRY_EABORTED);
		assert_string_equal(ferry_error_text(w.h), "get was stopped");
		in_step(&w);
		world_end(&w);
	}
}

/* The callback says stop: the same way out, another result. */
static void
callback_stops(void **state)
{
	struct sink s = {.stop_at = 1000};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I DATA "C: RETR f\nS: 150 here\npour\n" ABOR
				     "S: 426 stopped\nS: 226 aborted\n" IN_STEP);
	assert_int_equal(get(&w, &s), -FERRY_ELOCAL);
	assert_error(&w, "stopped on this side");
	in_step(&w);
	world_end(&w);
}

/* After the final reply there is nothing to abort. */
static void
stops_after_226(void **state)
{
	struct sink s = {.stop_at = 10000000};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I DATA
	    "C: RETR f\nS: 150 here\nS: 226 done\npour\n" IN_STEP);
	assert_int_equal(get(&w, &s), -FERRY_ELOCAL);
	in_step(&w);
	world_end(&w);
}

/* A server that does not answer ABOR loses the connection, and the call still returns. */
static void
abor_unanswered(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I DATA "C: RETR f\nS: 150 here\npour\n" ABOR
				     "C: NOOP\nend\n");
	ferry_set_timer(w.h, FERRY_TIMER_REPLY, 100);
	w.abort_at = 1;
	assert_int_equal(get(&w, &s), -FERRY_EABORTED);
	assert_false(ferry_is_connected(w.h));
	world_end(&w);
}

static void
upload_aborted(void **state)
{
	struct source src = {.total = UINT64_MAX};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I STOR ABOR
	    "broken\nS: 426 stopped\nS: 226 aborted\n" IN_STEP);
	w.abort_at = 1;
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, -1, source_read, &src)),
	    -FERRY_EABORTED);
	in_step(&w);
	world_end(&w);
}

/* Before the transfer command: nothing to abort on the server's side. */
static void
aborted_early(void **state)
{
	struct sink s = {0};
	struct world w;

	(void)state;
	world_start(
	    &w, (void *[]){&world_events}, PLAIN_SCRIPT "C: TYPE I\nS: 200 I\n" IN_STEP);
	world_login(&w);
	assert_int_equal(ferry_get(w.h, "f", 0, sink_write, &s), FERRY_AGAIN);
	ferry_abort(w.h);
	assert_int_equal(go(&w, FERRY_AGAIN), -FERRY_EABORTED);
	in_step(&w);
	world_end(&w);
}

static void
stalls(void **state)
{
	struct source src = {.total = UINT64_MAX};
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT TYPE_I DATA "C: RETR f\nS: 150 here\nfill 10\n" ABOR
				     "S: 426 stopped\nS: 226 aborted\n" STOR ABOR
				     "S: 426 stopped\nS: 226 aborted\n" IN_STEP);
	ferry_set_timer(w.h, FERRY_TIMER_STALL, 100);
	assert_int_equal(get(&w, &s), -FERRY_ESTALLED);
	assert_error(&w, "the data connection (EPSV, 127.0.0.1 port");
	assert_error(&w, "stood still for 0.1 s after 10 bytes");
	assert_int_equal(
	    go(&w, ferry_put(w.h, "f", FERRY_PUT_STORE, 0, -1, source_read, &src)),
	    -FERRY_ESTALLED);
	in_step(&w);
	world_end(&w);
}

/* ---------------------------------------------------------------- listings */

struct names {
	char text[4096]; /* "name:size " for each */
	unsigned count, stop_at;
};

static int
note_entry(struct ferry_entry *e, void *user)
{
	struct names *n = user;
	size_t len = strlen(n->text);

	assert_int_equal(e->struct_size, sizeof(*e));
	if (len < sizeof(n->text) - 300)
		snprintf(n->text + len, sizeof(n->text) - len, "%.100s:%lld ", e->name,
		    (long long)e->size);
	return ++n->count == n->stop_at;
}

static int
list(struct world *w, const char *path, struct names *n)
{
	n->count = 0;
	n->text[0] = '\0';
	return go(w, ferry_list(w->h, path, note_entry, n));
}

static void
lists(void **state)
{
	struct names n = {0};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT DATA
	    "C: MLSD\nS: 150 here\nsend type=cdir; .\\r\\ntype=pdir; "
	    "..\\r\\ntype=file;si\n"
	    "send ze=5; a b\\r\\n\nsend type=dir; d\\r\nsend \\ntype=file;size=7; "
	    "last\neof\n"
	    "S: 226 done\n" DATA "C: MLSD dir\nS: 550 none\ngone\n" DATA
	    "C: MLSD x\nS: 150 here\neof\nS: 226 done\n"
	    /* MLST in FEAT, but no MLSD */
	    DATA "C: MLSD -x\nS: 500 what?\ngone\n" DATA "C: LIST ./-x\nS: 150 here\n"
	    "send total 3\\r\\n-rw-r--r-- 1 u g 12 Nov 23 2020 old file\\r\\n\n"
	    "send drwxr-xr-x 2 u g 4096 Nov 23 2020 .\\r\\n\n"
	    "send what is this\\r\\n12-31-20  01:02PM  <DIR>  dos\\n\neof\nS: 226 "
	    "done\n" DATA "C: LIST\nS: 150 here\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(list(&w, NULL, &n), 0);
	assert_string_equal(n.text, "a b:5 d:-1 last:7 ");
	assert_int_equal(list(&w, "dir", &n), -FERRY_EREFUSED);
	assert_int_equal(list(&w, "x", &n), 0);
	assert_int_equal(n.count, 0);
	assert_int_equal(list(&w, "-x", &n), 0);
	assert_string_equal(n.text, "old file:12 dos:-1 ");
	assert_logged(&w,
	    "warning 127.0.0.1 sent a line in a listing that is not understood: "
	    "what is this");
	assert_int_equal(list(&w, NULL, &n), 0);
	in_step(&w);
	world_end(&w);
}

/* The same entries however the bytes are cut. */
static void
list_any_cut(void **state)
{
	static const char text[] = "type=file;size=1; a\\r\\ntype=file;size=2; b\\r\\n";
	char script[4096];
	struct names n = {0};
	struct world w;
	size_t len = (size_t)snprintf(
	    script, sizeof(script), "%s", LOGIN_SCRIPT DATA "C: MLSD\nS: 150 here\n");

	for (const char *p = text; *p; p += *p == '\\' ? 2 : 1)
		len += (size_t)snprintf(script + len, sizeof(script) - len, "send %.*s\n",
		    *p == '\\' ? 2 : 1, p);
	snprintf(script + len, sizeof(script) - len, "eof\nS: 226 done\n");
	start(&w, state, script);
	assert_int_equal(list(&w, NULL, &n), 0);
	assert_string_equal(n.text, "a:1 b:2 ");
	world_end(&w);
}

/* A line that is too long costs one warning, and the next one is read again. */
static void
list_long_line(void **state)
{
	static char script[70000];
	struct names n = {0};
	struct world w;
	size_t len = (size_t)snprintf(script, sizeof(script), "%s",
	    LOGIN_SCRIPT DATA "C: MLSD\nS: 150 here\nsend type=file; ");

	memset(script + len, 'x', 40000);
	len += 40000;
	snprintf(script + len, sizeof(script) - len, "%s",
	    "\\r\\ntype=file;size=2; b\\r\\n\neof\nS: 226 done\n");
	start(&w, state, script);
	assert_int_equal(list(&w, NULL, &n), 0);
	assert_string_equal(n.text, "b:2 ");
	assert_logged(&w, "warning 127.0.0.1 sent a line in a listing that is too long");
	world_end(&w);
}

/* The callback ends a listing that has no end. */
static void
list_stopped(void **state)
{
	struct names n = {.stop_at = 2};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT DATA
	    "C: MLSD\nS: 150 here\nsend type=file; a\\r\\ntype=file; b\\r\\n\n"
	    "pour\n" ABOR "S: 426 stopped\nS: 226 aborted\n" IN_STEP);
	assert_int_equal(list(&w, NULL, &n), -FERRY_ELOCAL);
	assert_int_equal(n.count, 2);
	in_step(&w);
	world_end(&w);
}

/* Garbage without a line end costs bounded memory; the user stops it. */
static void
list_garbage(void **state)
{
	struct names n = {0};
	struct world w;

	start(&w, state,
	    LOGIN_SCRIPT DATA "C: MLSD\nS: 150 here\npour\n" ABOR
			      "S: 426 stopped\nS: 226 aborted\n" IN_STEP);
	w.abort_at = 3;
	assert_int_equal(list(&w, NULL, &n), -FERRY_EABORTED);
	in_step(&w);
	world_end(&w);
}

static void
list_raw(void **state)
{
	struct sink s = {0};
	struct world w;

	start(&w, state,
	    PLAIN_SCRIPT DATA
	    "C: NLST\nS: 150 here\nsend a\\r\\nb\\r\\n\neof\nS: 226 done\n"
	    /* RFC 959 4.1.3 wants TYPE A: asked for when TYPE I is in force */
	    TYPE_I DATA "C: RETR f\nS: 150 here\neof\nS: 226 done\n"
	    "C: TYPE A\nS: 200 A\n" DATA
	    "C: LIST -a x\nS: 150 here\nsend y\\n\neof\nS: 226 done\n" DATA
	    "C: MLSD\nS: 150 here\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(go(&w, ferry_list_raw(w.h, "NLST", NULL, sink_write, &s)), 0);
	assert_string_equal(s.text, "a\r\nb\r\n");
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(go(&w, ferry_list_raw(w.h, "LIST", "-a x", sink_write, &s)), 0);
	assert_string_equal(s.text, "y\n");
	assert_int_equal(go(&w, ferry_list_raw(w.h, "MLSD", "", sink_write, &s)), 0);
	in_step(&w);
	world_end(&w);
}

/* ---------------------------------------------------------------- threads */

#define THREADS 4

/* One handle per thread, each with its own server: no case of its own for assertions,
 * which belong to the main thread. */
static void *
session_thread(void *arg)
{
	struct sink s = {0};
	struct fake *f = arg;
	struct ferry *h;
	int r = ferry_new(&h);

	if (r == 0)
		r = ferry_set_tls(h, FERRY_TLS_NEVER);
	if (r == 0)
		r = ferry_connect(h, "localhost", fake_port(f));
	if (r == 0)
		r = ferry_login(h, NULL, NULL, NULL);
	if (r == 0)
		r = ferry_get(h, "f", 0, sink_write, &s);
	if (r == 0 && (s.wrong || s.bytes != 1000000))
		r = -FERRY_ESHORT;
	if (r == 0)
		r = ferry_list_raw(h, "LIST", "nowhere", sink_write, &s);
	ferry_free(h);
	return (void *)(intptr_t)r;
}

static void *
server_thread(void *arg)
{
	fake_run(arg);
	return NULL;
}

static void
handles_are_independent(void **state)
{
	pthread_t sessions[THREADS], servers[THREADS];
	struct fake *f[THREADS];

	(void)state;
	alarm(60);
	for (int i = 0; i < THREADS; i++) {
		f[i] = fake_new("127.0.0.1",
		    LOGIN_SCRIPT TYPE_I "C: SIZE f\nS: 213 1000000\n" DATA
					"C: RETR f\nS: 150 here\nfill 1000000\n"
					"eof\nS: 226 done\nC: TYPE A\nS: 200 A\n" DATA
					"C: LIST nowhere\nS: 550 none\ngone\n");
		assert_non_null(f[i]);
		assert_int_equal(
		    pthread_create(&servers[i], NULL, server_thread, f[i]), 0);
		assert_int_equal(
		    pthread_create(&sessions[i], NULL, session_thread, f[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(sessions[i], &r);
		pthread_join(servers[i], NULL);
		assert_null(fake_error(f[i]));
		assert_int_equal((intptr_t)r, -FERRY_EREFUSED);
		fake_free(f[i]);
	}
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(downloads),
	    BOTH(resumes),
	    BOTH(bad_downloads_fail),
	    BOTH(lost_sessions),
	    BOTH(closed_after_226),
	    BOTH(byte_by_byte),
	    BOTH(ascii_download),
	    BOTH(ascii_upload),
	    BOTH(uploads),
	    BOTH(bad_uploads_fail),
	    BOTH(aborts),
	    BOTH(callback_stops),
	    BOTH(stops_after_226),
	    BOTH(abor_unanswered),
	    BOTH(upload_aborted),
	    cmocka_unit_test(aborted_early),
	    BOTH(stalls),
	    BOTH(lists),
	    BOTH(list_any_cut),
	    BOTH(list_long_line),
	    BOTH(list_stopped),
	    BOTH(list_garbage),
	    BOTH(list_raw),
	    cmocka_unit_test(handles_are_independent),
	};

	return cmocka_run_group_tests_name("client: transfers", tests, NULL, NULL);
}
