/*
 * ferry_put_many(): several uploads as one operation, over one connection in MODE B, and
 * one after the other with the next one's EPSV ahead. Which bytes arrive under which name
 * is what all of this is about.
 */
#include <stdio.h>
#include <string.h>

#include "client_world.h"

#define FEATURES                                                                         \
	"S: 220 ready\n"                                                                 \
	"C: USER anonymous\n"                                                            \
	"S: 230 in\n"                                                                    \
	"C: FEAT\n"                                                                      \
	"S: 211-Features:\n"                                                             \
	"S:  MODE B\n"                                                                   \
	"S: 211 End\n"
#define TYPE_I "C: TYPE I\nS: 200 I\n"
#define MODE_B "C: MODE B\nS: 200 B\n"
#define MODE_S "C: MODE S\nS: 200 S\n"
#define LISTEN "listen\nS: 229 ok (|||%P|)\n"
#define DATA "C: EPSV\n" LISTEN "accept\n"
#define ABOR "C: \\377\\364\\377\\362ABOR\n"
#define IN_STEP "C: NOOP\nS: 200 in step\n"
#define DONE "S: 250 done\n"

#define FILES 3

/* Three files here, and what became of each. */
struct goods {
	const char *text[FILES];
	size_t at[FILES];
	unsigned opened[FILES], ended[FILES];
	int result[FILES];
	char error[FILES][256];
	size_t missing; /* index + 1 of one that cannot be opened */
	int64_t said;   /* what its size is said to be, of a; -1: not known */
	bool ahead;
	unsigned open, most_open;
	size_t fed; /* paths that the operation has been given */
	struct world *w;
};

static const char *const paths[FILES] = {"a", "b", "c"};

#define GOODS                                                                            \
	{                                                                                \
		.text = {"abc", "", "xyz"}, .said = 3                                    \
	}

static int
goods_open(size_t i, int64_t *ret_size, void *user)
{
	struct goods *g = user;

	assert_int_equal(g->opened[i], 0);
	assert_int_equal(g->ended[i], 0);
	if (g->missing == i + 1)
		return 1;
	g->opened[i]++;
	if (++g->open > g->most_open)
		g->most_open = g->open;
	if (i > 0)
		*ret_size = (int64_t)strlen(g->text[i]);
	else if (g->said >= 0)
		*ret_size = g->said;
	return 0;
}

static int64_t
goods_read(size_t i, void *data, size_t max, void *user)
{
	struct goods *g = user;
	size_t n = strlen(g->text[i] + g->at[i]);

	assert_true(g->opened[i] == 1 && g->ended[i] == 0);
	n = n < max ? n : max;
	memcpy(data, g->text[i] + g->at[i], n);
	g->at[i] += n;
	return (int64_t)n;
}

static void
goods_end(size_t i, int result, void *user)
{
	struct goods *g = user;

	g->ended[i]++;
	g->open -= g->opened[i];
	g->result[i] = result;
	snprintf(g->error[i], sizeof(g->error[i]), "%s", ferry_error_text(g->w->h));
	assert_int_equal(ferry_command(g->w->h, "NOOP"), -FERRY_ESTATE);
}

static const char *
goods_more(void *user)
{
	struct goods *g = user;

	return g->fed < FILES ? paths[g->fed++] : NULL;
}

/* Event-driven, the operation is given the first name and asks for the others: that makes
 * no difference to the server. */
static int
run_many(struct world *w, struct goods *g)
{
	struct ferry_put_many many = {
	    .struct_size = sizeof(many),
	    .open = goods_open,
	    .read = goods_read,
	    .end = goods_end,
	    .ahead = g->ahead,
	};

	g->w = w;
	g->fed = FILES;
	if (w->event_driven) {
		many.more = goods_more;
		g->fed = 1;
	}
	return go(w, ferry_put_many(w->h, paths, g->fed, &many, g));
}

/* The script of a session from its TYPE on. */
static int
put_many(struct world *w, void **state, enum ferry_coding coding, const char *script,
    struct goods *g)
{
	static char all[4096];

	snprintf(all, sizeof(all), "%s%s%s", FEATURES, TYPE_I, script);
	world_start(w, state, all);
	assert_int_equal(ferry_set_coding(w->h, coding), 0);
	world_login(w);
	return run_many(w, g);
}

static void
in_step(struct world *w)
{
	assert_int_equal(go(w, ferry_command(w->h, "NOOP")), 0);
	assert_string_equal(ferry_reply_text(w->h), "200 in step");
	world_end(w);
}

static void
check(const struct goods *g, int a, int b, int c)
{
	int want[FILES] = {a, b, c};

	for (size_t i = 0; i < FILES; i++) {
		assert_int_equal(g->ended[i], 1);
		assert_int_equal(g->result[i], want[i]);
		assert_int_equal(strlen(g->error[i]) > 0, want[i] < 0);
	}
	assert_int_equal(g->open, 0);
	assert_in_range(g->most_open, 1, FERRY_PUT_OPEN_MAX);
}

/* ---------------------------------------------------------------- MODE B */

#define SEND_A "S: 150 a\ntake \\100\\000\\003abc\n" DONE
#define SEND_B "S: 125 b\ntake \\100\\000\\000\n" DONE
#define SEND_C "S: 125 c\ntake \\100\\000\\003xyz\n" DONE

/* The next STOR is there before a file has gone, and none of its bytes before the word.
 */
static void
over_one_connection(void **state)
{
	struct goods g = GOODS;
	struct world w;

	assert_int_equal(put_many(&w, state, FERRY_CODING_AUTO,
			     MODE_B DATA "C: STOR a\nC: STOR b\n" SEND_A
					 "C: STOR c\n" SEND_B SEND_C IN_STEP,
			     &g),
	    0);
	check(&g, 0, 0, 0);
	assert_int_equal(g.most_open, 2);
	in_step(&w);
}

/* How long it is, nobody knows: its end comes by itself. */
static void
of_unknown_length(void **state)
{
	struct goods g = GOODS;
	struct world w;

	g.said = -1;
	assert_int_equal(put_many(&w, state, FERRY_CODING_AUTO,
			     MODE_B DATA "C: STOR a\nC: STOR b\nS: 150 a\n"
					 "take \\000\\000\\003abc\\100\\000\\000\n" DONE
					 "C: STOR c\n" SEND_B SEND_C IN_STEP,
			     &g),
	    0);
	check(&g, 0, 0, 0);
	in_step(&w);
}

/* What is refused sends nothing, and the next file's bytes are its own. */
static void
a_refusal_is_its_own(void **state)
{
	struct goods g = GOODS;
	struct world w;

	assert_int_equal(
	    put_many(&w, state, FERRY_CODING_AUTO,
		MODE_B DATA "C: STOR a\nC: STOR b\nS: 553 no\nC: STOR c\n"
			    "S: 150 b\ntake \\100\\000\\000\n" DONE SEND_C IN_STEP,
		&g),
	    0);
	check(&g, -FERRY_EREFUSED, 0, 0);
	assert_non_null(strstr(g.error[0], "553 no"));
	assert_int_equal(g.at[0], 0);
	in_step(&w);
}

/* One that is gone here is not even named there. */
static void
one_is_missing_here(void **state)
{
	static const struct {
		const char *blocks, *stream;
	} scripts[FILES] = {
	    {"C: STOR b\nC: STOR c\nS: 150 b\ntake \\100\\000\\000\n" DONE SEND_C,
		DATA "C: STOR b\nS: 150 b\nrecv \nS: 226 done\n" DATA
		     "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n"},
	    {"C: STOR a\nC: STOR c\n" SEND_A SEND_C,
		DATA "C: STOR a\nS: 150 a\nrecv abc\nS: 226 done\n" DATA
		     "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n"},
	    {"C: STOR a\nC: STOR b\n" SEND_A SEND_B,
		DATA "C: STOR a\nS: 150 a\nrecv abc\nS: 226 done\n" DATA
		     "C: STOR b\nS: 150 b\nrecv \nS: 226 done\n"},
	};

	for (size_t i = 0; i < 2 * FILES; i++) {
		bool blocks = i < FILES;
		size_t gone = i % FILES;
		struct goods g = GOODS;
		char script[1000];
		struct world w;

		g.missing = gone + 1;
		snprintf(script, sizeof(script), "%s%s" IN_STEP,
		    blocks ? MODE_B DATA : "",
		    blocks ? scripts[gone].blocks : scripts[gone].stream);
		assert_int_equal(
		    put_many(&w, state, blocks ? FERRY_CODING_AUTO : FERRY_CODING_STREAM,
			script, &g),
		    0);
		check(&g, gone == 0 ? -FERRY_ELOCAL : 0, gone == 1 ? -FERRY_ELOCAL : 0,
		    gone == 2 ? -FERRY_ELOCAL : 0);
		in_step(&w);
	}
}

/* The connection goes: what had not begun goes as a stream, from its beginning. */
static void
the_rest_is_a_stream(void **state)
{
	struct goods g = GOODS;
	struct world w;

	assert_int_equal(
	    put_many(&w, state, FERRY_CODING_AUTO,
		MODE_B DATA "C: STOR a\nC: STOR b\n" SEND_A
			    "C: STOR c\nS: 425 none\neof\nS: 425 none\n" MODE_S DATA
			    "C: STOR b\nS: 150 b\nrecv \nS: 226 done\n" DATA
			    "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n" IN_STEP,
		&g),
	    0);
	check(&g, 0, 0, 0);
	in_step(&w);
}

/* The session ends: the file under way has that result, the one that stood behind it was
 * not tried, and of the third nobody hears. */
static void
lost(void **state)
{
	struct goods g = GOODS;
	struct world w;

	assert_int_equal(put_many(&w, state, FERRY_CODING_AUTO,
			     MODE_B DATA "C: STOR a\nC: STOR b\nS: 150 a\nclose\n", &g),
	    -FERRY_ECLOSED);
	assert_int_equal(g.result[0], -FERRY_ECLOSED);
	assert_int_equal(g.result[1], -FERRY_EABORTED);
	assert_int_equal(g.ended[0] + g.ended[1], 2);
	assert_int_equal(g.opened[2] + g.ended[2] + g.open, 0);
	world_end(&w);
}

/* ---------------------------------------------------------------- streams, ahead */

#define FIRST_A DATA "C: STOR a\nS: 150 a\nrecv abc\nS: 226 done\n"
#define ASK_B DATA "C: STOR b\nC: EPSV\n"

static const char *
event(const struct world *w, const char *text)
{
	const char *p = strstr(w->log, text);

	if (!p)
		fail_msg("no \"%s\" in:\n%s", text, w->log);
	return p;
}

/* Once a way has worked: EPSV goes with the STOR before, and bytes before the 150. */
static void
ahead(void **state)
{
	struct goods g = GOODS;
	struct world w;

	g.text[1] = "second";
	g.ahead = true;
	assert_int_equal(put_many(&w, state, FERRY_CODING_STREAM,
			     FIRST_A ASK_B "recv second\nS: 150 b\nS: 226 done\n" LISTEN
					   "accept\nC: STOR c\nrecv xyz\n"
					   "S: 150 c\nS: 226 done\n" IN_STEP,
			     &g),
	    0);
	check(&g, 0, 0, 0);
	assert_true(event(&w, "STOR path=b up") < event(&w, "reply 150 b"));
	in_step(&w);
}

/* A port that was just in use may still have the last file's connection in its queue. */
static void
not_to_the_same_port(void **state)
{
	struct goods g = GOODS;
	struct world w;

	g.ahead = true;
	assert_int_equal(
	    put_many(&w, state, FERRY_CODING_STREAM,
		FIRST_A "C: EPSV\nlisten same\nS: 229 ok (|||%P|)\naccept\n"
			"C: STOR b\nC: EPSV\nS: 150 b\nrecv \nS: 226 done\n"
			"listen same\nS: 229 ok (|||%P|)\naccept\n"
			"C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n" IN_STEP,
		&g),
	    0);
	check(&g, 0, 0, 0);
	assert_true(event(&w, "reply 150 b") < event(&w, "STOR path=b up"));
	assert_true(event(&w, "reply 150 c") < event(&w, "STOR path=c up"));
	in_step(&w);
}

/* Its bytes were sent already. From then on they wait for the server's word. */
static void
ahead_of_a_refusal(void **state)
{
	struct goods g = GOODS;
	struct world w;

	g.text[1] = "second";
	g.ahead = true;
	assert_int_equal(put_many(&w, state, FERRY_CODING_STREAM,
			     FIRST_A ASK_B "recv second\nS: 553 no\n" LISTEN
					   "accept\nC: STOR c\nS: 150 c\nrecv xyz\n"
					   "S: 226 done\n" IN_STEP,
			     &g),
	    0);
	check(&g, 0, -FERRY_EREFUSED, 0);
	assert_true(event(&w, "reply 150 c") < event(&w, "STOR path=c up"));
	in_step(&w);
}

/* A server that does not keep the order is told one thing after the other. */
static void
ahead_out_of_order(void **state)
{
	struct goods g = GOODS;
	struct world w;

	g.ahead = true;
	assert_int_equal(
	    put_many(&w, state, FERRY_CODING_STREAM,
		FIRST_A ASK_B "S: 150 b\nS: 229 ok (|||1025|)\n" ABOR
			      "S: 226 done\nS: 225 none\n" DATA
			      "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n" IN_STEP,
		&g),
	    0);
	check(&g, 0, -FERRY_ESHORT, 0);
	in_step(&w);
}

/* Fewer bytes than were promised are no upload. */
static void
another_length(void **state)
{
	static const int64_t said[] = {2, 4};

	for (size_t i = 0; i < 2; i++) {
		struct goods g = GOODS;
		struct world w;

		g.said = said[i];
		assert_int_equal(
		    put_many(&w, state, FERRY_CODING_STREAM,
			DATA "C: STOR a\nS: 150 a\n" ABOR
			     "broken\nS: 426 cut\nS: 226 stopped\n" DATA
			     "C: STOR b\nS: 150 b\nrecv \nS: 226 done\n" DATA
			     "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n" IN_STEP,
			&g),
		    0);
		check(&g, -FERRY_ESHORT, 0, 0);
		in_step(&w);
	}
}

/* What FEAT said in one session holds in the next. */
static void
features_are_copied(void **state)
{
	struct world w, next;

	world_start(&w, state, FEATURES IN_STEP);
	world_login(&w);
	world_start(&next, state, "S: 220 ready\nC: USER anonymous\nS: 230 in\n" IN_STEP);
	assert_int_equal(
	    go(&next, ferry_connect(next.h, "127.0.0.1", fake_port(next.f))), 0);
	assert_int_equal(ferry_copy_features(next.h, w.h), 0);
	assert_int_equal(go(&next, ferry_login(next.h, "anonymous", NULL, NULL)), 0);
	assert_true(ferry_has_feature(next.h, "MODE B"));
	in_step(&next);
	in_step(&w);
}

/* And so does the way to a data connection: the first file goes ahead as well, its type
 * with it. A type that is refused leaves nobody waiting for what stood behind it. */
static void
the_way_is_copied(void **state)
{
	struct goods g = GOODS, more = GOODS, none = GOODS;
	struct world w, next, last;

	assert_int_equal(
	    put_many(&w, state, FERRY_CODING_STREAM,
		FIRST_A DATA "C: STOR b\nS: 150 b\nrecv \nS: 226 done\n" DATA
			     "C: STOR c\nS: 150 c\nrecv xyz\nS: 226 done\n" IN_STEP,
		&g),
	    0);
	more.ahead = none.ahead = true;
	more.text[1] = "second";
	world_start(&next, state,
	    FEATURES
	    "C: TYPE I\nC: EPSV\nS: 200 I\n" LISTEN
	    "accept\nC: STOR a\nC: EPSV\nS: 150 a\nrecv abc\nS: 226 done\n" LISTEN
	    "accept\nC: STOR b\nC: EPSV\nrecv second\nS: 150 b\nS: 226 done\n" LISTEN
	    "accept\nC: STOR c\nrecv xyz\nS: 150 c\nS: 226 done\n" IN_STEP);
	world_login(&next);
	assert_int_equal(ferry_set_coding(next.h, FERRY_CODING_STREAM), 0);
	ferry_copy_way(next.h, w.h);
	assert_int_equal(run_many(&next, &more), 0);
	check(&more, 0, 0, 0);
	world_start(&last, state,
	    FEATURES "C: TYPE I\nC: EPSV\nS: 504 no\nS: 229 ok (|||1025|)\n"
		     "C: TYPE I\nS: 504 no\nC: TYPE I\nS: 504 no\n" IN_STEP);
	world_login(&last);
	assert_int_equal(ferry_set_coding(last.h, FERRY_CODING_STREAM), 0);
	ferry_copy_way(last.h, w.h);
	assert_int_equal(run_many(&last, &none), 0);
	check(&none, -FERRY_EUNSUPPORTED, -FERRY_EUNSUPPORTED, -FERRY_EUNSUPPORTED);
	in_step(&last);
	in_step(&next);
	in_step(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(over_one_connection),
	    BOTH(of_unknown_length),
	    BOTH(a_refusal_is_its_own),
	    BOTH(one_is_missing_here),
	    BOTH(the_rest_is_a_stream),
	    BOTH(lost),
	    BOTH(ahead),
	    BOTH(not_to_the_same_port),
	    BOTH(ahead_of_a_refusal),
	    BOTH(ahead_out_of_order),
	    BOTH(another_length),
	    BOTH(features_are_copied),
	    BOTH(the_way_is_copied),
	};

	return cmocka_run_group_tests_name("client: many uploads", tests, NULL, NULL);
}
