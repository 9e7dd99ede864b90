/*
 * The client engine in MODE B and MODE Z: one data connection for many transfers, files
 * asked for ahead of time, and every way in which a server can break that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_world.h"

#define FEATURES                                                                         \
	"S: 220 ready\n"                                                                 \
	"C: USER anonymous\n"                                                            \
	"S: 230 in\n"                                                                    \
	"C: FEAT\n"                                                                      \
	"S: 211-Features:\n"                                                             \
	"S:  MDTM\n"                                                                     \
	"S:  MODE B\n"                                                                   \
	"S:  MODE Z\n"                                                                   \
	"S: 211 End\n"
#define TYPE_I "C: TYPE I\nS: 200 I\n"
#define MODE_B "C: MODE B\nS: 200 B\n"
#define MODE_S "C: MODE S\nS: 200 S\n"
#define MODE_Z "C: MODE Z\nS: 200 Z\n"
#define DATA "C: EPSV\nlisten\nS: 229 ok (|||%P|)\naccept\n"
#define ABOR "C: \\377\\364\\377\\362ABOR\n"
#define IN_STEP "C: NOOP\nS: 200 in step\n"
/* "abc" and the end of the file */
#define ABC "\\000\\000\\003abc\\100\\000\\000\n"
#define GET_F "C: RETR f\nS: 150 here\n"
#define GET_AGAIN "C: RETR f\nS: 125 here\n"
#define DONE "S: 250 done\n"
/* zlib: "hello hello hello hello" LF */
#define PACKED                                                                           \
	"\\170\\234\\313\\110\\315\\311\\311\\127\\310\\100\\047\\271\\000\\160\\276\\0" \
	"10\\273"
#define UNPACKED "hello hello hello hello\n"

static void
start(struct world *w, void **state, enum ferry_coding coding, const char *script)
{
	world_start(w, state, script);
	assert_int_equal(ferry_set_coding(w->h, coding), 0);
	world_login(w);
}

static int
get(struct world *w, struct sink *s)
{
	*s = (struct sink){0};
	return go(w, ferry_get(w->h, "f", 0, sink_write, s));
}

static void
in_step(struct world *w)
{
	assert_int_equal(go(w, ferry_command(w->h, "NOOP")), 0);
	assert_string_equal(ferry_reply_text(w->h), "200 in step");
	world_end(w);
}

static unsigned
count(const struct world *w, const char *text)
{
	unsigned n = 0;

	for (const char *p = w->log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/* ---------------------------------------------------------------- one after the other */

static void
one_connection_for_all(void **state)
{
	struct source up = {.total = 4, .text = "text"}, empty = {.total = 0};
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES TYPE_I MODE_B DATA GET_F
	    "send " ABC DONE
	    /* data and end in one block, a record, a marker */
	    "C: RETR f\nS: 125 here\nsend "
	    "\\200\\000\\001x\\020\\000\\002mm\\100\\000\\001y\n" DONE
	    "C: STOR u\nS: 125 go\ntake \\100\\000\\004text\n" DONE
	    "C: STOR u\nS: 125 go\ntake \\100\\000\\000\n" DONE "C: TYPE A\nS: 200 A\n"
	    "C: NLST\nS: 125 here\nsend \\000\\000\\003a\\r\\n\\100\\000\\000\n" DONE
		/* refused: nothing goes over the data connection, and it stays */
		TYPE_I "C: RETR f\nS: 550 no\n"
	    "C: STOR u\nS: 553 no\n" GET_AGAIN "send " ABC DONE IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "abc");
	assert_int_equal(ferry_get_coding(w.h), FERRY_CODING_BLOCK);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "xy");
	assert_int_equal(
	    go(&w, ferry_put(w.h, "u", FERRY_PUT_STORE, 0, 4, source_read, &up)), 0);
	assert_int_equal(
	    go(&w, ferry_put(w.h, "u", FERRY_PUT_STORE, 0, 0, source_read, &empty)), 0);
	s = (struct sink){0};
	assert_int_equal(go(&w, ferry_list_raw(w.h, "NLST", NULL, sink_write, &s)), 0);
	assert_string_equal(s.text, "a\r\n");
	assert_int_equal(get(&w, &s), -FERRY_EREFUSED);
	up.at = 0;
	assert_int_equal(
	    go(&w, ferry_put(w.h, "u", FERRY_PUT_STORE, 0, 4, source_read, &up)),
	    -FERRY_EREFUSED);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "abc");
	assert_int_equal(count(&w, "connected data"), 1);
	assert_int_equal(count(&w, "reused"), 7);
	in_step(&w);
}

/* TYPE A in blocks: the CR LF may be cut by a block. */
static void
blocks_of_text(void **state)
{
	struct source up = {.total = 4, .text = "a\nb\n"};
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES
	    "C: TYPE A\nS: 200 A\n" MODE_B DATA GET_F
	    "send \\000\\000\\002a\\r\\000\\000\\002\\nb\\100\\000\\001\\r\n" DONE
	    "C: STOR u\nS: 125 go\n"
	    "take \\100\\000\\006a\\r\\nb\\r\\n\n" DONE IN_STEP);
	ferry_set_binary(w.h, false);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "a\nb\r");
	assert_int_equal(
	    go(&w, ferry_put(w.h, "u", FERRY_PUT_STORE, 0, 4, source_read, &up)), 0);
	in_step(&w);
}

/* What the first transfer comes to, and what the second needs. */
static const struct {
	const char *script;
	int result;
	const char *text;
} breaks[] = {
    /* half a file with a good reply is an error */
    {GET_F "send \\000\\000\\003abc\neof\n" DONE DATA, -FERRY_ESHORT,
	"in the middle of the file, after 3 bytes"},
    {GET_F "eof\n" DONE DATA, -FERRY_ESHORT, "in the middle of the file, after 0 bytes"},
    {GET_F "send \\000\\000\\003ab\nreset\n" DONE DATA, -FERRY_ESHORT, ""},
    {"C: RETR f\nS: 150 for f (4 bytes)\nsend " ABC DONE, -FERRY_ESHORT,
	"3 bytes came and 4 were announced"},
    /* the connection stays, and so the second needs none */
    {GET_F "send \\040\\000\\003abc\\100\\000\\000\n" DONE, -FERRY_ESHORT,
	"suspects errors"},
    {GET_F "send \\000\\000\\003abc\\140\\000\\000\nS: 451 disk\n", -FERRY_ETEMPORARY,
	"451 disk"},
    {GET_F "S: 451 disk\nsend \\140\\000\\000\n", -FERRY_ETEMPORARY, "451 disk"},
    {GET_F "send \\000\\000\\003abc\\140\\000\\000\nS: 426 cut\n", -FERRY_ETEMPORARY,
	"426 cut"},
    /* no blocks at all */
    {GET_F "send hello\n" ABOR "S: 426 cut\nS: 226 stopped\ngone\n" DATA, -FERRY_EPROTO,
	"sends what is no block"},
    /* 226 says that it goes */
    {GET_F "send " ABC "S: 226 done\ngone\n" DATA, 0, ""},
    /* the server closes it between transfers */
    {GET_F "send " ABC "eof\n" DONE DATA, 0, ""},
    /* unasked bytes must not be the next file */
    {GET_F "send \\100\\000\\003abc\\000\\000\\004evil\n" DONE "gone\n" DATA, 0, ""},
};

static void
a_broken_connection_is_not_used_again(void **state)
{
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		char script[2048];
		struct sink s;
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s", FEATURES TYPE_I MODE_B DATA,
		    breaks[i].script, GET_AGAIN "send \\100\\000\\002ok\n" DONE IN_STEP);
		start(&w, state, FERRY_CODING_BLOCK, script);
		assert_int_equal(get(&w, &s), breaks[i].result);
		assert_error(&w, breaks[i].text);
		assert_int_equal(get(&w, &s), 0);
		assert_string_equal(s.text, "ok");
		in_step(&w);
	}
}

/* It was closed and nobody saw: the server says so when it is asked. */
static void
a_dead_connection_is_made_again(void **state)
{
	struct source up = {.total = 4, .text = "text"};
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES TYPE_I MODE_B DATA GET_F
	    "send " ABC DONE "C: RETR f\nS: 425 none\ngone\n" DATA GET_F "send " ABC DONE
	    "C: STOR u\nS: 425 none\ngone\n" DATA
	    "C: STOR u\nS: 150 go\ntake \\100\\000\\004text\n" DONE IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "abc");
	assert_int_equal(
	    go(&w, ferry_put(w.h, "u", FERRY_PUT_STORE, 0, 4, source_read, &up)), 0);
	in_step(&w);
}

static void
refused_modes_are_streams(void **state)
{
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES TYPE_I
	    "C: MODE B\nS: 504 no\n" DATA GET_F "send abc\neof\nS: 226 done\n" DATA GET_F
	    "send abc\neof\nS: 226 done\n"
	    "C: MODE Z\nS: 504 no\n" DATA GET_F "send abc\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "abc");
	assert_logged(&w, "warning 127.0.0.1 does not do block mode (MODE B)");
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(count(&w, "warning"), 1);
	assert_int_equal(ferry_set_coding(w.h, FERRY_CODING_DEFLATE), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(count(&w, "warning"), 2);
	in_step(&w);
}

/* MODE Z is not asked for where FEAT does not name it. */
static void
no_feature_no_deflate(void **state)
{
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_DEFLATE,
	    PLAIN_SCRIPT TYPE_I DATA GET_F "send abc\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_logged(&w, "does not do compression (MODE Z)");
	assert_int_equal(ferry_set_coding(w.h, (enum ferry_coding)9), -FERRY_EINVAL);
	in_step(&w);
}

/* A command of the caller's changes the mode or drops the connection behind our back. */
static void
raw_commands_are_noted(void **state)
{
	struct sink s;
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES TYPE_I MODE_B DATA GET_F
	    "send " ABC DONE "C: MODE S\nS: 200 S\n" MODE_B "gone\n" DATA GET_F
	    "send " ABC DONE "C: PASV\nS: 227 x\ngone\n" DATA GET_F
	    "send " ABC DONE MODE_S "gone\n" DATA GET_F
	    "send abc\neof\nS: 226 done\n" IN_STEP);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(go(&w, ferry_command(w.h, "MODE S")), 0);
	assert_int_equal(ferry_get_coding(w.h), FERRY_CODING_AUTO);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(go(&w, ferry_command(w.h, "PASV")), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_int_equal(ferry_set_coding(w.h, FERRY_CODING_STREAM), 0);
	assert_int_equal(get(&w, &s), 0);
	assert_string_equal(s.text, "abc");
	in_step(&w);
}

/* ---------------------------------------------------------------- MODE Z */

static const struct {
	const char *script;
	int result;
	const char *text;
} packed[] = {
    {"send " PACKED "\neof\nS: 226 done\n", 0, UNPACKED},
    /* cut: at the sum, in the middle, before the first byte with a size that says more */
    {"send \\170\\234\\313\\110\\315\\311\\311\\127\\310\\100\\047\\271\\000\\160\\276\n"
     "eof\nS: 226 done\n",
	-FERRY_ESHORT, "in the middle of the file"},
    {"send \\170\\234\\313\\110\neof\nS: 226 done\n", -FERRY_ESHORT,
	"in the middle of the file"},
    /* not packed, a wrong sum, bytes behind the end */
    {"send hello\n" ABOR "S: 426 cut\nS: 226 stopped\ngone\n", -FERRY_EPROTO,
	"cannot be unpacked"},
    {"send "
     "\\170\\234\\313\\110\\315\\311\\311\\127\\310\\100\\047\\271\\000\\160\\276\\010"
     "\\274\n" ABOR "S: 426 cut\nS: 226 stopped\ngone\n",
	-FERRY_EPROTO, "cannot be unpacked"},
    {"send " PACKED "x\n" ABOR "S: 426 cut\nS: 226 stopped\ngone\n", -FERRY_EPROTO,
	"cannot be unpacked"},
    /* an empty file packed into nothing */
    {"eof\nS: 226 done\n", 0, ""},
};

static void
unpacks(void **state)
{
	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
		char script[2048];
		struct sink s;
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s%s", FEATURES TYPE_I MODE_Z DATA,
		    GET_F, packed[i].script, IN_STEP);
		start(&w, state, FERRY_CODING_DEFLATE, script);
		assert_int_equal(get(&w, &s), packed[i].result);
		if (packed[i].result)
			assert_error(&w, packed[i].text);
		else
			assert_string_equal(s.text, packed[i].text);
		in_step(&w);
	}
}

/* ---------------------------------------------------------------- many */

#define FILES 3

struct harvest {
	char text[FILES][64];
	int result[FILES];
	unsigned begun[FILES], ended[FILES];
	int64_t size[FILES], mtime[FILES];
	char error[FILES][256];
	size_t refuse_begin, stop_at; /* index + 1 */
	bool ahead;
	const int64_t *sizes, *mtimes; /* what a listing told */
	size_t fed;                    /* paths that the operation has been given */
	struct world *w;
};

static const char *const letters[FILES] = {"a", "b", "c"};

static int
many_begin(size_t i, int64_t size, int64_t mtime, void *user)
{
	struct harvest *v = user;

	v->begun[i]++;
	v->size[i] = size;
	v->mtime[i] = mtime;
	return v->refuse_begin == i + 1;
}

static int
many_write(size_t i, const void *data, size_t n, void *user)
{
	struct harvest *v = user;

	assert_true(v->begun[i] == 1 && v->ended[i] == 0);
	assert_true(strlen(v->text[i]) + n < sizeof(v->text[i]));
	memcpy(v->text[i] + strlen(v->text[i]), data, n);
	return v->stop_at == i + 1;
}

static void
many_end(size_t i, int result, void *user)
{
	struct harvest *v = user;

	v->ended[i]++;
	v->result[i] = result;
	snprintf(v->error[i], sizeof(v->error[i]), "%s", ferry_error_text(v->w->h));
	assert_int_equal(ferry_command(v->w->h, "NOOP"), -FERRY_ESTATE);
}

static const char *
many_more(int64_t *ret_size, int64_t *ret_mtime, void *user)
{
	struct harvest *v = user;

	if (v->fed == FILES)
		return NULL;
	if (v->sizes)
		*ret_size = v->sizes[v->fed];
	if (v->mtimes)
		*ret_mtime = v->mtimes[v->fed];
	return letters[v->fed++];
}

/* Event-driven, the operation is given the first name and asks for the others: that makes
 * no difference to the server. */
static int
get_many(struct world *w, struct harvest *v, bool times)
{
	struct ferry_many many = {
	    .struct_size = sizeof(many),
	    .times = times,
	    .begin = many_begin,
	    .write = many_write,
	    .end = many_end,
	    .sizes = v->sizes,
	    .mtimes = v->mtimes,
	    .ahead = v->ahead,
	};

	v->w = w;
	v->fed = FILES;
	if (w->event_driven) {
		many.more = many_more;
		v->fed = 1;
	}
	return go(w, ferry_get_many(w->h, letters, v->fed, &many, v));
}

static void
check_all_good(const struct harvest *v)
{
	static const char *const want[FILES] = {"abc", "", "xyz"};

	for (size_t i = 0; i < FILES; i++) {
		assert_int_equal(v->result[i], 0);
		assert_int_equal(v->begun[i], 1);
		assert_int_equal(v->ended[i], 1);
		assert_string_equal(v->text[i], want[i]);
		assert_string_equal(v->error[i], "");
	}
}

#define ASK_ALL "C: RETR a\nC: RETR b\nC: RETR c\n"
#define XYZ "\\000\\000\\003xyz\\100\\000\\000\n"

static void
many_over_one_connection(void **state)
{
	struct harvest v = {.refuse_begin = 0};
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I MODE_B DATA ASK_ALL "S: 150 a (3 bytes)\nsend " ABC DONE
						"S: 125 b\nsend \\100\\000\\000\n" DONE
						"S: 125 c\nsend " XYZ DONE IN_STEP);
	assert_int_equal(get_many(&w, &v, false), 0);
	check_all_good(&v);
	assert_int_equal(v.size[0], 3);
	assert_int_equal(v.size[2], -1);
	assert_int_equal(v.mtime[0], INT64_MIN);
	assert_int_equal(count(&w, "connected data"), 1);
	in_step(&w);
}

/* All bytes come first, or all replies do: each byte finds its file. */
static void
many_in_any_order(void **state)
{
	struct harvest v = {.refuse_begin = 0}, again = v;
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I MODE_B DATA ASK_ALL
	    "send \\000\\000\\003abc\\100\\000\\000\\100\\000\\000" XYZ "S: 150 a\n" DONE
	    "S: 125 b\n" DONE "S: 125 c\n" DONE ASK_ALL "S: 125 a\n" DONE
	    "S: 125 b\n" DONE "S: 125 c\n" DONE
	    "send \\000\\000\\003abc\\100\\000\\000\\100\\000\\000" XYZ IN_STEP);
	assert_int_equal(get_many(&w, &v, false), 0);
	check_all_good(&v);
	assert_int_equal(get_many(&w, &again, false), 0);
	check_all_good(&again);
	in_step(&w);
}

static void
many_with_times(void **state)
{
	struct harvest v = {.refuse_begin = 0};
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I MODE_B DATA
	    "C: MDTM a\nC: RETR a\nC: MDTM b\nC: RETR b\nC: MDTM c\nC: RETR c\n"
	    "S: 213 19700101000100\nS: 150 a\nsend " ABC DONE
	    "S: 550 no time\nS: 125 b\nsend \\100\\000\\000\n" DONE
	    "S: 213 nonsense\nS: 125 c\nsend " XYZ DONE IN_STEP);
	assert_int_equal(get_many(&w, &v, true), 0);
	check_all_good(&v);
	assert_int_equal(v.mtime[0], 60);
	assert_int_equal(v.mtime[1], INT64_MIN);
	assert_int_equal(v.mtime[2], INT64_MIN);
	assert_logged(&w, "reply 213 19700101000100");
	in_step(&w);
}

/* b fails in one of these ways; a and c do not notice. */
static const struct {
	const char *script;
	int result;
	const char *text;
} many_failures[] = {
    {"S: 550 no\n", -FERRY_EREFUSED, "refused RETR b: 550 no"},
    {"S: 450 busy\n", -FERRY_ETEMPORARY, "RETR b: 450 busy"},
    {"S: 125 b\nsend \\000\\000\\001x\\140\\000\\000\nS: 451 disk\n", -FERRY_ETEMPORARY,
	"RETR b: 451 disk"},
    {"S: 125 b\nS: 451 disk\nsend \\000\\000\\001x\\140\\000\\000\n", -FERRY_ETEMPORARY,
	"RETR b: 451 disk"},
    {"S: 125 b\nsend \\140\\000\\001x\n" DONE, -FERRY_ESHORT, "b: the server suspects"},
    {"S: 125 b (2 bytes)\nsend \\100\\000\\001x\n" DONE, -FERRY_ESHORT,
	"2 were announced"},
};

static void
a_failure_is_its_own(void **state)
{
	for (size_t i = 0; i < sizeof(many_failures) / sizeof(many_failures[0]); i++) {
		struct harvest v = {.refuse_begin = 0};
		char script[2048];
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s",
		    FEATURES TYPE_I MODE_B DATA ASK_ALL "S: 150 a\nsend " ABC DONE,
		    many_failures[i].script, "S: 125 c\nsend " XYZ DONE IN_STEP);
		start(&w, state, FERRY_CODING_AUTO, script);
		assert_int_equal(get_many(&w, &v, false), 0);
		assert_int_equal(v.result[0], 0);
		assert_int_equal(v.result[1], many_failures[i].result);
		if (!strstr(v.error[1], many_failures[i].text))
			fail_msg("no \"%s\" in: %s", many_failures[i].text, v.error[1]);
		assert_int_equal(v.result[2], 0);
		assert_string_equal(v.text[2], "xyz");
		assert_int_equal(v.ended[0] + v.ended[1] + v.ended[2], 3);
		in_step(&w);
	}
}

#define STREAM_B DATA "C: RETR b\nS: 150 b\neof\nS: 226 done\n"
#define STREAM_C DATA "C: RETR c\nS: 150 c\nsend xyz\neof\nS: 226 done\n"

/* The connection goes: what is left comes as a stream. */
static const struct {
	const char *script;
	int result_b;
} many_breaks[] = {
    /* before b: it is asked for again */
    {"S: 150 a\nsend " ABC DONE
     "eof\nS: 425 none\nS: 425 none\n" MODE_S STREAM_B STREAM_C,
	0},
    {"S: 150 a\nsend " ABC DONE
     "S: 125 b\neof\nS: 426 cut\nS: 425 none\n" MODE_S STREAM_B STREAM_C,
	0},
    /* in the middle of b */
    {"S: 150 a\nsend " ABC DONE "S: 125 b\nsend \\000\\000\\004xx\neof\nS: 426 cut\n"
     "S: 425 none\n" MODE_S STREAM_C,
	-FERRY_ETEMPORARY},
    {"S: 150 a\nsend " ABC DONE "S: 125 b\nsend \\000\\000\\004xx\neof\nS: 250 all\n"
     "S: 425 none\n" MODE_S STREAM_C,
	-FERRY_ESHORT},
    /* a server that closes after each */
    {"S: 150 a\nsend " ABC
     "S: 226 done\ngone\nS: 425 none\nS: 425 none\n" MODE_S STREAM_B STREAM_C,
	0},
    /* one that does not send blocks at all, from b on */
    {"S: 150 a\nsend " ABC DONE "S: 125 b\nsend hello\n" ABOR "S: 426 cut\nS: 425 none\n"
     "S: 226 stopped\ngone\n" MODE_S STREAM_C,
	-FERRY_EPROTO},
};

static void
the_rest_is_a_stream(void **state)
{
	for (size_t i = 0; i < sizeof(many_breaks) / sizeof(many_breaks[0]); i++) {
		struct harvest v = {.refuse_begin = 0};
		char script[2048];
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s",
		    FEATURES TYPE_I MODE_B DATA ASK_ALL, many_breaks[i].script, IN_STEP);
		start(&w, state, FERRY_CODING_AUTO, script);
		assert_int_equal(get_many(&w, &v, false), 0);
		assert_int_equal(v.result[0], 0);
		assert_string_equal(v.text[0], "abc");
		assert_int_equal(v.result[1], many_breaks[i].result_b);
		assert_int_equal(v.result[2], 0);
		assert_string_equal(v.text[2], "xyz");
		assert_int_equal(v.ended[0] + v.ended[1] + v.ended[2], 3);
		in_step(&w);
	}
}

/* MODE B is refused, or not offered: single transfers, and none is asked for ahead. */
static void
many_without_blocks(void **state)
{
	struct harvest v = {.refuse_begin = 0}, again = v;
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I
	    "C: MODE B\nS: 504 no\n"
	    "C: MDTM a\nS: 213 19700101000100\n" DATA
	    "C: RETR a\nS: 150 a\nsend abc\neof\nS: 226 done\n"
	    "C: MDTM b\nS: 550 no\n" STREAM_B "C: MDTM c\nS: 550 no\n" STREAM_C DATA
	    "C: RETR a\nS: 150 a\nsend abc\neof\nS: 226 done\n" STREAM_B STREAM_C
		IN_STEP);
	assert_int_equal(get_many(&w, &v, true), 0);
	check_all_good(&v);
	assert_int_equal(v.mtime[0], 60);
	assert_int_equal(get_many(&w, &again, false), 0);
	check_all_good(&again);
	in_step(&w);
}

/* What a listing told is not asked, and the bytes must agree with it. */
static void
many_with_facts(void **state)
{
	static const int64_t sizes[FILES] = {3, 1, -1}, mtimes[FILES] = {60, 61, INT64_MIN};
	static const char *const codings[] = {
	    TYPE_I MODE_B DATA "C: RETR a\nC: RETR b\nC: MDTM c\nC: RETR c\n"
			       "S: 150 a\nsend " ABC DONE
			       "S: 125 b\nsend \\100\\000\\000\n" DONE
			       "S: 213 19700101000200\nS: 125 c\nsend " XYZ DONE,
	    TYPE_I DATA "C: RETR a\nS: 150 a\nsend abc\neof\nS: 226 done\n" DATA
			"C: RETR b\nS: 150 b\neof\nS: 226 done\n"
			"C: MDTM c\nS: 213 19700101000200\n" DATA
			"C: RETR c\nS: 150 c\nsend xyz\neof\nS: 226 done\n",
	};

	for (size_t i = 0; i < 2; i++) {
		struct harvest v = {.sizes = sizes, .mtimes = mtimes};
		char script[2000];
		struct world w;

		snprintf(script, sizeof(script), "%s%s%s", FEATURES, codings[i], IN_STEP);
		start(&w, state, i == 0 ? FERRY_CODING_BLOCK : FERRY_CODING_STREAM, script);
		assert_int_equal(get_many(&w, &v, true), 0);
		assert_int_equal(v.result[0], 0);
		assert_int_equal(v.result[1], -FERRY_ESHORT);
		assert_int_equal(v.result[2], 0);
		assert_int_equal(v.mtime[0], 60);
		assert_int_equal(v.mtime[2], 120);
		in_step(&w);
	}
}

#define FIRST_A DATA "C: RETR a\nS: 150 a\nsend abc\neof\nS: 226 done\n"
#define LISTEN "listen\nS: 229 ok (|||%P|)\n"
/* its connection is dialled, and nobody has taken the call yet */
#define ASK_B "C: EPSV\n" LISTEN "C: RETR b\nC: EPSV\naccept\n"
#define GET_C "C: RETR c\nS: 150 c\nsend xyz\neof\nS: 226 done\n"

static void
ahead(void **state, const char *script, int result, struct harvest *v)
{
	char all[2000];
	struct world w;

	*v = (struct harvest){.ahead = true};
	snprintf(all, sizeof(all), "%s%s%s%s", FEATURES, TYPE_I, script, IN_STEP);
	start(&w, state, FERRY_CODING_STREAM, all);
	assert_int_equal(get_many(&w, v, false), result);
	in_step(&w);
}

/* Once a way has worked, the next file's EPSV is out before this one's bytes come. */
static void
many_ahead(void **state)
{
	struct harvest v;

	ahead(state,
	    FIRST_A ASK_B "S: 150 b\neof\nS: 226 done\n" LISTEN "accept\n" GET_C, 0, &v);
	check_all_good(&v);
	/* the reply to EPSV comes with the end of the file, before its bytes have */
	ahead(state,
	    FIRST_A ASK_B "S: 150 b\nS: 226 done\n" LISTEN "eof\naccept\n" GET_C, 0, &v);
	check_all_good(&v);
}

static void
many_ahead_with_times(void **state)
{
	struct harvest v = {.ahead = true};
	struct world w;

	start(&w, state, FERRY_CODING_STREAM,
	    FEATURES TYPE_I
	    "C: MDTM a\nS: 213 19700101000100\n" FIRST_A
	    "C: MDTM b\nS: 550 no\nC: EPSV\n" LISTEN
	    "C: RETR b\nC: MDTM c\nC: EPSV\naccept\nS: 150 b\neof\nS: 226 done\n"
	    "S: 213 19700101000200\n" LISTEN "accept\n" GET_C IN_STEP);
	assert_int_equal(get_many(&w, &v, true), 0);
	check_all_good(&v);
	assert_int_equal(v.mtime[0], 60);
	assert_int_equal(v.mtime[1], INT64_MIN);
	assert_int_equal(v.mtime[2], 120);
	in_step(&w);
}

/* In the next batch even the first file's questions go together. */
static void
many_ahead_again(void **state)
{
	static const int64_t mtimes[FILES] = {INT64_MIN, 61, 62};
	struct harvest v = {.ahead = true, .mtimes = mtimes}, again = v;
	struct world w;

	start(&w, state, FERRY_CODING_STREAM,
	    FEATURES TYPE_I
	    "C: MDTM a\nS: 213 19700101000100\n" FIRST_A ASK_B
	    "S: 150 b\neof\nS: 226 done\n" LISTEN "accept\n" GET_C
	    "C: MDTM a\nC: EPSV\nS: 550 no\n" LISTEN "C: RETR a\nC: EPSV\naccept\n"
	    "S: 150 a\nsend abc\neof\nS: 226 done\n" LISTEN
	    "C: RETR b\nC: EPSV\naccept\nS: 150 b\neof\nS: 226 done\n" LISTEN
	    "accept\n" GET_C IN_STEP);
	assert_int_equal(get_many(&w, &v, true), 0);
	check_all_good(&v);
	assert_int_equal(v.mtime[0], 60);
	assert_int_equal(get_many(&w, &again, true), 0);
	check_all_good(&again);
	assert_int_equal(again.mtime[0], INT64_MIN);
	in_step(&w);
}

/* A file that is not there: the next one's connection is asked for all the same. */
static void
many_ahead_of_a_refusal(void **state)
{
	struct harvest v;

	ahead(state, FIRST_A ASK_B "S: 550 no\n" LISTEN "accept\n" GET_C, 0, &v);
	assert_int_equal(v.result[1], -FERRY_EREFUSED);
	assert_int_equal(v.result[2], 0);
	assert_string_equal(v.text[2], "xyz");
}

/* A server that does not keep the order is asked one thing after the other. What was under way
 * is not to be trusted. */
static void
many_ahead_out_of_order(void **state)
{
	static const char *const scripts[] = {
	    "S: 150 b\nS: 229 ok (|||1025|)\n" ABOR "S: 226 done\nS: 225 none\n",
	    "S: 229 ok (|||1025|)\n" ABOR "S: 150 b\nS: 426 cut\nS: 226 stopped\n",
	    /* "data transfer in progress", in front of the end */
	    "S: 150 b\nS: 450 busy\nS: 226 done\n",
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct harvest v;
		char script[1000];

		snprintf(script, sizeof(script), "%s%s%s", FIRST_A ASK_B, scripts[i],
		    DATA GET_C);
		ahead(state, script, 0, &v);
		assert_int_equal(v.ended[1], 1);
		assert_int_equal(v.result[1], i < 2 ? -FERRY_ESHORT : -FERRY_ETEMPORARY);
		assert_int_equal(v.result[2], 0);
		assert_string_equal(v.text[2], "xyz");
	}
}

/* RETR is out, and nobody is at the port. */
static void
many_ahead_of_a_closed_port(void **state)
{
	struct harvest v;

	ahead(state,
	    FIRST_A "C: EPSV\nclosed\nS: 229 ok (|||%P|)\nC: RETR b\nC: EPSV\n" ABOR
		    "S: 425 none\nS: 229 ok (|||1025|)\nS: 226 stopped\n",
	    -FERRY_EDATA, &v);
	assert_int_equal(v.ended[0], 1);
	assert_int_equal(v.ended[1] + v.ended[2], 0);
}

/* The caller stops one file: the others go on over a new connection. */
static void
many_stopped_here(void **state)
{
	struct harvest v = {.stop_at = 1}, begin = {.refuse_begin = 1};
	struct harvest *both[] = {&v, &begin};

	for (size_t i = 0; i < 2; i++) {
		struct world w;

		start(&w, state, FERRY_CODING_AUTO,
		    FEATURES TYPE_I MODE_B DATA ASK_ALL
		    "S: 150 a\nsend \\000\\000\\003abc\n" ABOR
		    "S: 426 cut\nS: 425 none\nS: 425 none\nS: 226 stopped\ngone\n" DATA
		    "C: RETR b\nC: RETR c\nS: 150 b\nsend \\100\\000\\000\n" DONE
		    "S: 125 c\nsend " XYZ DONE IN_STEP);
		assert_int_equal(get_many(&w, both[i], false), 0);
		assert_int_equal(both[i]->result[0], -FERRY_ELOCAL);
		assert_int_equal(both[i]->ended[0], 1);
		assert_int_equal(both[i]->result[1], 0);
		assert_int_equal(both[i]->result[2], 0);
		assert_string_equal(both[i]->text[2], "xyz");
		in_step(&w);
	}
}

static void
many_aborted(void **state)
{
	struct harvest v = {.refuse_begin = 0};
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I MODE_B DATA ASK_ALL
	    "S: 150 a\nsend \\000\\000\\003abc\n" ABOR
	    "S: 426 cut\nS: 425 none\nS: 425 none\nS: 226 stopped\ngone\n" IN_STEP);
	w.abort_at = 1;
	assert_int_equal(get_many(&w, &v, false), -FERRY_EABORTED);
	assert_int_equal(v.ended[0], 1);
	assert_int_equal(v.result[0], -FERRY_EABORTED);
	assert_int_equal(v.ended[1] + v.ended[2], 0);
	in_step(&w);
}

/* The session ends in the middle: what was not tried has no end(). */
static void
many_lost(void **state)
{
	struct harvest v = {.refuse_begin = 0};
	struct world w;

	start(&w, state, FERRY_CODING_AUTO,
	    FEATURES TYPE_I MODE_B DATA ASK_ALL
	    "S: 150 a\nsend " ABC DONE "S: 125 b\nsend \\000\\000\\004xx\nclose\n");
	assert_int_equal(get_many(&w, &v, false), -FERRY_ECLOSED);
	assert_int_equal(v.result[0], 0);
	assert_int_equal(v.result[1], -FERRY_ECLOSED);
	assert_int_equal(v.ended[1], 1);
	assert_int_equal(v.ended[2], 0);
	assert_false(ferry_is_connected(w.h));
	world_end(&w);
}

static void
many_names(void **state)
{
	static const char *const paths[FILES] = {"x\r\nDELE y", "b", ""};
	struct harvest v = {.refuse_begin = 0};
	struct ferry_many many = {
	    .struct_size = sizeof(many),
	    .begin = many_begin,
	    .write = many_write,
	    .end = many_end,
	};
	struct world w;

	start(&w, state, FERRY_CODING_BLOCK,
	    FEATURES TYPE_I MODE_B DATA
	    "C: RETR b\nS: 150 b\nsend \\100\\000\\000\n" DONE IN_STEP);
	v.w = &w;
	assert_int_equal(go(&w, ferry_get_many(w.h, paths, 0, &many, &v)), 0);
	assert_int_equal(go(&w, ferry_get_many(w.h, paths, FILES, &many, &v)), 0);
	assert_int_equal(v.result[0], -FERRY_EINVAL);
	assert_int_equal(v.result[1], 0);
	assert_int_equal(v.result[2], -FERRY_EINVAL);
	in_step(&w);
}

/* More files than the window, each with its own content. */
#define CROWD 100

static int
crowd_begin(size_t i, int64_t size, int64_t mtime, void *user)
{
	(void)i, (void)size, (void)mtime, (void)user;
	return 0;
}

static int
crowd_write(size_t i, const void *data, size_t n, void *user)
{
	char want[8];

	(void)user;
	snprintf(want, sizeof(want), "%05zu", i);
	assert_int_equal(n, 5);
	assert_memory_equal(data, want, 5);
	return 0;
}

static void
crowd_end(size_t i, int result, void *user)
{
	unsigned *ended = user;

	assert_int_equal(i, *ended);
	assert_int_equal(result, 0);
	++*ended;
}

/* So many are asked for before the first answer, and again when only half of them are
 * owed. size: what is told of each file, or -1. */
static void
ask_crowd(void **state, int64_t size, unsigned window)
{
	static char script[65536], names[CROWD][8];
	const char *paths[CROWD];
	int64_t sizes[CROWD];
	const struct ferry_many many = {
	    .struct_size = sizeof(many),
	    .begin = crowd_begin,
	    .write = crowd_write,
	    .end = crowd_end,
	    .sizes = sizes,
	};
	unsigned ended = 0, asked = 0, half = window / 2;
	struct world w;
	size_t n;

	n = (size_t)snprintf(script, sizeof(script), "%s", FEATURES TYPE_I MODE_B DATA);
	for (unsigned i = 0; i < CROWD; i++) {
		while (asked < CROWD &&
		       (i == 0 ? asked < window
			       : asked < i + half + half * (i % half == 0)))
			n += (size_t)snprintf(
			    script + n, sizeof(script) - n, "C: RETR %u\n", asked++);
		n += (size_t)snprintf(script + n, sizeof(script) - n,
		    "S: 125 x\nsend \\100\\000\\005%05u\nS: 250 done\n", i);
		snprintf(names[i], sizeof(names[i]), "%u", i);
		paths[i] = names[i];
		sizes[i] = size;
	}
	snprintf(script + n, sizeof(script) - n, "%s", IN_STEP);
	start(&w, state, FERRY_CODING_AUTO, script);
	assert_int_equal(go(&w, ferry_get_many(w.h, paths, CROWD, &many, &ended)), 0);
	assert_int_equal(ended, CROWD);
	/* what was asked for before the first answer */
	*strstr(w.log, "reply 125") = '\0';
	assert_int_equal(count(&w, "command RETR"), window);
	in_step(&w);
}

static void
the_window_is_bounded(void **state)
{
	ask_crowd(state, -1, 32);
}

/* Far away a round trip is worth many small files. */
static void
small_files_have_a_large_window(void **state)
{
	ask_crowd(state, 5, CROWD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(one_connection_for_all),
	    BOTH(blocks_of_text),
	    BOTH(a_broken_connection_is_not_used_again),
	    BOTH(a_dead_connection_is_made_again),
	    BOTH(refused_modes_are_streams),
	    BOTH(no_feature_no_deflate),
	    BOTH(raw_commands_are_noted),
	    BOTH(unpacks),
	    BOTH(many_over_one_connection),
	    BOTH(many_in_any_order),
	    BOTH(many_with_times),
	    BOTH(a_failure_is_its_own),
	    BOTH(the_rest_is_a_stream),
	    BOTH(many_without_blocks),
	    BOTH(many_with_facts),
	    BOTH(many_ahead),
	    BOTH(many_ahead_with_times),
	    BOTH(many_ahead_again),
	    BOTH(many_ahead_of_a_refusal),
	    BOTH(many_ahead_out_of_order),
	    BOTH(many_ahead_of_a_closed_port),
	    BOTH(many_stopped_here),
	    BOTH(many_aborted),
	    BOTH(many_lost),
	    BOTH(many_names),
	    BOTH(the_window_is_bounded),
	    BOTH(small_files_have_a_large_window),
	};

	return cmocka_run_group_tests_name("client: modes", tests, NULL, NULL);
}
