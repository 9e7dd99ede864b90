/*
 * A worker's conversations about files: both directions, whole and in part, listings, messages
 * of directories.
 */
#include "session_world.h"

#include "transfer.h"

/* ---- files to the client ---- */

static uint8_t *
pattern_of(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i * 2654435761u) >> 13);
	return p;
}

static void
test_retr_passive(void **state)
{
	struct world *w = *state;
	size_t n = 3000001;
	uint8_t *file = pattern_of(n), *got = malloc(n + 1);

	world_add_file(w, "/home/a file", file, n);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR a file",
	    "150 Opening BINARY mode data connection for a file (3000001 bytes).");
	assert_int_equal(session_of(w)->worker->large, 1);
	assert_int_equal(world_slurp(w, data, got, n + 1), n);
	assert_memory_equal(got, file, n);
	world_expect(w, "226 Transfer complete.");
	assert_string_equal(w->asked_path, "/home/a file");
	WORLD_UNTIL(w, session_of(w)->worker->large == 0);
	close(data);
	/* The connection was for one transfer. */
	world_ask(w, "RETR a file", "425 ");
	free(file);
	free(got);
}

static void
test_retr_from_an_offset(void **state)
{
	struct world *w = *state;
	uint8_t got[16];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	world_ask(w, "REST 4", "504 ");
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "REST 4", "350 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 6);
	assert_memory_equal(got, "456789", 6);
	world_expect(w, "226 ");
	close(data);
	/* Used up. */
	data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 10);
	world_expect(w, "226 ");
	close(data);
	world_ask(w, "REST 11", "350 ");
	data = world_epsv(w);
	world_ask(w, "RETR /f", "554 ");
	/* Refused before the 1xx: the next command can use the connection. */
	world_ask(w, "RETR /f", "150 ");
	world_slurp(w, data, got, sizeof(got));
	world_expect(w, "226 ");
	close(data);
}

static void
test_retr_ascii(void **state)
{
	struct world *w = *state;
	static uint8_t got[400000];
	struct buf file = BUF_INIT(200000), wire = BUF_INIT(400000);

	/* Line ends at every distance from the chunks' edges. */
	for (int i = 0; i < 3000; i++) {
		buf_printf(&file, "%.*s\n\n", i % 61, "0123456789012345678901234567890123456789012345678901234567890");
		buf_printf(&wire, "%.*s\r\n\r\n", i % 61, "0123456789012345678901234567890123456789012345678901234567890");
	}
	world_add_file(w, "/text", buf_data(&file), buf_len(&file));
	world_add_file(w, "/empty", "", 0);
	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "RETR /text", "150 Opening ASCII mode data connection for text.");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), buf_len(&wire));
	assert_memory_equal(got, buf_data(&wire), buf_len(&wire));
	world_expect(w, "226 ");
	close(data);
	data = world_epsv(w);
	world_ask(w, "RETR /empty", "150 ");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 0);
	world_expect(w, "226 ");
	close(data);
	w->conf.ascii_download_enable = false;
	data = world_epsv(w);
	world_ask(w, "RETR /text", "150 Opening BINARY");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), buf_len(&file));
	world_expect(w, "226 ");
	close(data);
	buf_free(&file);
	buf_free(&wire);
}

static void
test_retr_of_a_file_that_shrinks(void **state)
{
	struct world *w = *state;
	uint8_t *file = pattern_of(8 << 20), *got = malloc((8 << 20) + 1);

	world_add_file(w, "/f", file, 8 << 20);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(ftruncate(world_file(w, "/f")->fd, 100), 0);
	/* Not an end in order: a reset. */
	assert_int_equal(world_slurp(w, data, got, (8 << 20) + 1), -1);
	world_expect(w, "451 ");
	WORLD_UNTIL(w, session_of(w)->worker->large == 0);
	close(data);
	free(file);
	free(got);
}

static void
test_retr_client_goes_away(void **state)
{
	struct world *w = *state;
	uint8_t *file = pattern_of(8 << 20);
	const struct linger at_once = {.l_onoff = 1};

	world_add_file(w, "/f", file, 8 << 20);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	setsockopt(data, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(data);
	world_expect(w, "426 ");
	world_ask(w, "NOOP", "200 ");
	free(file);
}

static void
test_abor(void **state)
{
	struct world *w = *state;
	uint8_t *file = pattern_of(8 << 20);

	world_add_file(w, "/f", file, 8 << 20);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "ABOR", "225 ");
	/* While bytes move: nobody reads them. With Telnet's Synch, and commands queued before it. */
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	WORLD_UNTIL(w, session_of(w)->transfer->pump != NULL);
	world_send(w, "PWD\r\n\xff\xf4\xff\xf2" "ABOR\r\n", 15);
	world_expect(w, "426 ");
	world_expect(w, "257 ");
	world_expect(w, "226 ");
	close(data);
	/* While the data connection is waited for. */
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /f", "150 ");
	world_ask(w, "ABOR", "426 ");
	world_expect(w, "226 ");
	/* Pipelined behind it. */
	world_ask(w, "EPSV", "229 ");
	world_send(w, "RETR /f\r\nABOR\r\nNOOP\r\n", 21);
	world_expect(w, "150 ");
	world_expect(w, "426 ");
	world_expect(w, "226 ");
	world_expect(w, "200 ");
	/* After a transfer that is over: still about that one, but only once. */
	data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	close(data);
	world_expect(w, "226 ");
	world_ask(w, "ABOR", "226 ");
	world_ask(w, "ABOR", "225 ");
	/* An unused listener goes. */
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "ABOR", "225 ");
	world_ask(w, "RETR /f", "425 ");
	free(file);
}

static void
test_commands_during_a_transfer(void **state)
{
	struct world *w = *state;
	size_t n = 8 << 20;
	uint8_t *file = pattern_of(n), *got = malloc(n + 1);

	world_add_file(w, "/f", file, n);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	world_ask(w, "NOOP", "200 ");
	world_ask(w, "STAT", "211-");
	world_expect(w, " Connected from 127.0.0.1");
	world_expect(w, " Logged in as somebody");
	world_expect(w, " TYPE: I");
	world_expect(w, " 0 bytes received");
	world_expect(w, " The data connection is open.");
	world_expect(w, " Sending /f: ");
	world_expect(w, "211 ");
	/* These wait. */
	world_say(w, "QUIT");
	world_say(w, "NOOP");
	assert_int_equal(world_slurp(w, data, got, n + 1), n);
	assert_memory_equal(got, file, n);
	world_expect(w, "226 ");
	world_expect(w, "221 ");
	WORLD_UNTIL(w, w->client_eof);
	assert_int_equal(buf_len(&w->got), 0);
	close(data);
	free(file);
	free(got);
}

/* STAT is answered at once during a transfer, but not to one who reads no answer: then it
 * waits like everything else, and the session does not end. */
static void
test_stat_that_nobody_reads(void **state)
{
	struct world *w = *state;
	const char stat[] = "STAT\r\nSTAT\r\nSTAT\r\nSTAT\r\n";
	int client, small = 4096;
	struct session *s;

	world_add_file(w, "/f", "12345", 5);
	world_login(w);
	s = session_of(w);
	int data = world_epsv(w);
	close(data);
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /f", "150 ");
	client = w->client;
	setsockopt(conn_fd(s->control), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	w->client = -1; /* nobody reads */
	/* Replies wait, and commands behind them: which of the two queues is full first hangs on
	 * how much the system took of the last turn's replies. */
	while (!conn_is_full(s->control) && !input_is_full(&s->input)) {
		send(client, stat, sizeof(stat) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		uv_run(&w->loop, UV_RUN_NOWAIT);
		assert_false(w->too_late);
		assert_int_equal(s->state, SESSION_TRANSFER);
	}
	for (int i = 0; i < 1000; i++) {
		send(client, stat, sizeof(stat) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_true(conn_pending(s->control) < CONN_HIGH_WATER + 1024);
	assert_int_equal(s->state, SESSION_TRANSFER);
	close(client);
}

/* ---- files from the client ---- */

static void
test_stor(void **state)
{
	struct world *w = *state;
	size_t n = 3000001;
	uint8_t *file = pattern_of(n);

	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	assert_string_equal(w->asked_path, "/home/up");
	send_all(w, data, file, n);
	assert_int_equal(w->commits, 0);
	close(data);
	world_expect(w, "226 ");
	assert_int_equal(w->commits, 1);
	stored_is(w, file, n);
	/* Nothing at all is a file, too. */
	data = world_epsv(w);
	close(data);
	world_ask(w, "APPE up", "150 ");
	world_expect(w, "226 ");
	assert_int_equal(w->commits, 2);
	data = world_epsv(w);
	world_ask(w, "STOU", "150 FILE: file.0123");
	close(data);
	world_expect(w, "226 ");
	free(file);
}

static void
test_stor_ascii(void **state)
{
	struct world *w = *state;
	static const char wire[] = "a\r\nb\rc\n\r\r\n\r";

	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	for (size_t i = 0; i < sizeof(wire) - 1; i++) {
		send_all(w, data, (const uint8_t *)wire + i, 1);
		WORLD_UNTIL(w, transfer_bytes(session_of(w)) == i + 1);
	}
	close(data);
	world_expect(w, "226 ");
	stored_is(w, "a\nb\rc\n\r\n\r", 9);
}

static void
test_stor_that_fails(void **state)
{
	struct world *w = *state;
	const struct linger at_once = {.l_onoff = 1};

	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "STOR denied", "553 ");
	/* The client resets the connection. */
	world_ask(w, "STOR up", "150 ");
	send_all(w, data, (const uint8_t *)"part", 4);
	setsockopt(data, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(data);
	world_expect(w, "426 ");
	assert_int_equal(w->commits, 0);
	assert_int_equal(w->aborts, 1);
	/* The agent cannot keep its promise. */
	w->commit_error = ENOSPC;
	data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	close(data);
	world_expect(w, "552 ");
	w->commit_error = 0;
	/* Aborted. */
	data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	send_all(w, data, (const uint8_t *)"part", 4);
	world_ask(w, "ABOR", "426 ");
	world_expect(w, "226 ");
	assert_int_equal(w->aborts, 2);
	close(data);
	world_ask(w, "REST 4", "504 ");
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "REST 4", "350 ");
	world_ask(w, "APPE up", "503 ");
}

/* A program that is killed ends all its connections in order: that is not "the upload is complete". */
static void
test_stor_of_a_killed_client(void **state)
{
	struct world *w = *state;

	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	send_all(w, data, (const uint8_t *)"part", 4);
	close(w->client);
	w->client = -1;
	close(data);
	WORLD_UNTIL(w, w->closed == 1);
	assert_int_equal(w->commits, 0);
	assert_int_equal(w->aborts, 1);
}

/* ---- listings ---- */

static ssize_t
listing(struct world *w, const char *command, uint8_t *got, size_t cap, const char *end)
{
	int data = world_epsv(w);

	world_ask(w, command, "150 ");
	ssize_t n = world_slurp(w, data, got, cap);
	world_expect(w, end);
	close(data);
	return n;
}

static void
test_listings(void **state)
{
	struct world *w = *state;
	uint8_t got[256];

	w->listing = "one\r\ntwo\r\n";
	world_login(w);
	assert_int_equal(listing(w, "LIST -la", got, sizeof(got), "226 "), 10);
	assert_memory_equal(got, "one\r\ntwo\r\n", 10);
	assert_string_equal(w->asked_path, "/home");
	assert_string_equal(w->asked_shown, "");
	assert_int_equal(w->asked_list.flags, LIST_ALL);
	assert_int_equal(w->asked_list.format, LIST_LS);
	assert_int_equal(listing(w, "NLST sub/dir/", got, sizeof(got), "226 "), 10);
	assert_string_equal(w->asked_path, "/home/sub/dir");
	assert_string_equal(w->asked_shown, "sub/dir");
	assert_int_equal(listing(w, "NLST sub/*.c", got, sizeof(got), "226 "), 10);
	assert_string_equal(w->asked_path, "/home/sub");
	assert_string_equal(w->asked_shown, "sub");
	assert_string_equal(w->asked_pattern, "*.c");
	assert_int_equal(listing(w, "MLSD /x*", got, sizeof(got), "226 "), 10);
	assert_string_equal(w->asked_path, "/x*");
	assert_string_equal(w->asked_pattern, "");
	assert_int_equal(w->asked_list.format, LIST_MLSD);
	/* Something has that name: it is no pattern. */
	world_add_file(w, "/a[1]", "", 0);
	assert_int_equal(listing(w, "LIST /a[1]", got, sizeof(got), "226 "), 10);
	assert_string_equal(w->asked_path, "/a[1]");
	assert_string_equal(w->asked_pattern, "");
	w->listing = "";
	assert_int_equal(listing(w, "LIST", got, sizeof(got), "226 "), 0);
	/* A short path in more words than the agent takes. */
	char longest[4113] = "LIST ";
	memset(longest + 5, '/', sizeof(longest) - 6);
	for (size_t i = 6; i < sizeof(longest) - 1; i += 2)
		longest[i] = '.';
	world_ask(w, "EPSV", "229 ");
	world_ask(w, longest, "550 The name is too long.");
	world_ask(w, "NOOP", "200 ");
}

static void
test_listings_that_fail(void **state)
{
	struct world *w = *state;
	uint8_t got[256];

	w->listing = "one\r\n";
	world_login(w);
	w->listing_status = 1;
	listing(w, "LIST", got, sizeof(got), "451 ");
	world_ask(w, "STAT /x", "213-");
	world_expect(w, " one");
	world_expect(w, "213 The listing broke off here");
	/* The agent ends without a word: the last byte is no status. */
	w->listing_status = -1;
	listing(w, "LIST", got, sizeof(got), "451 ");
	w->listing_status = 0;
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "LIST missing", "450 ");
	world_ask(w, "MLSD missing", "550 ");
	world_ask(w, "STAT missing", "450 ");
	w->conf.dirlist_enable = false;
	world_ask(w, "LIST", "550 ");
	world_ask(w, "STAT /x", "550 ");
}

/* A listing that comes in pieces goes on when the next one is there. */
static void
test_listing_in_pieces(void **state)
{
	struct world *w = *state;
	uint8_t got[64];
	size_t n = 0;

	w->keep_listing_open = true;
	w->listing = "one";
	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "LIST", "150 ");
	while (n < 2) {
		ssize_t r = recv(data, got + n, sizeof(got) - n, MSG_DONTWAIT);
		n += r > 0 ? (size_t)r : 0;
		world_turn(w);
	}
	assert_int_equal(write(w->listing_end, "\r\ntwo\r\n\0", 8), 8);
	fd_closep(&w->listing_end);
	assert_int_equal(world_slurp(w, data, got + n, sizeof(got) - n), 10 - n);
	assert_memory_equal(got, "one\r\ntwo\r\n", 10);
	world_expect(w, "226 ");
	close(data);
}

/* ---- directories and other files ---- */

static void
test_message_of_a_directory(void **state)
{
	struct world *w = *state;

	w->conf.dirmessage_enable = true;
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "PASS right", "230-226 hello");
	world_expect(w, "230-second");
	world_expect(w, "230 Login successful.");
	world_ask(w, "CWD sub", "250-226 hello");
	world_expect(w, "250-second");
	world_expect(w, "250 ");
	world_ask(w, "CWD missing", "550 ");
	world_ask(w, "PWD", "257 \"/home/sub\"");
	/* Been here before. */
	world_ask(w, "CDUP", "250 ");
	world_ask(w, "PWD", "257 \"/home\"");
	world_ask(w, "CDUP", "250-226 hello");
	world_expect(w, "250-second");
	world_expect(w, "250 ");
}

/* A message of empty lines is the longest reply there is: 8 KiB become 48. */
static void
test_longest_message(void **state)
{
	struct world *w = *state;
	static char lines[8193];

	memset(lines, '\n', sizeof(lines) - 1);
	w->message = lines;
	w->conf.dirmessage_enable = true;
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_say(w, "PASS right");
	for (size_t i = 0; i < sizeof(lines) - 1; i++)
		world_expect(w, "230-");
	world_expect(w, "230 Login successful.");
}

/* An LF in a name ends no line, but many clients think so: where they know the name
 * anyway it is escaped. */
static void
test_names_with_lf(void **state)
{
	struct world *w = *state;

	world_login(w);
	w->facts = "type=file; /a\n250 forged";
	world_ask(w, "MLST a\n250 forged", "250-");
	world_expect(w, " type=file; /a\\012250 forged");
	world_expect(w, "250 End");
	world_ask(w, "MFMT 20240101000000 a\n213 forged",
	    "213 Modify=20240101000000; a\\012213 forged");
	/* RFC 959 appendix II: a path to be used as it is. */
	world_ask(w, "CWD a\nb", "250 Directory changed to /home/a\\012b");
	world_ask(w, "PWD", "257 \"/home/a\nb\"");
}

static void
test_mdtm_that_sets(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/home/20240101000000 x", "", 0);
	w->conf.mdtm_write = true;
	world_login(w);
	world_ask(w, "MDTM 20240101000000 x", "213 20010909014640");
	world_ask(w, "MDTM 20240101000000 y", "213 ");
	assert_int_equal(w->asked_change.what, CHANGE_MTIME);
	assert_int_equal(w->asked_change.mtime, 1704067200);
	assert_string_equal(w->asked_path, "/home/y");
	w->conf.mdtm_write = false;
	world_ask(w, "MDTM 20240101000000 z", "550 ");
	world_ask(w, "MFMT 20240101000000 z", "213 ");
	w->conf.mfmt_enable = false;
	world_ask(w, "MFMT 20240101000000 z", "550 ");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(test_retr_passive),
	    WORLD_TEST(test_retr_from_an_offset),
	    WORLD_TEST(test_retr_ascii),
	    WORLD_TEST(test_retr_of_a_file_that_shrinks),
	    WORLD_TEST(test_retr_client_goes_away),
	    WORLD_TEST(test_abor),
	    WORLD_TEST(test_commands_during_a_transfer),
	    WORLD_TEST(test_stat_that_nobody_reads),
	    WORLD_TEST(test_stor),
	    WORLD_TEST(test_stor_ascii),
	    WORLD_TEST(test_stor_that_fails),
	    WORLD_TEST(test_stor_of_a_killed_client),
	    WORLD_TEST(test_listings),
	    WORLD_TEST(test_listings_that_fail),
	    WORLD_TEST(test_listing_in_pieces),
	    WORLD_TEST(test_message_of_a_directory),
	    WORLD_TEST(test_longest_message),
	    WORLD_TEST(test_names_with_lf),
	    WORLD_TEST(test_mdtm_that_sets),
	};

	RUN_SESSION_TESTS(tests, argc, argv);
}
