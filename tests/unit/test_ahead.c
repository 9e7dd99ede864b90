/*
 * RETRs that wait behind one another in block mode are asked for in rows and leave
 * together: one question, one send, and everything as if they had come one by one.
 */
#include "worker_world.h"

#include "ahead.h"
#include "row.h"
#include "session.h"

#define BIG 40000
#define KILO 3000

static struct session *
session_of(struct world *w)
{
	return worker_session(&w->worker, w->sessions);
}

static uint8_t bytes[BIG];

/* Logged in, in MODE B, with a data connection that has carried a file. */
static int
begin(struct world *w)
{
	uint8_t got[4];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	w->inlines = true;
	world_add_file(w, "/a", "aa", 2);
	world_add_file(w, "/b", "b", 1);
	world_add_file(w, "/x/a", "xa", 2);
	world_add_file(w, "/lines", "1\n2\n", 4);
	world_add_file(w, "/empty", "", 0);
	world_add_file(w, "/big", bytes, BIG);
	world_add_file(w, "/kilo", bytes, KILO);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "MODE B", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /b", "150 ");
	world_expect(w, "250 ");
	WORLD_UNTIL(w, recv(data, got, sizeof(got), MSG_DONTWAIT) == 4);
	w->opens = w->rows = 0;
	return data;
}

/* "RETR /a|RETR /b": lines, in one segment. */
static void
say_at_once(struct world *w, const char *lines)
{
	char text[4096];
	size_t n = 0;

	for (; *lines != '\0'; lines++) {
		if (*lines == '|')
			text[n++] = '\r';
		text[n++] = *lines == '|' ? '\n' : *lines;
	}
	memcpy(text + n, "\r\n", 2);
	world_send(w, text, n + 2);
}

static void
say_many(struct world *w, const char *line, unsigned times)
{
	char text[4096];
	size_t n = 0;

	for (unsigned i = 0; i < times; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\r\n", line);
	world_send(w, text, n);
}

/* "125 250 550": these, one line each. */
static void
expect_codes(struct world *w, const char *codes)
{
	char begin[] = "ddd ";

	for (; *codes != '\0'; codes += strspn(codes, " ")) {
		memcpy(begin, codes, 3);
		world_expect(w, begin);
		codes += 3;
	}
}

/* A file in one block comes next. */
static void
expect_file(struct world *w, int fd, const void *p, size_t n)
{
	const uint8_t header[] = {0x40, (uint8_t)(n >> 8), (uint8_t)n};

	world_expect_bytes(w, fd, header, sizeof(header));
	world_expect_bytes(w, fd, p, n);
}

static void
test_one_question(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	say_many(w, "RETR /a", 20);
	for (unsigned i = 0; i < 20; i++) {
		expect_codes(w, "125 250");
		expect_file(w, data, "aa", 2);
	}
	assert_int_equal(w->rows, 1);
	assert_int_equal(w->opens, 0);
	/* Nothing is kept of what is done. */
	assert_null(session_of(w)->ahead);
	/* More than a row: the next is asked for while the first is here. */
	say_many(w, "RETR /b", 3 * ROW_FILES);
	for (unsigned i = 0; i < 3 * ROW_FILES; i++) {
		expect_codes(w, "125 250");
		expect_file(w, data, "b", 1);
	}
	assert_int_equal(w->rows, 4);
	assert_int_equal(w->opens, 0);
	/* One alone is asked for as ever. */
	world_ask(w, "RETR /a", "125 ");
	world_expect(w, "250 ");
	assert_int_equal(w->rows, 4);
	assert_int_equal(w->opens, 1);
	close(data);
}

/* The first file comes over a new connection, those behind it are here meanwhile. */
static void
test_first_connection(void **state)
{
	struct world *w = *state;

	close(begin(w));
	WORLD_UNTIL(w, session_of(w)->data.state == DATA_NONE);
	int data = world_epsv(w);
	say_at_once(w, "RETR /a|RETR /empty|RETR /b");
	expect_codes(w, "150 250 125 250 125 250");
	expect_file(w, data, "aa", 2);
	expect_file(w, data, "", 0);
	expect_file(w, data, "b", 1);
	assert_int_equal(w->rows, 1);
	close(data);
}

/* Whatever stands between them: codes and bytes are those of one after the other. */
static void
test_in_between(void **state)
{
	static const struct {
		const char *lines, *codes, *wire;
		size_t n;
		unsigned rows, opens;
	} table[] = {
#define WIRE(text) text, sizeof(text) - 1
	    {"RETR /a|CWD /x|RETR a|RETR a", "125 250 250 125 250 125 250",
		WIRE("\x40\0\2aa\x40\0\2xa\x40\0\2xa"), 1, 1},
	    {"RETR a|CWD /|RETR a|RETR b", "125 250 250 125 250 125 250",
		WIRE("\x40\0\2xa\x40\0\2aa\x40\0\1b"), 1, 1},
	    {"RETR /a|REST 1|RETR /a|RETR /a", "125 250 350 125 250 125 250",
		WIRE("\x40\0\2aa\x40\0\1a\x40\0\2aa"), 1, 2},
	    {"RETR /a|RETR /none|RETR /b", "125 250 550 125 250",
		WIRE("\x40\0\2aa\x40\0\1b"), 2, 1},
	    {"RETR /none|RETR /a|RETR /b", "550 125 250 125 250",
		WIRE("\x40\0\2aa\x40\0\1b"), 1, 3},
	    {"RETR /a|RETR /d/|RETR /b|RETR /b", "125 250 550 125 250 125 250",
		WIRE("\x40\0\2aa\x40\0\1b\x40\0\1b"), 1, 1},
	    {"RETR /a|RETR|RETR /b", "125 250 501 125 250", WIRE("\x40\0\2aa\x40\0\1b"),
		0, 2},
	    {"RETR /a|TYPE A|RETR /lines|RETR /lines|TYPE I|RETR /lines",
		"125 250 200 125 250 125 250 200 125 250",
		WIRE("\x40\0\2aa\x40\0\6"
		     "1\r\n2\r\n\x40\0\6"
		     "1\r\n2\r\n\x40\0\4"
		     "1\n2\n"),
		1, 2},
	    {"RETR /a|RETR /a|NOOP|retr /b|RETR ../b",
		"125 250 125 250 200 125 250 125 250",
		WIRE("\x40\0\2aa\x40\0\2aa\x40\0\1b\x40\0\1b"), 2, 0},
	};
	struct world *w = *state;
	int data = begin(w);

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		w->rows = w->opens = 0;
		say_at_once(w, table[i].lines);
		expect_codes(w, table[i].codes);
		world_expect_bytes(w, data, table[i].wire, table[i].n);
		if (w->rows != table[i].rows || w->opens != table[i].opens)
			fail_msg(
			    "%s: %u rows, %u alone", table[i].lines, w->rows, w->opens);
		if (i == 0)
			continue;
		world_ask(w, "CWD /", "250 ");
	}
	close(data);
}

/* A large file among small ones goes its own way, and those behind it come as ever. */
static void
test_large(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	say_at_once(w, "RETR /a|RETR /big|RETR /b|RETR /b|RETR /big|RETR /big|RETR /a");
	expect_file(w, data, "aa", 2);
	uint8_t got[2 * BIG];
	size_t at = 0, n = 0;
	/* How the large one is cut into blocks is the pump's business. */
	while (n < BIG) {
		WORLD_UNTIL(w, recv(data, got, 3, MSG_DONTWAIT | MSG_PEEK) == 3);
		assert_int_equal(recv(data, got, 3, 0), 3);
		at = (size_t)got[1] << 8 | got[2];
		world_expect_bytes(w, data, bytes + n, at);
		n += at;
		assert_int_equal(got[0], n == BIG ? 0x40 : 0);
	}
	expect_file(w, data, "b", 1);
	expect_file(w, data, "b", 1);
	expect_codes(w, "125 250 125 250 125 250 125 250 125");
	close(data);
}

/* The client is slow: the end of a file is told when the connection has it, no sooner. */
static void
narrow(struct world *w, int data)
{
	const int little = 8192;
	int fd = conn_fd(session_of(w)->data.conn);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	setsockopt(data, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
}

static void
test_slow(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	narrow(w, data);
	say_many(w, "RETR /kilo", 40);
	WORLD_UNTIL(w, session_of(w)->state == SESSION_TRANSFER);
	for (unsigned i = 0; i < 40; i++) {
		expect_file(w, data, bytes, KILO);
		expect_codes(w, "125 250");
	}
	assert_true(w->rows > 1);
	assert_int_equal(session_of(w)->bytes_out, 4 + 40 * (KILO + 3));
	close(data);
}

/* ABOR ends the one that is being sent; those before it in the queue have no connection.
 */
static void
test_abort(void **state)
{
	struct world *w = *state;
	int data = begin(w);
	unsigned whole = 0;
	const char *line;

	narrow(w, data);
	say_many(w, "RETR /kilo", 40);
	WORLD_UNTIL(w, session_of(w)->state == SESSION_TRANSFER);
	world_say(w, "ABOR");
	for (line = world_hear(w); strncmp(line, "125 ", 4) == 0; line = world_hear(w)) {
		line = world_hear(w);
		if (strncmp(line, "250 ", 4) != 0)
			break;
		whole++;
	}
	assert_int_equal(strncmp(line, "426 ", 4), 0);
	assert_true(whole < 39);
	for (unsigned i = whole + 1; i < 40; i++)
		world_expect(w, "425 ");
	world_expect(w, "226 ");
	close(data);
	/* In one segment with them it ends the first. */
	data = world_epsv(w);
	w->rows = 0;
	say_at_once(w, "RETR /a|RETR /b|RETR /b|ABOR|RETR /a|RETR /b");
	expect_codes(w, "150 426 425 425 226 425 425");
	assert_int_equal(w->rows, 0);
	close(data);
}

/* ---- the agent takes its time, lies, or dies ---- */

static struct msg held;

static bool
hold(struct world *w, struct msg *back, int *fd)
{
	held = *back;
	return true;
}

static void
release(struct world *w)
{
	w->on_answer = NULL;
	assert_int_equal(chan_send(w->agent, &held, -1), 0);
}

static void
wait_for_row(struct world *w, const char *lines)
{
	unsigned rows = w->rows;

	w->on_answer = hold;
	say_at_once(w, lines);
	WORLD_UNTIL(w, w->rows > rows && session_of(w)->state == SESSION_ASKING);
}

static void
test_connection_goes(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	wait_for_row(w, "RETR /a|RETR /b|RETR /b");
	close(data);
	WORLD_UNTIL(w, session_of(w)->data.state == DATA_NONE);
	release(w);
	expect_codes(w, "150 425 425 425");
	/* The answer comes when nobody waits for it any more. */
	data = world_epsv(w);
	world_ask(w, "RETR /a", "150 ");
	world_expect(w, "250 ");
	wait_for_row(w, "RETR /a|RETR /b");
	world_say(w, "ABOR");
	WORLD_UNTIL(w, session_of(w)->aborts == 1);
	release(w);
	expect_codes(w, "125 426 425 226");
	world_ask(w, "NOOP", "200 ");
	close(data);
}

static void
test_client_goes(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	wait_for_row(w, "RETR /a|RETR /b|RETR /b");
	close(data);
	struct linger at_once = {.l_onoff = 1};
	setsockopt(w->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, session_of(w) == NULL);
	release(w);
	/* The answer found nobody, and the agent is well. */
	world_login(w);
}

static void
test_agent_dies(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	wait_for_row(w, "RETR /a|RETR /b|RETR /b");
	chan_free(w->agent);
	w->agent = NULL;
	world_expect(w, "421 ");
	close(data);
}

/* A row that is refused as a whole: each is asked for alone. */
static void
test_refused_row(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	wait_for_row(w, "RETR /a|RETR /b");
	held.worker_answer = (struct msg_worker_answer){.error = EBADF};
	release(w);
	expect_codes(w, "125 250 125 250");
	expect_file(w, data, "aa", 2);
	expect_file(w, data, "b", 1);
	assert_int_equal(w->opens, 2);
	close(data);
}

static const struct lie {
	uint64_t size;
	const char *text;
	size_t n;
} lies[] = {
    {2, "\2\0\0\0aa\1\0\0\0b\1\0\0\0c", 16}, /* more than were asked for */
    {3, "\2\0\0\0aa\1\0\0\0b", 11},
    {1, "\2\0\0\0aa\1\0\0\0b", 11}, /* more than it says */
    {2, "\2\0\0\0aa\2\0\0\0b", 11}, /* cut */
    {2, "\2\0\0\0aa\1\0\0", 9},
    {2, "\1\100\0\0", 4}, /* larger than any small file */
    {2, "", 0},           /* one must be done with, and two cannot be alone */
    {1, "\377\377\377\377", 4},
};

static void
test_lies(void **state)
{
	struct world *w = *state;
	const struct lie *lie = &lies[w->lie];
	int data = begin(w);

	wait_for_row(w, "RETR /a|RETR /b");
	held.worker_answer = (struct msg_worker_answer){
	    .size = lie->size,
	    .text = {.p = (const uint8_t *)lie->text, .n = lie->n},
	};
	release(w);
	world_expect(w, "421 ");
	close(data);
}

static int
lies_setup(void **state)
{
	static uint64_t next;

	world_setup(state);
	((struct world *)*state)->lie = next++ % ARRAY_LEN(lies);
	return 0;
}

/* ---- the logs ---- */

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
test_logs(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	w->conf.xferlog_enable = w->conf.xferlog_std_format = true;
	w->conf.log_ftp_protocol = true;
	w->log[0] = '\0';
	say_many(w, "RETR /a", 5);
	expect_codes(w, "125 250 125 250 125 250 125 250 125 250");
	WORLD_UNTIL(w, count(w->log, "Transfer complete") == 5);
	assert_int_equal(
	    count(w->log, "FTP command: Client \"127.0.0.1\", \"RETR /a\""), 5);
	assert_int_equal(
	    count(w->log, "\"125 Opening BINARY mode data connection for a (2 bytes).\""),
	    5);
	assert_int_equal(
	    count(w->log, " 0 127.0.0.1 5 /a b _ o r somebody ftp 0 * c"), 5);
	close(data);
}

static void
test_downloads_off(void **state)
{
	struct world *w = *state;
	int data = begin(w);

	w->conf.download_enable = false;
	say_many(w, "RETR /a", 3);
	expect_codes(w, "550 550 550");
	assert_int_equal(w->rows + w->opens, 0);
	close(data);
}

/* ---- row.h ---- */

static void
test_paths(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		int r;
	} table[] = {
	    {"/a", 3, 1},
	    {"", 0, 0},
	    {"/a", 2, -FERRY_EPROTO},
	    {"a", 2, -FERRY_EPROTO},
	    {"", 1, -FERRY_EPROTO},
	};
	const char *path;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes b = {(const uint8_t *)table[i].p, table[i].n};

		assert_int_equal(row_get_path(&b, &path), table[i].r);
		if (table[i].r == 1)
			assert_string_equal(path, table[i].p);
	}
	uint8_t *longest = malloc(4097);
	memset(longest, '/', 4096);
	longest[4096] = '\0';
	struct bytes b = {longest, 4097};
	assert_int_equal(row_get_path(&b, &path), -FERRY_EPROTO);
	b = (struct bytes){longest + 1, 4096};
	assert_int_equal(row_get_path(&b, &path), 1);
	assert_int_equal(b.n, 0);
	free(longest);
}

static void
test_files(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		int r;
		size_t length;
	} table[] = {
	    {"\2\0\0\0ab", 6, 1, 2},
	    {"\0\0\0\0", 4, 1, 0},
	    {"", 0, 0, 0},
	    {"\2\0\0\0a", 5, -FERRY_EPROTO, 0},
	    {"\2\0\0", 3, -FERRY_EPROTO, 0},
	    {"\377\377\377\377", 4, -FERRY_EPROTO, 0},
	};
	struct bytes file;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes b = {(const uint8_t *)table[i].p, table[i].n};

		assert_int_equal(row_get_file(&b, &file), table[i].r);
		if (table[i].r == 1)
			assert_int_equal(file.n, table[i].length);
	}
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
#define LIES_TEST(fn) cmocka_unit_test_setup_teardown(fn, lies_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(test_one_question),
	    WORLD_TEST(test_first_connection),
	    WORLD_TEST(test_in_between),
	    WORLD_TEST(test_large),
	    WORLD_TEST(test_slow),
	    WORLD_TEST(test_abort),
	    WORLD_TEST(test_connection_goes),
	    WORLD_TEST(test_client_goes),
	    WORLD_TEST(test_agent_dies),
	    WORLD_TEST(test_refused_row),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    LIES_TEST(test_lies),
	    WORLD_TEST(test_logs),
	    WORLD_TEST(test_downloads_off),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
