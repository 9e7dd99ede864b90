/*
 * Sessions of the worker under TLS, cut at every byte of what the client sends: nothing
 * that was cut off is taken for whole, and where a segment ends changes nothing. For TLS
 * 1.3 and 1.2.
 */
#include "worker_tls.h"
#include "worker_world.h"

#include <netinet/tcp.h>

#include "wire.h"

struct cuts {
	struct world *w;
	struct tls_kit kit;
	struct tls_identity *id;
	SSL_SESSION *session;
	struct wire control, data;
	struct buf heard;
};

/* ---- the client ---- */

static void
on_heard(void *user, const uint8_t *p, size_t n)
{
	struct cuts *c = user;

	assert_int_equal(buf_append(&c->heard, p, n), 0);
}

static void
turn(struct cuts *c)
{
	uv_run(&c->w->loop, UV_RUN_NOWAIT);
	wire_turn(&c->control);
	wire_turn(&c->data);
	wire_hear(&c->control, 65536, on_heard, c);
	wire_hear(&c->data, 65536, NULL, NULL);
}

#define UNTIL(c, condition)                                                              \
	while (!(condition)) {                                                           \
		turn(c);                                                                 \
		if ((c)->w->too_late)                                                    \
			fail_msg("nothing comes; so far: %s", buf_cstr(&(c)->heard));    \
	}

static void
say(struct cuts *c, const char *text)
{
	wire_say(&c->control, text, strlen(text));
}

/* The next line begins with this code; it is left in `line`. */
static int
hear(struct cuts *c, char line[256])
{
	const uint8_t *end;

	UNTIL(c,
	    (end = memmem(buf_data(&c->heard), buf_len(&c->heard), "\r\n", 2)) != NULL);
	size_t n = (size_t)(end - buf_data(&c->heard));
	snprintf(line, 256, "%.*s", (int)n, (const char *)buf_data(&c->heard));
	buf_consume(&c->heard, n + 2);
	return atoi(line);
}

static void
ask(struct cuts *c, const char *text, int code)
{
	char line[256];

	say(c, text);
	assert_int_equal(hear(c, line), code);
}

/* Each piece leaves when it is told to. */
static void
open_wire(struct wire *w, int fd)
{
	const int on = 1;

	wire_open(w, fd);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

static void
connect_control(struct cuts *c)
{
	wire_close(&c->control);
	buf_clear(&c->heard);
	world_connect(c->w);
	open_wire(&c->control, fd_take(&c->w->client));
}

static void
begin_tls(struct cuts *c)
{
	wire_secure(&c->control, c->kit.client, false, NULL);
	c->control.fresh = &c->session;
}

static void
login(struct cuts *c)
{
	char line[256];

	connect_control(c);
	assert_int_equal(hear(c, line), 220);
	ask(c, "AUTH TLS\r\n", 234);
	begin_tls(c);
	ask(c, "PBSZ 0\r\n", 200);
	ask(c, "PROT P\r\n", 200);
	ask(c, "USER somebody\r\n", 331);
	ask(c, "PASS right\r\n", 230);
	ask(c, "TYPE I\r\n", 200);
}

static void
open_data(struct cuts *c)
{
	char line[256];
	unsigned port = 0;

	say(c, "EPSV\r\n");
	assert_int_equal(hear(c, line), 229);
	assert_int_equal(sscanf(strchr(line, '('), "(|||%u|)", &port), 1);
	wire_close(&c->data);
	int fd = world_dial(c->w, (uint16_t)port);
	assert_true(fd >= 0);
	open_wire(&c->data, fd);
	wire_secure(&c->data, c->kit.client, false, c->session);
	c->data.fresh = &c->session;
}

/* ---- setup ---- */

static int
setup(void **state, bool old)
{
	struct cuts *c = calloc(1, sizeof(*c));

	tls_kit_init(&c->kit);
	tls_kit_version(c->kit.client, old);
	c->w = world_new("127.0.0.1");
	world_start_tick(c->w);
	c->id = world_identity(&c->kit);
	world_give_identity(c->w, c->id);
	c->w->conf.ssl_enable = true;
	wire_open(&c->control, -1);
	wire_open(&c->data, -1);
	buf_init(&c->heard, 65536);
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
	void *world = c->w;

	wire_close(&c->control);
	wire_close(&c->data);
	world_teardown(&world);
	tls_identity_unref(c->id);
	SSL_SESSION_free(c->session);
	tls_kit_free(&c->kit);
	buf_free(&c->heard);
	free(c);
	return 0;
}

/* ---- tests ---- */

/* STOR of which `most` bytes arrive, and then the connection ends. The final reply. */
static int
store(struct cuts *c, size_t most, uint64_t *ret_gone)
{
	char line[256];
	int code;

	open_data(c);
	c->data.held = true;
	c->data.let = most;
	wire_say(&c->data, "hello", 5);
	wire_finish(&c->data);
	say(c, "STOR x\r\n");
	UNTIL(c, c->data.gone.n == most || buf_len(&c->heard) > 0 || c->data.over);
	if (c->data.gone.n == most)
		wire_cut(&c->data, 0);
	do {
		code = hear(c, line);
	} while (code < 200);
	*ret_gone = c->data.gone.n;
	return code;
}

static void
test_uploads(void **state)
{
	struct cuts *c = *state;
	uint64_t all, gone;

	login(c);
	assert_int_equal(store(c, 1 << 20, &all), 226);
	assert_int_equal(c->w->commits, 1);
	/* with the handshake, the five bytes and the end of TLS */
	assert_true(all > 200 && all < 2000);
	for (size_t most = 0; most < all; most++) {
		int code = store(c, most, &gone);

		if (code < 400)
			fail_msg(
			    "%zu bytes of %zu are a whole upload", most, (size_t)all);
		assert_int_equal(c->w->commits, 1);
	}
	assert_int_equal(store(c, all, &gone), 226);
	assert_int_equal(gone, all);
}

/* A whole session of which the first segment has `first` bytes. What it heard is compared
 * with `same`, or kept there; the bytes that it sent. */
static uint64_t
converse(struct cuts *c, size_t first, struct buf *same)
{
	static const char lines[] = "PBSZ 0\r\nPROT P\r\nUSER somebody\r\nPASS right\r\n"
				    "DELE f\r\nNOOP\r\nQUIT\r\n";
	char line[256];

	connect_control(c);
	assert_int_equal(hear(c, line), 220);
	ask(c, "AUTH TLS\r\n", 234);
	begin_tls(c);
	wire_say(&c->control, lines, sizeof(lines) - 1);
	c->control.held = true;
	c->control.let = first;
	UNTIL(c, c->control.let == 0 || c->control.over);
	turn(c);
	c->control.held = false;
	UNTIL(c, c->control.over);
	assert_true(c->control.notified && !c->control.broken);
	if (same->cap == 0)
		assert_int_equal(
		    buf_append(same, buf_data(&c->heard), buf_len(&c->heard)), 0);
	assert_string_equal(buf_cstr(&c->heard), buf_cstr(same));
	return c->control.gone.n;
}

static void
test_segments(void **state)
{
	struct cuts *c = *state;
	struct buf same = BUF_INIT(65536);

	uint64_t all = converse(c, 1 << 20, &same);
	assert_non_null(strstr(buf_cstr(&same), "\n221 "));
	for (size_t first = 1; first < all; first++)
		converse(c, first, &same);
	buf_free(&same);
}

/* Half a command is none, wherever in its record the connection ends. */
static void
test_commands(void **state)
{
	struct cuts *c = *state;
	bool whole = false;

	for (size_t most = 0; !whole; most++) {
		memset(c->w->asked_path, 0, sizeof(c->w->asked_path));
		login(c);
		uint64_t before = c->control.gone.n;
		c->control.held = true;
		c->control.let = most;
		say(c, "DELE f\r\n");
		UNTIL(c, c->control.let == 0);
		whole = buf_len(&c->control.out) == 0;
		assert_int_equal(c->control.gone.n - before, most);
		wire_cut(&c->control, 0);
		UNTIL(c, c->control.over);
		assert_int_equal(strcmp(c->w->asked_path, "/home/f") == 0, whole);
		assert_true(most < 100);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_uploads, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_uploads, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_segments, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_segments, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_commands, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_commands, setup_old, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
