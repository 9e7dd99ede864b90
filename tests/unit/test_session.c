/*
 * Conversations with a worker whose master, auth and agent are played by the test: logging in, names,
 * transfers in both directions and modes, what happens when somebody goes away, limits.
 */
#include "worker_world.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>

#include "session.h"
#include "transfer.h"

static struct session *
session_of(struct world *w)
{
	return worker_session(&w->worker, w->sessions);
}

/* ---- greeting and login ---- */

static void
test_greeting_of_several_lines(void **state)
{
	struct world *w = *state;

	free(w->conf.ftpd_banner);
	w->conf.ftpd_banner = strdup("Welcome\n226 not a reply\r\n\nto \x1b[31m all\n");
	world_connect(w);
	world_expect(w, "220-Welcome");
	world_expect(w, "220-226 not a reply");
	world_expect(w, "220-");
	world_expect(w, "220 to \\033[31m all");
}

static void
test_login(void **state)
{
	struct world *w = *state;

	world_login(w);
	assert_string_equal(w->asked_peer, "127.0.0.1");
	world_ask(w, "PWD", "257 \"/home\" ");
	world_ask(w, "USER other", "530 ");
	world_ask(w, "PASS x", "503 ");
	world_ask(w, "REIN", "220 ");
	WORLD_UNTIL(w, w->logouts == 1);
	world_ask(w, "PWD", "530 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "PASS right", "230 ");
	world_ask(w, "QUIT", "221 ");
	WORLD_UNTIL(w, w->client_eof);
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->closed == 1);
}

static void
test_login_sequence(void **state)
{
	struct world *w = *state;

	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "PASS right", "503 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "NOOP", "200 ");
	world_ask(w, "PASS right", "503 ");
	world_ask(w, "USER nobody", "331 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "ACCT x", "202 ");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "PASS right", "230 ");
}

static void
test_wrong_passwords_end_the_session(void **state)
{
	struct world *w = *state;

	world_connect(w);
	world_expect(w, "220 ");
	for (int i = 0; i < 3; i++) {
		world_ask(w, "USER somebody", "331 ");
		world_ask(w, "PASS wrong", "530 Login incorrect.");
	}
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
}

/* Another session is not held up while the refusal waits. */
static void
test_delay_holds_nobody_else_up(void **state)
{
	struct world *w = *state;

	w->conf.delay_failed_login = 300;
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_say(w, "PASS wrong");
	struct session *first = session_of(w);
	WORLD_UNTIL(w, first->state == SESSION_PAUSED);
	int client = w->client;
	w->client = -1;
	world_login(w);
	assert_int_equal(first->state, SESSION_PAUSED);
	close(client);
}

static void
test_delay_of_refusals(void **state)
{
	struct world *w = *state;

	w->conf.delay_failed_login = 1;
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	uint64_t before = uv_hrtime();
	world_ask(w, "PASS wrong", "530 ");
	assert_true(uv_hrtime() - before > 900000000);
}

static void
test_auth_goes_away(void **state)
{
	struct world *w = *state;

	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_say(w, "PASS none");
	WORLD_UNTIL(w, w->logins == 1);
	chan_free(w->auth);
	w->auth = NULL;
	world_expect(w, "530 The login cannot be checked");
	world_ask(w, "USER somebody", "331 ");
	world_ask(w, "PASS right", "530 The login cannot be checked");
	/* A grant that comes after all is given back. */
	world_grant(w, w->sessions);
	WORLD_UNTIL(w, w->logouts == 1);
	world_ask(w, "PWD", "530 ");
}

static void
test_master_refuses(void **state)
{
	struct world *w = *state;
	struct msg m = {
	    .type = MSG_WORKER_REFUSED,
	    .worker_refused = {.session = 1, .why = bytes_of("no\r\n230 home")},
	};

	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER somebody", "331 ");
	world_say(w, "PASS none");
	WORLD_UNTIL(w, w->logins == 1);
	chan_send(w->master, &m, -1);
	world_expect(w, "530 Login not possible: no\\015\\012230 home");
	world_ask(w, "NOOP", "200 ");
}

static void
test_anonymous_without_password(void **state)
{
	struct world *w = *state;

	w->conf.no_anon_password = true;
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "USER Anonymous", "530 "); /* this auth wants a password */
	assert_int_equal(w->logins, 1);
	world_ask(w, "USER somebody", "331 ");
}

/* ---- the same conversation, however it is cut ---- */

static const char script[] = "\xff\xfd\x01USER somebody\r\nPASS right\r\npwd\r\n"
			     "CWD a\"b\xff\xff\xff\xf1" "c\r\0d\r\nPWD\r\n"
			     "MKD x\ny\r\n"
			     "NOOP\r\n"
			     "TYPE L 8\r\nTYPE X\r\nTYPE E\r\nSTRU R\r\nMODE B\r\nMODE S\r\n"
			     "SIZE /file\r\nMDTM /file\r\nSIZE /nothing\r\n"
			     "RNFR /file\r\nRNTO other\r\nRNTO other\r\n"
			     "RNFR /file\r\nNOOP\r\nRNTO other\r\n"
			     "MFMT 20240230000000 x\r\nMFMT 20240229000000 x\r\n"
			     "REST 99999999999999999999\r\nREST 5\r\n"
			     "FEAT\r\nOPTS MLST size;bogus;type;\r\nFEAT\r\nMLST\r\nSYST\r\n"
			     "SITE UMASK 022\r\nSITE UMASK\r\nSITE CHMOD 7 a b\r\nSITE EXEC ls\r\n"
			     "STAT /list\r\nABOR\r\nDELE\r\nRETR x\r\nHELP PWD\r\n\r\n"
			     "QUIT\r\nNOOP\r\n";

static const char replies[] =
    "220 Ferry FTP server ready.\r\n"
    "\xff\xfc\x01" "331 Please give the password with PASS.\r\n"
    "230 Login successful.\r\n"
    "257 \"/home\" is the current directory.\r\n"
    "250 Directory changed to /home/a\"b\\377c\\015d\r\n"
    "257 \"/home/a\"\"b\xff\xff" "c\r\0d\" is the current directory.\r\n"
    "257 \"/home/a\"\"b\xff\xff" "c\r\0d/x\ny\" created.\r\n"
    "200 NOOP ok.\r\n"
    "200 TYPE is I: every byte as it is.\r\n"
    "504 Only TYPE A N, I and L 8 are offered.\r\n"
    "504 Only TYPE A N, I and L 8 are offered.\r\n"
    "504 Only STRU F is offered.\r\n"
    "200 MODE is B.\r\n"
    "200 MODE is S.\r\n"
    "213 5\r\n"
    "213 20010909014640\r\n"
    "550 no such file.\r\n"
    "350 The new name, please: RNTO.\r\n"
    "250 Renamed.\r\n"
    "503 RNFR comes first, and RNTO right behind it.\r\n"
    "350 The new name, please: RNTO.\r\n"
    "200 NOOP ok.\r\n"
    "503 RNFR comes first, and RNTO right behind it.\r\n"
    "501 MFMT takes YYYYMMDDHHMMSS and a file.\r\n"
    "213 Modify=20240229000000; x\r\n"
    "501 REST takes a number of bytes.\r\n"
    "350 The next transfer begins at byte 5.\r\n"
    "211-Features:\r\n TVFS\r\n HOST\r\n LANG EN*\r\n CLNT\r\n EPRT\r\n PASV\r\n EPSV\r\n MODE Z\r\n MODE B\r\n REST STREAM\r\n RANG STREAM\r\n"
    " UTF8\r\n SIZE\r\n MDTM\r\n MFMT\r\n"
    " MLST type*;size*;modify*;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;create*;\r\n"
    " MFF Modify;UNIX.mode;\r\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32\r\n XCRC\r\n XMD5\r\n XSHA\r\n XSHA1\r\n"
    " XSHA256\r\n XSHA512\r\n AVBL\r\n FERRY-DIAG\r\n211 End\r\n"
    "200 MLST OPTS type;size;\r\n"
    "211-Features:\r\n TVFS\r\n HOST\r\n LANG EN*\r\n CLNT\r\n EPRT\r\n PASV\r\n EPSV\r\n MODE Z\r\n MODE B\r\n REST STREAM\r\n RANG STREAM\r\n"
    " UTF8\r\n SIZE\r\n MDTM\r\n MFMT\r\n"
    " MLST type*;size*;modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;create;\r\n"
    " MFF Modify;UNIX.mode;\r\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32\r\n XCRC\r\n XMD5\r\n XSHA\r\n XSHA1\r\n"
    " XSHA256\r\n XSHA512\r\n AVBL\r\n FERRY-DIAG\r\n211 End\r\n"
    "250-Facts:\r\n type=dir; /home\r\n250 End\r\n"
    "215 UNIX Type: L8\r\n"
    "200 The umask is now 022.\r\n"
    "200 The umask is 022.\r\n"
    "200 The mode is set.\r\n"
    "500 SITE does not know that. SITE HELP lists what it knows.\r\n"
    "213-Listing:\r\n -rw one\r\n \r\n 226 two\r\n213 End of the listing.\r\n"
    "225 No transfer to abort.\r\n"
    "501 This command needs an argument.\r\n"
    "425 There is no data connection. Use EPSV, PASV, EPRT or PORT first.\r\n"
    "214 PWD\r\n"
    "500 Unknown command. HELP lists what there is.\r\n"
    "221 Goodbye.\r\n";

static void
check_replies(struct world *w, size_t piece)
{
	WORLD_UNTIL(w, w->client_eof);
	size_t same = 0, heard = buf_len(&w->got);
	while (same < heard && same < sizeof(replies) - 1 &&
	    buf_data(&w->got)[same] == (uint8_t)replies[same])
		same++;
	if (same < heard || heard != sizeof(replies) - 1)
		fail_msg("cut at or every %zu: from byte %zu on heard \"%.200s\"", piece, same,
		    (const char *)buf_data(&w->got) + same);
}

static void
play_in_pieces(struct world *w, size_t piece)
{
	size_t n = sizeof(script) - 1;

	world_connect(w);
	for (size_t at = 0; at < n; at += piece) {
		world_send(w, script + at, piece < n - at ? piece : n - at);
		if (piece < 100)
			uv_run(&w->loop, UV_RUN_NOWAIT);
		world_read(w);
	}
	check_replies(w, piece);
}

/* In two parts; the second comes when all is said about the first, or while it is still at
 * work. */
static void
play_in_two(struct world *w, size_t cut, unsigned turns)
{
	const int on = 1;

	world_connect(w);
	setsockopt(w->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	world_send(w, script, cut);
	while (turns-- > 0)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	world_send(w, script + cut, sizeof(script) - 1 - cut);
	check_replies(w, cut);
}

static void
test_any_cut_of_the_input(void **state)
{
	struct world *w = *state;

	w->listing = "-rw one\r\n\r\n226 two\r\n";
	world_add_file(w, "/file", "12345", 5);
	play_in_pieces(w, sizeof(script));
	play_in_pieces(w, 1);
	play_in_pieces(w, 2);
	play_in_pieces(w, 7);
	play_in_pieces(w, 61);
	for (size_t cut = 1; cut < sizeof(script) - 1; cut++)
		play_in_two(w, cut, cut % 8);
}

static void
test_long_lines(void **state)
{
	struct world *w = *state;
	static char line[9000];

	world_login(w);
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "CWD ", 4);
	world_ask(w, line, "500 The line was too long.");
	line[4096] = '\0';
	world_ask(w, line, "550 The name is too long.");
	line[200] = '\0';
	world_ask(w, line, "250 ");
}

static void
test_many_commands_at_once(void **state)
{
	struct world *w = *state;
	struct buf flood = BUF_INIT(1 << 20);
	size_t sent = 0, heard = 0;

	world_login(w);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(buf_append_str(&flood, "NOOP\r\n"), 0);
	while (heard < 20000) {
		ssize_t n = send(w->client, buf_data(&flood) + sent, buf_len(&flood) - sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		world_turn(w);
		while (buf_len(&w->got) >= 14) {
			world_expect(w, "200 NOOP ok.");
			heard++;
		}
		assert_true(session_of(w)->input.count <= INPUT_FULL_LINES + INPUT_CHUNK / 2);
	}
	buf_free(&flood);
}

/* Commands wait for a transfer, in a queue that is full one day; nothing is lost. */
static void
test_a_full_queue_stops_reading(void **state)
{
	struct world *w = *state;
	const char list[] = "PWD\r\n";
	unsigned sent = 0, heard = 0;
	struct session *s;

	world_add_file(w, "/file", "12345", 5);
	world_login(w);
	s = session_of(w);
	int data = world_epsv(w);
	close(data);
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /file", "150 ");
	/* Nobody dials: the transfer waits, and so do these, until the queue and TCP take no more. */
	while (sent < 1000 || !input_is_full(&s->input)) {
		if (send(w->client, list, 5, MSG_DONTWAIT | MSG_NOSIGNAL) == 5)
			sent++;
		uv_run(&w->loop, UV_RUN_NOWAIT);
		assert_true(s->input.count <= INPUT_FULL_LINES + INPUT_CHUNK / 2);
	}
	assert_true(s->state == SESSION_TRANSFER);
	transfer_failed(s, "enough");
	world_expect(w, "425 enough");
	for (; heard < sent; heard++)
		world_expect(w, "257 ");
}

static void
test_a_client_that_does_not_read_is_not_read(void **state)
{
	struct world *w = *state;
	const char feat[] = "HELP\r\n";
	int client, small = 4096;
	struct session *s;

	world_login(w);
	s = session_of(w);
	client = w->client;
	setsockopt(conn_fd(s->control), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	w->client = -1; /* nobody reads */
	/* Replies wait, and commands behind them: which of the two queues is full first hangs on
	 * how much the system took of the last turn's replies. */
	while (!conn_is_full(s->control) && !input_is_full(&s->input)) {
		send(client, feat, 6, MSG_DONTWAIT | MSG_NOSIGNAL);
		uv_run(&w->loop, UV_RUN_NOWAIT);
		assert_false(w->too_late);
	}
	for (int i = 0; i < 1000; i++) {
		send(client, feat, 6, MSG_DONTWAIT | MSG_NOSIGNAL);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_true(conn_pending(s->control) < 2 * CONN_HIGH_WATER);
	assert_int_equal(s->state, SESSION_READY);
	close(client);
}

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
	assert_int_equal(world_slurp(w, data, got, n + 1), n);
	assert_memory_equal(got, file, n);
	world_expect(w, "226 Transfer complete.");
	assert_string_equal(w->asked_path, "/home/a file");
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
stored_is(struct world *w, const void *p, size_t n)
{
	uint8_t *got = malloc(n + 2);

	assert_int_equal(pread(w->stored, got, n + 2, 0), n);
	assert_memory_equal(got, p, n);
	free(got);
}

static void
send_all(struct world *w, int data, const uint8_t *p, size_t n)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t r = send(data, p + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r > 0)
			sent += (size_t)r;
		else
			assert_int_equal(errno, EAGAIN);
		world_turn(w);
	}
}

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

/* ---- block mode ---- */

/* The whole of what `script` is, block after block, and that it is all there is. */
static void
expect_wire(struct world *w, int fd, const void *wire, size_t n)
{
	uint8_t got[256];
	size_t at = 0;

	assert_true(n <= sizeof(got));
	while (at < n) {
		ssize_t r = recv(fd, got + at, n - at, MSG_DONTWAIT);

		if (r > 0)
			at += (size_t)r;
		else if (r == 0 || errno != EAGAIN)
			fail_msg("the connection ended after %zu of %zu bytes", at, n);
		else
			world_turn(w);
	}
	assert_memory_equal(got, wire, n);
}

/* The server has closed it; true also when with a reset. */
static void
expect_end(struct world *w, int fd)
{
	uint8_t got[16];

	assert_true(world_slurp(w, fd, got, sizeof(got)) <= 0);
	close(fd);
}

static void
test_blocks(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "0123456789", 10);
	world_add_file(w, "/empty", "", 0);
	w->listing = "one\r\n";
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "MODE B", "200 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	expect_wire(w, data, "\x40\0\x0a" "0123456789", 13);
	world_expect(w, "250 ");
	/* Refusals send nothing. */
	world_ask(w, "RETR /missing", "550 ");
	world_ask(w, "STOR /denied", "553 ");
	world_ask(w, "LIST /missing", "450 ");
	world_ask(w, "RETR /empty", "125 ");
	expect_wire(w, data, "\x40\0\0", 3);
	world_expect(w, "250 ");
	world_ask(w, "NLST", "125 ");
	expect_wire(w, data, "\0\0\x05one\r\n\x40\0\0", 11);
	world_expect(w, "250 ");
	world_ask(w, "REST 8", "350 ");
	world_ask(w, "RETR /f", "125 ");
	expect_wire(w, data, "\x40\0\x02" "89", 5);
	world_expect(w, "250 ");
	world_ask(w, "STOR up", "125 ");
	send_all(w, data, (const uint8_t *)"\x80\0\x02" "ab\x10\0\x01m\x40\0\x01" "c", 13);
	world_expect(w, "250 ");
	stored_is(w, "abc", 3);
	assert_int_equal(w->commits, 1);
	world_ask(w, "STAT", "211-");
	WORLD_UNTIL(w, strncmp(world_hear(w), "211 ", 4) == 0);
	world_ask(w, "MODE S", "200 ");
	expect_end(w, data);
	world_ask(w, "RETR /f", "425 ");
}

/* A broken listing, a disk that is full: the connection stays. */
static void
test_blocks_that_fail(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "x", 1);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "MODE B", "200 ");
	int data = world_epsv(w);
	w->listing = "one\r\n";
	w->listing_status = 1;
	world_ask(w, "LIST", "150 ");
	expect_wire(w, data, "\0\0\x05one\r\n\x60\0\0", 11);
	world_expect(w, "451 ");
	/* The agent cannot keep its promise. */
	w->commit_error = ENOSPC;
	world_ask(w, "STOR up", "125 ");
	send_all(w, data, (const uint8_t *)"\x40\0\x01" "c", 4);
	world_expect(w, "552 ");
	w->commit_error = 0;
	/* Nothing can be written at all. What is sent nevertheless is thrown away. */
	w->stores_read_only = true;
	world_ask(w, "STOR up", "125 ");
	send_all(w, data, (const uint8_t *)"\0\0\x01" "a", 4);
	WORLD_UNTIL(w, transfer_bytes(session_of(w)) == 4);
	uint8_t trash[32000]; /* more than is ever held without a thread */
	for (size_t i = 0; i < sizeof(trash); i += 8)
		memcpy(trash + i, "\0\0\x05" "trash", 8);
	send_all(w, data, trash, sizeof(trash));
	assert_int_equal(w->aborts, 0);
	send_all(w, data, (const uint8_t *)"\x40\0\0", 3);
	world_expect(w, "451 ");
	assert_int_equal(w->aborts, 1);
	w->stores_read_only = false;
	world_ask(w, "STOR up", "125 ");
	send_all(w, data, (const uint8_t *)"\x40\0\x02ok", 5);
	world_expect(w, "250 ");
	stored_is(w, "ok", 2);
	/* The same, but the client gives up. */
	w->stores_read_only = true;
	world_ask(w, "STOR up", "125 ");
	send_all(w, data, (const uint8_t *)"\0\0\x01" "a", 4);
	close(data);
	/* 426 when that is known before what the disk said. */
	world_expect(w, "4");
	assert_int_equal(w->aborts, 2);
	world_ask(w, "RETR /f", "425 ");
}

/* While nothing runs, the client's end of the connection is noticed; so are bytes. */
static void
test_blocks_while_nothing_runs(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "x", 1);
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "MODE B", "200 ");
	for (unsigned i = 0; i < 3; i++) {
		int data = world_epsv(w);
		world_ask(w, "RETR /f", "150 ");
		expect_wire(w, data, "\x40\0\1x", 4);
		world_expect(w, "250 ");
		assert_int_equal(session_of(w)->data.state, DATA_KEPT);
		if (i == 0) {
			close(data);
		} else if (i == 1) {
			send_all(w, data, (const uint8_t *)"?", 1);
		} else {
			/* An ABOR that is late. */
			world_ask(w, "ABOR", "226 ");
		}
		WORLD_UNTIL(w, session_of(w)->data.state == DATA_NONE);
		if (i > 0)
			expect_end(w, data);
	}
	/* The agent takes its time, and the client loses patience: no 125 for a connection that is gone. */
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	expect_wire(w, data, "\x40\0\1x", 4);
	world_expect(w, "250 ");
	world_say(w, "RETR /f");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_ASKING);
	close(data);
	world_expect(w, "150 ");
	world_expect(w, "425 ");
	world_ask(w, "NOOP", "200 ");
}

/* Of two commands in one segment the first ends before the second begins. */
static void
test_blocks_pipelined(void **state)
{
	struct world *w = *state;
	static const char lines[] = "RETR /a\r\nRETR /none\r\nNLST\r\nRETR /b\r\nMODE S\r\n";

	world_add_file(w, "/a", "aa", 2);
	world_add_file(w, "/b", "b", 1);
	w->listing = "l\r\n";
	world_login(w);
	world_ask(w, "TYPE I", "200 ");
	world_ask(w, "MODE B", "200 ");
	int data = world_epsv(w);
	world_send(w, lines, sizeof(lines) - 1);
	expect_wire(w, data, "\x40\0\2aa" "\0\0\3l\r\n" "\x40\0\0" "\x40\0\1b", 18);
	static const char *const codes[] = {"150 ", "250 ", "550 ", "125 ", "250 ", "125 ", "250 ", "200 "};
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		world_expect(w, codes[i]);
	expect_end(w, data);
}

/* ---- active mode ---- */

static int
listen_for_server(const char *address, struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, address, &ret->sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static void
say_port(struct world *w, const char *address, uint16_t port, const char *begin)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "PORT %s,%d,%d", address, port >> 8, port & 255);

	for (int i = 5; i < n; i++)
		line[i] = line[i] == '.' ? ',' : line[i];
	world_ask(w, line, begin);
}

static void
retr_active(struct world *w, int listener)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t got[16];
	int data;

	world_ask(w, "RETR /f", "150 ");

	while ((data = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC)) < 0)
		world_turn(w);
	assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 10);
	world_expect(w, "226 ");
	close(data);
}

static void
test_port(void **state)
{
	struct world *w = *state;
	struct sockaddr_in at;
	int listener = listen_for_server("127.0.0.1", &at);
	char line[64];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	say_port(w, "127.0.0.1", ntohs(at.sin_port),
	    "200 PORT command successful. Consider using PASV.");
	retr_active(w, listener);
	snprintf(line, sizeof(line), "EPRT !1!127.0.0.1!%u!", ntohs(at.sin_port));
	world_ask(w, line, "200 EPRT command successful.");
	retr_active(w, listener);
	/* From the well-known port, as far as it can be had. */
	w->conf.connect_from_port_20 = true;
	say_port(w, "127.0.0.1", ntohs(at.sin_port), "200 ");
	retr_active(w, listener);
	w->bind_error = EADDRINUSE;
	say_port(w, "127.0.0.1", ntohs(at.sin_port), "200 ");
	retr_active(w, listener);
	assert_int_equal(w->binds, 2);
	w->bind_error = EACCES;
	say_port(w, "127.0.0.1", ntohs(at.sin_port), "200 ");
	world_ask(w, "RETR /f", "150 ");
	world_expect(w,
	    "425 I may not call from port 20 as connect_from_port_20 wants: permission "
	    "denied. Use passive mode, or start the server as root.");
	world_ask(w, "NOOP", "200 ");
	close(listener);
}

static void
test_port_refused(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *line, *reply;
	} rows[] = {
	    {"PORT 192,168,1,100,5,67",
		"500 PORT names 192.168.1.100 but you come from 127.0.0.1 (NAT?). Use passive mode."},
	    {"PORT 127,0,0,1,3,255", "504 "},
	    {"PORT 127,0,0,1,0,0", "501 "},
	    {"PORT 127,0,0,1,5", "501 "},
	    {"PORT 127,0,0,1,5,256", "501 "},
	    {"EPRT |1|127.0.0.2|5000|", "500 EPRT names 127.0.0.2 "},
	    {"EPRT |2|::1|5000|", "522 You are connected over the other protocol, use (1)"},
	    {"EPRT |3|x|5000|", "522 Unknown network protocol, use (1,2)"},
	    {"EPRT |1|127.0.0.1|99999|", "501 "},
	};

	world_login(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		world_ask(w, "EPSV", "229 ");
		world_ask(w, rows[i].line, rows[i].reply);
		/* It leaves nothing behind. */
		world_ask(w, "LIST", "425 ");
	}
	w->conf.port_enable = false;
	world_ask(w, "PORT 127,0,0,1,50,0",
	    "502 Active mode is switched off on this server (port_enable=NO). Use PASV or EPSV.");
}

static void
test_port_nobody_there(void **state)
{
	struct world *w = *state;
	struct sockaddr_in at;
	char text[128];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	int listener = listen_for_server("127.0.0.1", &at);
	close(listener);
	say_port(w, "127.0.0.1", ntohs(at.sin_port), "200 ");
	world_ask(w, "RETR /f", "150 ");
	snprintf(text, sizeof(text),
	    "425 I could not reach 127.0.0.1 port %u: connection refused. Use passive mode or open that port.",
	    ntohs(at.sin_port));
	world_expect(w, text);
	world_ask(w, "NOOP", "200 ");
}

/* ---- passive mode ---- */

static void
test_passive_replies(void **state)
{
	struct world *w = *state;
	unsigned h[6];

	world_login(w);
	world_say(w, "PASV");
	assert_int_equal(sscanf(world_hear(w), "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u).",
			     &h[0], &h[1], &h[2], &h[3], &h[4], &h[5]),
	    6);
	assert_int_equal(h[0], 127);
	assert_in_range(h[4] * 256 + h[5], 61000, 61199);
	free(w->conf.pasv_address);
	w->conf.pasv_address = strdup("192.168.1.200");
	world_ask(w, "PASV", "227 Entering Passive Mode (192,168,1,200,");
	world_ask(w, "EPSV 1", "229 Entering Extended Passive Mode (|||");
	world_ask(w, "EPSV 2", "522 You are connected over another protocol, use (1)");
	world_ask(w, "EPSV x", "501 ");
	world_ask(w, "EPSV ALL", "200 ");
	world_ask(w, "PASV", "501 ");
	world_ask(w, "PORT 127,0,0,1,50,0", "501 ");
	world_ask(w, "EPRT |1|127.0.0.1|5000|", "501 ");
	world_ask(w, "EPSV", "229 ");
	w->conf.pasv_enable = false;
	world_ask(w, "EPSV",
	    "502 Passive mode is switched off on this server (pasv_enable=NO). Use PORT or EPRT.");
	world_ask(w, "LIST", "425 ");
}

/* pasv_own_for_private: our own address where both ends are inside, and only there. */
static void
test_passive_from_inside(void **state)
{
	static const struct {
		bool own;
		uint32_t peer, local;
		const char *told;
	} rows[] = {
	    {true, 0x0a000001, 0x0a000002, "10,0,0,2"},
	    {true, 0xc0a80101, 0x0a000002, "10,0,0,2"},
	    {false, 0x0a000001, 0x0a000002, "11,0,0,9"},
	    {true, 0x0b000001, 0x0a000002, "11,0,0,9"},
	    {true, 0x0a000001, 0x0b000002, "11,0,0,9"},
	    {true, 0x64400001, 0x0a000002, "11,0,0,9"},
	};
	struct world *w = *state;
	char reply[64];

	world_login(w);
	struct endpoint peer = session_of(w)->peer, local = session_of(w)->local;
	free(w->conf.pasv_address);
	w->conf.pasv_address = strdup("11.0.0.9");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		w->conf.pasv_own_for_private = rows[i].own;
		session_of(w)->peer.v4.s_addr = htonl(rows[i].peer);
		session_of(w)->local.v4.s_addr = htonl(rows[i].local);
		snprintf(reply, sizeof(reply), "227 Entering Passive Mode (%s,", rows[i].told);
		world_ask(w, "PASV", reply);
	}
	session_of(w)->peer = peer;
	session_of(w)->local = local;
}

/* The client calls so long after the reply, as far as we can tell. */
static void
call_after(struct world *w, uint64_t ms)
{
	struct data *d = &session_of(w)->data;

	world_ask(w, "EPSV", "229 ");
	d->listened_at -= ms;
	int fd = world_dial(w, d->target.port);
	WORLD_UNTIL(w, d->state != DATA_LISTENING);
	close(fd);
}

/* curl 7.88 sleeps for a second when it finds the reply at its first look. */
static void
test_passive_replies_held_back(void **state)
{
	static const struct {
		uint64_t ms, hold;
	} calls[] = {{0, 0}, {500, 0}, {1000, 1}, {0, 1}, {1500, 1}, {1000, 2}, {1000, 4}, {1000, 8},
	    {1000, 16}, {1000, 16}};
	struct world *w = *state;

	world_login(w);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		call_after(w, calls[i].ms);
		assert_int_equal(session_of(w)->data.hold, calls[i].hold);
	}
	world_say(w, "EPSV");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_PAUSED);
	world_say(w, "NOOP");
	world_expect(w, "229 ");
	world_expect(w, "200 ");
	world_ask(w, "PASV", "227 ");
	/* It ends while its reply is held back. */
	world_say(w, "EPSV");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_PAUSED);
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->closed == 1);
}

/* Holds two ports in a row. The first one's number. */
static uint16_t
hold_two_ports(int ret_fd[2])
{
	struct sockaddr_in at;

	for (;;) {
		ret_fd[0] = listen_for_server("127.0.0.1", &at);
		uint16_t port = ntohs(at.sin_port);

		at.sin_port = htons(port + 1);
		ret_fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (bind(ret_fd[1], (struct sockaddr *)&at, sizeof(at)) == 0) {
			assert_int_equal(listen(ret_fd[1], 1), 0);
			return port;
		}
		close(ret_fd[0]);
		close(ret_fd[1]);
	}
}

static void
test_passive_range_is_full(void **state)
{
	struct world *w = *state;
	int taken[2];

	w->conf.pasv_min_port = hold_two_ports(taken);
	w->conf.pasv_max_port = w->conf.pasv_min_port + 1;
	world_login(w);
	/* Of a row only the first one waits. */
	world_say(w, "PASV\r\nEPSV");
	world_expect(w, "425 All of my passive ports (");
	assert_int_not_equal(session_of(w)->state, SESSION_PORTLESS);
	world_expect(w, "425 All of my passive ports (");
	/* In line, it gets the port that becomes free. */
	world_say(w, "PASV");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_PORTLESS);
	close(taken[0]);
	world_expect(w, "227 ");
	close(taken[1]);
}

static void
test_passive_nobody_came(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "0123456789", 10);
	w->conf.accept_timeout = 0;
	world_login(w);
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /f", "150 ");
	world_expect(w, "425 Nobody came to my port 61");
	world_ask(w, "RETR /f", "425 ");
}

static void
test_passive_stranger(void **state)
{
	struct world *w = *state;
	struct sockaddr_in from = {.sin_family = AF_INET}, to;
	unsigned port = 0;
	uint8_t got[16];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	world_say(w, "EPSV");
	assert_int_equal(
	    sscanf(world_hear(w), "229 Entering Extended Passive Mode (|||%u|)", &port), 1);
	inet_pton(AF_INET, "127.0.0.2", &from.sin_addr);
	int stranger = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(stranger, (struct sockaddr *)&from, sizeof(from)), 0);
	to = from;
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	to.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(stranger, (struct sockaddr *)&to, sizeof(to)), 0);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(world_slurp(w, stranger, got, sizeof(got)), 0);
	close(stranger);
	WORLD_UNTIL(w, strstr(w->log, "stranger peer=127.0.0.2:") != NULL);
	/* The right one is still waited for. */
	int data = world_dial(w, (uint16_t)port);
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 10);
	world_expect(w, "226 ");
	close(data);
}

static int
setup_ipv6(void **state)
{
	struct world *w = world_new("::1");

	world_start_tick(w);
	*state = w;
	return 0;
}

static void
test_ipv6(void **state)
{
	struct world *w = *state;
	uint8_t got[16];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	assert_string_equal(w->asked_peer, "::1");
	world_ask(w, "PASV", "501 PASV cannot carry an IPv6 address. Use EPSV.");
	world_ask(w, "EPSV 1", "522 You are connected over another protocol, use (2)");
	world_ask(w, "PORT 127,0,0,1,50,0", "500 PORT names 127.0.0.1 but you come from ::1");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 10);
	world_expect(w, "226 ");
	close(data);
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

/* ---- others go away, or lie ---- */

static void
test_agent_goes_away(void **state)
{
	struct world *w = *state;

	world_login(w);
	w->agent_mute = true;
	world_say(w, "CWD x");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_ASKING);
	chan_free(w->agent);
	w->agent = NULL;
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
	/* Others go on. */
	world_connect(w);
	world_expect(w, "220 ");
	world_ask(w, "NOOP", "200 ");
}

/* In the middle of STAT's reply: that one ends first. */
static void
test_agent_goes_away_in_a_reply(void **state)
{
	struct world *w = *state;

	world_login(w);
	w->keep_listing_open = true;
	/* Its last byte waits: it could be the status. */
	w->listing = "one\r\nhalf a line";
	world_ask(w, "STAT x", "213-");
	world_expect(w, " one");
	WORLD_UNTIL(w, buf_len(&w->got) >= strlen(" half a lin"));
	chan_free(w->agent);
	w->agent = NULL;
	world_expect(w, " half a lin");
	world_expect(w, "213 The listing broke off here");
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
}

static void
test_agent_that_answers_unasked(void **state)
{
	struct world *w = *state;
	const struct msg lie = {.type = MSG_WORKER_ANSWER, .id = 12345};

	world_login(w);
	assert_int_equal(chan_send(w->agent, &lie, -1), 0);
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->agent == NULL);
}

/* A thread would wait for ever at a pipe or a terminal: only files are taken. */
static void
test_agent_that_gives_no_file(void **state)
{
	struct world *w = *state;

	world_add_file(w, "/f", "12345", 5);
	world_login(w);
	w->gives_devices = true;
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /f", "451 ");
	world_ask(w, "STOR /f", "451 ");
	w->gives_devices = false;
	int data = world_epsv(w);
	close(data);
	world_ask(w, "STOR /f", "150 ");
	world_expect(w, "226 ");
}

static void
test_answer_for_a_session_that_left(void **state)
{
	struct world *w = *state;

	world_login(w);
	w->agent_mute = true;
	world_say(w, "CWD x");
	WORLD_UNTIL(w, session_of(w)->state == SESSION_ASKING);
	session_end(session_of(w), "test");
	/* Its id is known, its session is not: nothing happens. */
	const struct msg late = {.type = MSG_WORKER_ANSWER, .id = 1};
	assert_int_equal(chan_send(w->agent, &late, -1), 0);
	WORLD_UNTIL(w, w->closed == 1);
	w->agent_mute = false;
	world_login(w);
	world_ask(w, "CWD x", "250 ");
	assert_non_null(w->agent);
}

static void
test_master_goes_away(void **state)
{
	struct world *w = *state;

	world_login(w);
	chan_free(w->master);
	w->master = NULL;
	WORLD_UNTIL(w, w->worker_ended);
}

static void
test_drain(void **state)
{
	struct world *w = *state;
	const struct msg m = {.type = MSG_WORKER_DRAIN};
	uint8_t got[16];

	world_add_file(w, "/f", "0123456789", 10);
	world_login(w);
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "EPSV", "229 ");
	int data = world_epsv(w);
	world_ask(w, "RETR /f", "150 ");
	assert_int_equal(chan_send(w->master, &m, -1), 0);
	assert_int_equal(world_slurp(w, data, got, sizeof(got)), 10);
	world_expect(w, "226 ");
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->worker_ended);
	close(data);
}

/* ---- time ---- */

static void
test_idle(void **state)
{
	struct world *w = *state;

	world_login(w);
	world_ask(w, "SITE IDLE 10", "501 ");
	world_ask(w, "SITE IDLE 301", "501 ");
	world_ask(w, "SITE IDLE 60", "200 ");
	w->conf.idle_session_timeout = 1;
	world_ask(w, "REIN", "220 ");
	world_expect(w, "421 ");
	WORLD_UNTIL(w, w->client_eof);
}

static void
test_stalled_transfer(void **state)
{
	struct world *w = *state;

	w->conf.data_connection_timeout = 1;
	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "STOR up", "150 ");
	world_expect(w, "426 No byte moved");
	assert_int_equal(w->aborts, 1);
	close(data);
}

/* ---- logs ---- */

static void
test_logs(void **state)
{
	struct world *w = *state;
	uint8_t got[16];

	world_add_file(w, "/a b\n", "0123456789", 10);
	w->conf.log_ftp_protocol = true;
	w->conf.xferlog_enable = true;
	world_login(w);
	int data = world_epsv(w);
	world_ask(w, "RETR /a b\n", "150 ");
	world_slurp(w, data, got, sizeof(got));
	world_expect(w, "226 ");
	close(data);
	w->conf.xferlog_std_format = true;
	data = world_epsv(w);
	world_ask(w, "RETR /a b\n", "150 ");
	world_slurp(w, data, got, sizeof(got));
	world_expect(w, "226 ");
	close(data);
	world_ask(w, "QUIT", "221 ");
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->closed == 1);
	assert_null(strstr(w->log, "right"));
	assert_non_null(strstr(w->log, "2 FTP command: Client \"127.0.0.1\", \"PASS ***\"\n"));
	assert_non_null(strstr(w->log, "2 FTP response: Client \"127.0.0.1\", \"331 "));
	assert_non_null(strstr(w->log,
	    "1 [somebody] OK DOWNLOAD: Client \"127.0.0.1\", \"/a b\\012\", 10 bytes, "));
	assert_non_null(strstr(w->log, " 127.0.0.1 10 /a_b_ a _ o r somebody ftp 0 * c\n"));
	assert_non_null(strstr(w->log, "0 connect peer=127.0.0.1:"));
	assert_non_null(strstr(w->log, "0 login ok user=\"somebody\" peer=127.0.0.1\n"));
	assert_non_null(strstr(w->log, "0 disconnect user=\"somebody\" in=0 out=20 "));
}

/* Who goes away in the middle is in the transfer log all the same. */
static void
test_log_of_a_session_that_ends(void **state)
{
	struct world *w = *state;
	const struct linger at_once = {.l_onoff = 1};

	world_add_file(w, "/f", "0123456789", 10);
	w->conf.xferlog_enable = w->conf.xferlog_std_format = true;
	world_login(w);
	world_ask(w, "EPSV", "229 ");
	world_ask(w, "RETR /f", "150 ");
	setsockopt(w->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(w->client);
	w->client = -1;
	WORLD_UNTIL(w, w->closed == 1);
	assert_non_null(strstr(w->log, " 127.0.0.1 0 /f a _ o r somebody ftp 0 * i\n"));
	assert_non_null(strstr(w->log, "0 transfer failed path=\"/f\" bytes=0: 426 "));
}

/* ---- behind a proxy ---- */

#define HEADER "PROXY TCP4 198.51.100.7 203.0.113.1 40211 21\r\n"

static struct session *
proxied_session(struct world *w)
{
	struct session *s;

	w->conf.proxy_protocol_from = strdup("127.0.0.0/8");
	world_connect(w);
	WORLD_UNTIL(w, (s = session_of(w)) != NULL);
	assert_int_equal(s->state, SESSION_ARRIVING);
	return s;
}

/* What comes behind the header is a command, however near it is. */
static void
test_a_proxy_header_in_pieces(void **state)
{
	static const char header[] = HEADER "USER somebody\r\n";
	struct world *w = *state;
	struct session *s = proxied_session(w);

	for (size_t i = 0; i < strlen(HEADER) - 1; i++) {
		world_send(w, header + i, 1);
		WORLD_UNTIL(w, s->preface->n == i + 1);
		assert_int_equal(s->state, SESSION_ARRIVING);
	}
	world_send(w, header + strlen(HEADER) - 1, sizeof(header) - strlen(HEADER));
	world_expect(w, "220 ");
	world_expect(w, "331 ");
	world_ask(w, "PASS right", "230 ");
	assert_string_equal(w->asked_peer, "198.51.100.7");
	assert_int_equal(w->counted, 1);
	world_ask(w, "PASV", "227 Entering Passive Mode (203,0,113,1,");
}

static void
time_passes(struct world *w, struct session *s)
{
	s->last_active -= 5000;
	session_watch(s);
	WORLD_UNTIL(w, w->client_eof && w->closed == 1);
	assert_int_equal(buf_len(&w->got), 0);
}

static void
test_a_proxy_that_says_nothing_is_not_waited_for(void **state)
{
	struct world *w = *state;
	struct session *s = proxied_session(w);

	world_send(w, HEADER, 5);
	WORLD_UNTIL(w, s->preface->n == 5);
	time_passes(w, s);
	assert_non_null(strstr(w->log, "proxy header=missing"));
}

static void
test_nobody_is_greeted_who_is_not_counted(void **state)
{
	struct world *w = *state;
	struct session *s = proxied_session(w);

	w->master_mute = true;
	world_send(w, HEADER, strlen(HEADER));
	WORLD_UNTIL(w, w->counted == 1);
	time_passes(w, s);
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(test_greeting_of_several_lines),
	    WORLD_TEST(test_login),
	    WORLD_TEST(test_login_sequence),
	    WORLD_TEST(test_wrong_passwords_end_the_session),
	    WORLD_TEST(test_delay_holds_nobody_else_up),
	    WORLD_TEST(test_delay_of_refusals),
	    WORLD_TEST(test_auth_goes_away),
	    WORLD_TEST(test_master_refuses),
	    WORLD_TEST(test_anonymous_without_password),
	    WORLD_TEST(test_any_cut_of_the_input),
	    WORLD_TEST(test_long_lines),
	    WORLD_TEST(test_many_commands_at_once),
	    WORLD_TEST(test_a_full_queue_stops_reading),
	    WORLD_TEST(test_a_client_that_does_not_read_is_not_read),
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
	    WORLD_TEST(test_blocks),
	    WORLD_TEST(test_blocks_that_fail),
	    WORLD_TEST(test_blocks_while_nothing_runs),
	    WORLD_TEST(test_blocks_pipelined),
	    WORLD_TEST(test_blocks),
	    WORLD_TEST(test_port),
	    WORLD_TEST(test_port_refused),
	    WORLD_TEST(test_port_nobody_there),
	    WORLD_TEST(test_passive_replies),
	    WORLD_TEST(test_passive_from_inside),
	    WORLD_TEST(test_passive_replies_held_back),
	    WORLD_TEST(test_passive_range_is_full),
	    WORLD_TEST(test_passive_nobody_came),
	    WORLD_TEST(test_passive_stranger),
	    WORLD_TEST(test_a_proxy_header_in_pieces),
	    WORLD_TEST(test_a_proxy_that_says_nothing_is_not_waited_for),
	    WORLD_TEST(test_nobody_is_greeted_who_is_not_counted),
	    cmocka_unit_test_setup_teardown(test_ipv6, setup_ipv6, world_teardown),
	    WORLD_TEST(test_listings),
	    WORLD_TEST(test_listings_that_fail),
	    WORLD_TEST(test_listing_in_pieces),
	    WORLD_TEST(test_message_of_a_directory),
	    WORLD_TEST(test_longest_message),
	    WORLD_TEST(test_names_with_lf),
	    WORLD_TEST(test_mdtm_that_sets),
	    WORLD_TEST(test_agent_goes_away),
	    WORLD_TEST(test_agent_goes_away_in_a_reply),
	    WORLD_TEST(test_agent_that_answers_unasked),
	    WORLD_TEST(test_agent_that_gives_no_file),
	    WORLD_TEST(test_answer_for_a_session_that_left),
	    WORLD_TEST(test_master_goes_away),
	    WORLD_TEST(test_drain),
	    WORLD_TEST(test_idle),
	    WORLD_TEST(test_stalled_transfer),
	    WORLD_TEST(test_logs),
	    WORLD_TEST(test_log_of_a_session_that_ends),
	};

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
