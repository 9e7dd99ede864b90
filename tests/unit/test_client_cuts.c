/*
 * Downloads of the client engine under TLS, cut at every byte of what the server sends on
 * the data connection: however much of a file came, and though the server says 226, it is
 * whole only with TLS's own end behind it. Where a segment ends changes nothing. For TLS
 * 1.3 and 1.2, against a server of a few lines whose wires are wire.h's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_kit.h"
#include "util.h"
#include "wire.h"

#define FDS_MAX 4
/* Longest wait for a socket: so long that only a hang reaches it. */
#define PATIENCE_MS 20000
#define CONTENT "one line and\nanother\n"

struct cuts {
	struct tls_kit kit;
	struct ferry *h;
	int listener, data_listener;
	uint16_t data_port;
	struct wire control, data;
	struct buf heard; /* commands */
	size_t most;      /* bytes of the data connection that leave at once ... */
	bool cut;         /* ... and then it ends, or the others follow */
	bool sent;        /* 226 is said */
	struct wire_sum taken;
};

/* ---- the server ---- */

static int
listen_anywhere(uint16_t *ret_port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static bool
accept_at(int listener, struct wire *w)
{
	const int on = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return false;
	wire_close(w);
	wire_open(w, fd);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	return true;
}

static void
reply(struct cuts *c, const char *text)
{
	wire_say(&c->control, text, strlen(text));
}

static void
answer(struct cuts *c, const char *line)
{
	static const struct {
		const char *verb, *text;
	} replies[] = {
	    {"AUTH", "234 go\r\n"},
	    {"USER", "331 and?\r\n"},
	    {"PASS", "230 in\r\n"},
	    {"FEAT", "211 none\r\n"},
	    {"RETR", "150 here\r\n"},
	    {"TYPE", "200 so be it\r\n"},
	    {"PBSZ", "200 so be it\r\n"},
	    {"PROT", "200 so be it\r\n"},
	};
	char epsv[64];

	snprintf(epsv, sizeof(epsv), "229 (|||%u|)\r\n", c->data_port);
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		if (strncmp(line, replies[i].verb, 4) == 0) {
			reply(c, replies[i].text);
			return;
		}
	}
	reply(c, strncmp(line, "EPSV", 4) == 0 ? epsv : "500 no\r\n");
}

static void
on_heard(void *user, const uint8_t *p, size_t n)
{
	struct cuts *c = user;
	const uint8_t *end;

	assert_int_equal(buf_append(&c->heard, p, n), 0);
	while (
	    (end = memmem(buf_data(&c->heard), buf_len(&c->heard), "\r\n", 2)) != NULL) {
		answer(c, (const char *)buf_data(&c->heard));
		buf_consume(&c->heard, (size_t)(end - buf_data(&c->heard)) + 2);
	}
}

/* Everything is said at once, as far as it may leave. */
static void
begin_data(struct cuts *c)
{
	wire_secure(&c->data, c->kit.server, true, NULL);
	c->data.held = true;
	c->data.let = c->most;
	wire_say(&c->data, CONTENT, strlen(CONTENT));
	wire_finish(&c->data);
	c->sent = false;
}

static void
serve_data(struct cuts *c)
{
	struct wire *d = &c->data;

	if (accept_at(c->data_listener, d))
		begin_data(c);
	wire_hear(d, 65536, NULL, NULL);
	wire_turn(d);
	if (d->fd < 0 || c->sent || (d->gone.n < c->most && !d->whole))
		return;
	if (c->cut)
		wire_cut(d, 0);
	d->held = false;
	wire_turn(d);
	reply(c, "226 done\r\n");
	c->sent = true;
}

static void
serve(struct cuts *c)
{
	struct wire *w = &c->control;
	uint8_t first;

	if (accept_at(c->listener, w))
		reply(c, "220 hi\r\n");
	if (w->fd >= 0 && w->ssl == NULL &&
	    recv(w->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	    first == SSL3_RT_HANDSHAKE)
		wire_secure(w, c->kit.server, true, NULL);
	serve_data(c);
	wire_hear(w, 65536, on_heard, c);
	wire_turn(w);
}

/* ---- the client ---- */

/* Something of ours or of the client's is ready, or its timer is. */
static void
wait_a_little(struct cuts *c)
{
	struct pollfd fds[FDS_MAX + 4];
	int timeout = -1;
	size_t n = ferry_poll(c->h, fds, FDS_MAX, &timeout);
	const int ours[] = {c->listener, c->data_listener, c->control.fd, c->data.fd};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (ours[i] >= 0 && !(i == 3 && c->data.over))
			fds[n++] = (struct pollfd){.fd = ours[i], .events = POLLIN};
	}
	if (poll(fds, n, PATIENCE_MS) == 0)
		fail_msg("nothing comes any more");
}

static int
go(struct cuts *c, int r)
{
	while (r == FERRY_AGAIN) {
		serve(c);
		r = ferry_step(c->h);
		serve(c);
		if (r == FERRY_AGAIN)
			wait_a_little(c);
	}
	return r;
}

static int
on_bytes(const void *p, size_t n, void *user)
{
	struct cuts *c = user;

	wire_sum_add(&c->taken, p, n);
	return 0;
}

static int
get(struct cuts *c, size_t most, bool cut)
{
	c->most = most;
	c->cut = cut;
	c->taken = (struct wire_sum){0};
	return go(c, ferry_get(c->h, "f", 0, on_bytes, c));
}

/* ---- setup ---- */

static int
setup(void **state, bool old)
{
	struct cuts *c = calloc(1, sizeof(*c));
	uint16_t port = 0;

	tls_kit_init(&c->kit);
	tls_kit_version(c->kit.server, old);
	wire_open(&c->control, -1);
	wire_open(&c->data, -1);
	buf_init(&c->heard, 65536);
	c->listener = listen_anywhere(&port);
	c->data_listener = listen_anywhere(&c->data_port);
	assert_int_equal(ferry_new(&c->h), 0);
	ferry_set_blocking(c->h, false);
	assert_int_equal(ferry_set_tls(c->h, FERRY_TLS_EXPLICIT), 0);
	assert_int_equal(ferry_set_tls_pin(c->h, c->kit.pin), 0);
	assert_int_equal(go(c, ferry_connect(c->h, "127.0.0.1", port)), 0);
	assert_int_equal(go(c, ferry_login(c->h, "joe", "secret", NULL)), 0);
	*state = c;
	return 0;
}

static int
setup_new(void **state)
{
	return setup(state, false);
}

static int
setup_old(void **state)
{
	return setup(state, true);
}

static int
teardown(void **state)
{
	struct cuts *c = *state;

	ferry_free(c->h);
	wire_close(&c->control);
	wire_close(&c->data);
	fd_closep(&c->listener);
	fd_closep(&c->data_listener);
	buf_free(&c->heard);
	tls_kit_free(&c->kit);
	free(c);
	return 0;
}

/* ---- tests ---- */

/* Bytes of a whole download on the wire. */
static size_t
measure(struct cuts *c)
{
	assert_int_equal(get(c, 1 << 20, false), 0);
	assert_int_equal(c->taken.n, strlen(CONTENT));
	size_t all = (size_t)c->data.gone.n;
	assert_true(all > 150 && all < 4000);
	return all;
}

static void
test_downloads(void **state)
{
	struct cuts *c = *state;
	size_t all = measure(c);

	for (size_t most = 0; most < all; most++) {
		if (get(c, most, true) == 0)
			fail_msg("%zu bytes of %zu are a whole download", most, all);
		assert_true(ferry_error_text(c->h)[0] != '\0');
		assert_true(c->taken.n == 0 || c->taken.n == strlen(CONTENT));
	}
	assert_int_equal(get(c, all, false), 0);
}

static void
test_segments(void **state)
{
	struct cuts *c = *state;
	size_t all = measure(c);
	struct wire_sum same = c->taken;

	for (size_t first = 0; first < all; first++) {
		int r = get(c, first, false);

		if (r < 0)
			fail_msg("cut at %zu: %s", first, ferry_error_text(c->h));
		assert_true(wire_sum_same(&c->taken, &same));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_downloads, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_downloads, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_segments, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_segments, setup_old, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
