/*
 * Conversations with a worker whose master, auth and agent are played by the test: logging in,
 * commands that come in pieces or too many at once, what happens when somebody goes away, limits,
 * logs.
 */
#include "session_world.h"

#include <netinet/tcp.h>

#include "transfer.h"

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

	RUN_SESSION_TESTS(tests, argc, argv);
}
