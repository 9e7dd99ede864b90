/*
 * How a worker's data connections come about: active and passive mode, block mode, calls from
 * behind a proxy.
 */
#include "session_world.h"

#include <arpa/inet.h>

#include "transfer.h"

/* ---- block mode ---- */

/* The whole of what `script` is, block after block, and that it is all there is. */
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
	world_expect_bytes(w, data, "\x40\0\x0a" "0123456789", 13);
	world_expect(w, "250 ");
	/* Refusals send nothing. */
	world_ask(w, "RETR /missing", "550 ");
	world_ask(w, "STOR /denied", "553 ");
	world_ask(w, "LIST /missing", "450 ");
	world_ask(w, "RETR /empty", "125 ");
	world_expect_bytes(w, data, "\x40\0\0", 3);
	world_expect(w, "250 ");
	world_ask(w, "NLST", "125 ");
	world_expect_bytes(w, data, "\0\0\x05one\r\n\x40\0\0", 11);
	world_expect(w, "250 ");
	world_ask(w, "REST 8", "350 ");
	world_ask(w, "RETR /f", "125 ");
	world_expect_bytes(w, data, "\x40\0\x02" "89", 5);
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
	world_expect_bytes(w, data, "\0\0\x05one\r\n\x60\0\0", 11);
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
		world_expect_bytes(w, data, "\x40\0\1x", 4);
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
	world_expect_bytes(w, data, "\x40\0\1x", 4);
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
	world_expect_bytes(w, data, "\x40\0\2aa" "\0\0\3l\r\n" "\x40\0\0" "\x40\0\1b", 18);
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

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
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
	};

	RUN_SESSION_TESTS(tests, argc, argv);
}
