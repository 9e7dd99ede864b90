/*
 * Sessions of the worker under TLS, cut at every byte of what the client sends: nothing
 * that was cut off is taken for whole, and where a segment ends changes nothing. And what
 * happens to an upload while a thread has its connection. For TLS 1.3 and 1.2.
 */
#include "worker_tls.h"
#include "worker_world.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>

#include "session.h"
#include "transfer.h"
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

/* ---- while a thread has the connection ---- */

/* More than a thread takes from the socket in one turn of its own. */
#define LARGE (9 * 1000 * 1000)

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

/* The bytes from..to of a file, as fast as they are taken; true: all were. */
static bool
send_part(struct cuts *c, size_t from, size_t to)
{
	uint8_t piece[60000];

	while (from < to) {
		size_t n = to - from < sizeof(piece) ? to - from : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(from + i);
		wire_say(&c->data, piece, n);
		from += n;
		UNTIL(c,
		    buf_len(&c->data.out) == 0 || c->data.over || buf_len(&c->heard) > 0);
		if (buf_len(&c->data.out) > 0)
			return false;
	}
	return true;
}

static void
stored_is(struct world *w, size_t n)
{
	_cleanup_free_ uint8_t *got = malloc(n + 1);

	assert_int_equal(pread(w->stored, got, n + 1, 0), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], byte_at(i));
}

static struct session *
session_of(struct cuts *c)
{
	return LIST_FIRST(&c->w->worker.all);
}

static void
begin_store(struct cuts *c)
{
	login(c);
	open_data(c);
	ask(c, "STOR x\r\n", 150);
}

/* Small files go to the agent with the word that they are complete; of large ones every
 * byte is written before. New keys in between change nothing, also those that the server
 * has to answer. */
static void
test_whole(void **state)
{
	const bool old = SSL_CTX_get_max_proto_version(
			     ((struct cuts *)*state)->kit.client) == TLS1_2_VERSION;
	struct cuts *c = *state;
	char line[256];

	begin_store(c);
	assert_true(send_part(c, 0, 5000));
	wire_finish(&c->data);
	assert_int_equal(hear(c, line), 226);
	assert_int_equal(c->w->rest_n, 5000);
	stored_is(c->w, 5000);
	open_data(c);
	ask(c, "STOR x\r\n", 150);
	for (size_t n = 0; n < LARGE; n += LARGE / 3) {
		assert_true(send_part(c, n, n + LARGE / 3));
		if (!old)
			wire_rekey(&c->data, n > 0);
	}
	wire_finish(&c->data);
	assert_int_equal(hear(c, line), 226);
	assert_int_equal(c->w->rest_n, 0);
	stored_is(c->w, LARGE);
	assert_int_equal(c->w->commits, 2);
	assert_int_equal(session_of(c)->bytes_in, 5000 + LARGE);
}

/* The one thread of the pool waits for a byte in this pipe. */
struct stop {
	uv_work_t work;
	int pipe[2];
	bool over;
};

static void
stop_works(uv_work_t *work)
{
	struct stop *stop = work->data;
	uint8_t byte;

	(void)!read(stop->pipe[0], &byte, 1);
}

static void
stop_is_over(uv_work_t *work, int status)
{
	struct stop *stop = work->data;

	stop->over = true;
}

/* An upload whose connection is lent, and nothing happens to it until let_go(); its end
 * is heard in a later turn of the loop, whatever is done in this one. */
static void
lend(struct cuts *c, struct stop *stop)
{
	*stop = (struct stop){.work = {.data = stop}};
	assert_int_equal(pipe2(stop->pipe, O_CLOEXEC), 0);
	assert_int_equal(
	    uv_queue_work(&c->w->loop, &stop->work, stop_works, stop_is_over), 0);
	begin_store(c);
	assert_true(send_part(c, 0, 60000));
	/* What is held, and a byte. */
	UNTIL(c, transfer_bytes(session_of(c)) == 16385);
}

static void
let_go(struct stop *stop)
{
	assert_int_equal(write(stop->pipe[1], "", 1), 1);
}

static void
finish(struct cuts *c, struct stop *stop)
{
	UNTIL(c, stop->over);
	close(stop->pipe[0]);
	close(stop->pipe[1]);
}

/* ABOR is answered when the thread has come back, and what it has written counts. */
static void
test_abort(void **state)
{
	struct cuts *c = *state;
	struct stop stop;
	char line[256];

	lend(c, &stop);
	let_go(&stop);
	transfer_abort(session_of(c));
	assert_int_equal(c->w->aborts, 0);
	assert_int_equal(hear(c, line), 426);
	finish(c, &stop);
	assert_int_equal(c->w->aborts, 1);
	stored_is(c->w, 60000);
	assert_int_equal(session_of(c)->bytes_in, 60000);
	UNTIL(c, c->data.over);
	assert_true(c->data.notified && !c->data.broken);
}

/* The session ends: the next connection must not get the descriptor, nor anybody the TLS,
 * before the thread has done with them. The client hears no end that could look like one
 * in order. */
static void
test_session_ends(void **state)
{
	struct cuts *c = *state;
	struct stop stop;

	lend(c, &stop);
	int fd = conn_fd(session_of(c)->data.conn);
	let_go(&stop);
	session_end(session_of(c), "test");
	assert_true(fcntl(fd, F_GETFD) >= 0);
	finish(c, &stop);
	UNTIL(c, c->data.over);
	assert_false(c->data.notified);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	stored_is(c->w, 60000);
}

/* No end of TLS: cut off, unless that is forgiven; but never within a record. */
static void
test_cut(void **state)
{
	struct cuts *c = *state;
	char line[256];

	begin_store(c);
	assert_true(send_part(c, 0, 300000));
	wire_cut(&c->data, 0);
	assert_int_equal(hear(c, line), 426);
	assert_non_null(strstr(line, "after 300000 bytes without TLS's end mark"));
	stored_is(c->w, 300000);
	c->w->conf.strict_ssl_read_eof = false;
	open_data(c);
	ask(c, "STOR x\r\n", 150);
	assert_true(send_part(c, 0, 300000));
	wire_cut(&c->data, 0);
	assert_int_equal(hear(c, line), 226);
	open_data(c);
	ask(c, "STOR x\r\n", 150);
	assert_true(send_part(c, 0, 300000));
	wire_say(&c->data, "hello", 5);
	wire_cut(&c->data, buf_len(&c->data.out) - 1);
	assert_int_equal(hear(c, line), 426);
	assert_int_equal(c->w->commits, 1);
	assert_int_equal(c->w->aborts, 2);
}

/* Bytes that nobody signed, behind many that somebody did. */
static void
test_spoiled(void **state)
{
	struct cuts *c = *state;
	char line[256];

	begin_store(c);
	assert_true(send_part(c, 0, 300000));
	wire_say(&c->data, "hello", 5);
	wire_flip(&c->data, buf_len(&c->data.out) - 1);
	assert_int_equal(hear(c, line), 426);
	stored_is(c->w, 300000);
	assert_int_equal(c->w->commits, 0);
	assert_int_equal(c->w->aborts, 1);
}

/* The disk takes a part of a piece, and no more. */
static void
test_disk_full(void **state)
{
	struct cuts *c = *state;
	struct rlimit before, now;
	char line[256];

	begin_store(c);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = before;
	now.rlim_cur = 200001;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	(void)send_part(c, 0, LARGE);
	assert_int_equal(hear(c, line), 552);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(line, "File too large"));
	stored_is(c->w, 200001);
	assert_int_equal(c->w->aborts, 1);
	assert_int_equal(c->w->commits, 0);
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
	    cmocka_unit_test_setup_teardown(test_whole, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_whole, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_abort, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_abort, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_session_ends, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_session_ends, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_cut, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_cut, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_spoiled, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_spoiled, setup_old, teardown),
	    cmocka_unit_test_setup_teardown(test_disk_full, setup_new, teardown),
	    cmocka_unit_test_setup_teardown(test_disk_full, setup_old, teardown),
	};

	/* A test can stop the whole pool. */
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
