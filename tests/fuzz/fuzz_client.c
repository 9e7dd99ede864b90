/*
 * The client engine against any server: libferry in event-driven use, its sockets pairs
 * with made-up addresses (memory_net.h), its clock moved by hand. The input is a script:
 * text is what the server says on the control connection, line by line, the bytes 0x01 to
 * 0x1f that FTP has no use for are what else happens (the table of deeds): calls of the
 * library, what comes on data connections, ends, resets, time; what TLS and the wire do
 * is behind a NUL (far.h). After each of them is checked that the engine comes to rest,
 * that memory stays within limits, that it has sent nothing but commands, none in clear
 * that belongs under TLS, that a file is good only if it came to its end, and then what
 * was sent, and that errors can be shown; at the end, that every operation ends when its
 * server has gone, and that nothing is left behind.
 */
#include <assert.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "far.h"
#include "line.h"
#include "memory_net.h"
#include "tls_kit.h"
#include "util.h"

#define INPUT_MAX_BYTES 8192
/* Steps without anything from outside after which it spins. */
#define STEPS_MAX 2000
/* Turns of the clock after which an operation is said never to end. */
#define WAITS_MAX 500
/* Two buffers for bytes, one reply, one line of a listing, and OpenSSL. */
#define HEAP_MAX (4 << 20)
#define FDS_MAX 4
/* Files of one operation: those that it is given, and those that it asks for. */
#define FILES_GIVEN 2
#define FILES_ALL 4

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

enum setting {
	SET_LOGGED_IN = 1 << 0, /* the script begins after a login */
	SET_IPV6 = 1 << 1,
	SET_ACTIVE_ALLOWED = 1 << 2,
	SET_FREE_AT_ONCE = 1 << 3, /* the handle is freed in the middle of it */
	SET_TRUST = 1 << 4,
	SET_STOP = 1 << 5,  /* the callback for bytes says stop */
	SET_ABORT = 1 << 6, /* ... or calls ferry_abort() */
	SET_ASCII = 1 << 7,
	/* enum ferry_tls */
	SET_EXPLICIT = FERRY_TLS_EXPLICIT << 8,
	SET_POLICY = 3 << 8,
	SET_OLD_TLS = 1 << 10,
	SET_ASK = 1 << 11, /* the key is not pinned: the program is asked about it, ... */
	SET_DISTRUST = 1 << 12, /* and says no */
};

/* What became of the files of one operation. */
struct files {
	bool stream; /* not MODE B */
	size_t n;    /* that the engine knows of */
	size_t ended, open;
	bool begun[FILES_ALL], over[FILES_ALL];
	unsigned left[FILES_ALL]; /* bytes to be given */
};

struct fuzz {
	struct ferry *h;
	struct far far;
	unsigned settings;
	struct endpoint server;
	struct buf out; /* for the control connection */
	bool batch;     /* replies are not sent line by line */
	bool busy;      /* an operation runs */
	uint8_t call;   /* which */
	bool contrary;  /* the next data connection has no TLS */
	bool dropped;   /* calls of the engine were taken by nobody */
	struct line_reader heard;
	/* where results go */
	char *path;
	struct ferry_entry entry;
	uint64_t u64;
	int64_t i64;
	unsigned to_give;             /* bytes that an upload still has */
	struct wire_sum given, taken; /* by the program, of the file that runs */
	struct files many;
	size_t heap;
};

/* Made once. */
static struct tls_kit kit;

static struct {
	bool on;
	int64_t ms;
} now;

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!now.on)
		return __real_clock_gettime(id, ts);
	*ts = (struct timespec){
	    .tv_sec = now.ms / 1000, .tv_nsec = now.ms % 1000 * 1000000};
	return 0;
}

/* ---- what the engine sends ---- */

static enum ferry_tls
policy_of(const struct fuzz *f)
{
	return (enum ferry_tls)((f->settings & SET_POLICY) >> 8);
}

static bool
is_secure(const struct fuzz *f)
{
	return f->far.control.ssl != NULL;
}

/* A name or a password of ours, or a path that the server told: none may become a command
 * of its own. Where TLS is wanted there is one command in clear. */
static void
check_command(const struct fuzz *f, struct bytes line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] >= 'A' && line.p[n] <= 'Z')
		n++;
	assert(n >= 3 && n <= 4 && (n == line.n || line.p[n] == ' '));
	assert(is_secure(f) || policy_of(f) != FERRY_TLS_IMPLICIT);
	assert(is_secure(f) || policy_of(f) != FERRY_TLS_EXPLICIT ||
	       (n == 4 && memcmp(line.p, "AUTH", 4) == 0));
}

static void
on_heard(void *user, const uint8_t *p, size_t n)
{
	struct fuzz *f = user;

	while (n > 0) {
		enum line_event event;
		size_t used;
		int r = line_feed(&f->heard, p, n, &used, &event);

		assert(r == 0 && event != LINE_TOO_LONG);
		p += used;
		n -= used;
		if (event == LINE_READY)
			check_command(f, line_text(&f->heard));
	}
}

/* What the other side has begun to say, or 0. */
static uint8_t
first_byte(const struct wire *w)
{
	uint8_t byte = 0;

	return w->fd >= 0 && recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 ? byte
										 : 0;
}

/* No command begins like a handshake. */
static bool
hear(struct fuzz *f)
{
	struct wire *c = &f->far.control;
	bool moved = false;

	if (c->ssl == NULL && first_byte(c) == SSL3_RT_HANDSHAKE)
		wire_secure(c, kit.server, true, NULL);
	while (wire_hear(c, 4096, on_heard, f))
		moved = true;
	return moved;
}

static void
on_data(void *user, const uint8_t *p, size_t n)
{
}

/* The data connection's handshake; and never a byte of a file in clear where there should
 * be one. */
static bool
turn_data(struct fuzz *f)
{
	struct wire *d = &f->far.data;
	bool moved = wire_turn(d);
	uint8_t first;

	if (!wire_is_shaking(d) || d->broken)
		return moved;
	first = first_byte(d);
	assert(first == 0 || d->came.n > 0 || first == SSL3_RT_HANDSHAKE);
	return wire_hear(d, 16384, on_data, f) || moved;
}

/* ---- steps ---- */

/* Text that is shown as it is: one line, and nothing that drives a terminal. */
static void
check_error(const struct ferry *h, int r)
{
	const char *text = ferry_error_text(h);

	assert((r < 0) == (text[0] != '\0'));
	for (; *text != '\0'; text++)
		assert((unsigned char)*text >= 0x20 && *text != 0x7f);
	assert(ferry_strerror(r)[0] != '\0');
}

enum {
	CALL_LIST = 5,
	CALL_LIST_LAST = 9,
	CALL_GET = 14,
	CALL_PUT = 16,
	CALL_PUT_LAST = 19,
	CALL_GET_MANY = 28,
	CALL_PUT_MANY = 29
};

/* Of these two calls. */
#define MANY_AHEAD 0x20
#define MANY_BLOCK 0x40

/* Could this connection have brought the whole file? */
static bool
has_brought(const struct fuzz *f, const struct wire *w, bool compare)
{
	bool secure = w->secure || is_secure(f);

	return wire_has_brought(w, secure, compare ? &f->taken : NULL);
}

static bool
has_taken(const struct fuzz *f, const struct wire *w)
{
	return wire_sum_same(&f->given, &w->heard) && (!w->secure || w->notified);
}

/* The engine says that all went well. What the server has not read yet, it may read. */
static void
check_success(struct fuzz *f)
{
	const struct wire *d = &f->far.data, *last = &f->far.last;
	uint8_t which = f->call % 32;
	bool binary = (f->settings & SET_ASCII) == 0;

	if (f->dropped)
		return;
	if (which >= CALL_LIST && which <= CALL_LIST_LAST)
		assert(has_brought(f, d, false) || has_brought(f, last, false));
	if (which == CALL_GET || which == CALL_GET + 1)
		assert(has_brought(f, d, binary) || has_brought(f, last, binary));
	if (which == 0 && policy_of(f) >= FERRY_TLS_EXPLICIT)
		assert(is_secure(f) && (f->settings & (SET_ASK | SET_DISTRUST)) !=
					   (SET_ASK | SET_DISTRUST));
	if (which < CALL_PUT || which > CALL_PUT_LAST || !binary)
		return;
	while (wire_hear(&f->far.data, 65536, on_data, f))
		continue;
	assert(!d->over || has_taken(f, d) || has_taken(f, last));
}

static bool
is_many(const struct fuzz *f)
{
	return f->call % 32 == CALL_GET_MANY || f->call % 32 == CALL_PUT_MANY;
}

/* Every file that was tried has had its end, and no source is left open. What comes next
 * is a stream, so that what is known of single files holds. */
static void
check_many(struct fuzz *f, int r)
{
	if (!is_many(f))
		return;
	assert(r < 0 || f->many.ended == f->many.n);
	assert(f->many.open == 0);
	ferry_set_coding(f->h, FERRY_CODING_STREAM);
}

static void
over(struct fuzz *f, int r)
{
	assert(r <= 0);
	f->busy = false;
	check_error(f->h, r);
	if (r == 0)
		check_success(f);
	check_many(f, r);
	free(f->path);
	f->path = NULL;
	ferry_entry_clear(&f->entry);
}

/* What the engine waits for: true when it has come. */
static bool
is_ready(struct fuzz *f, int *ret_timeout)
{
	struct pollfd fds[FDS_MAX];
	size_t n = ferry_poll(f->h, fds, FDS_MAX, ret_timeout);

	assert(n <= FDS_MAX);
	return poll(fds, n, 0) > 0 || *ret_timeout == 0;
}

static bool
turn(struct fuzz *f)
{
	int timeout;
	bool moved = wire_turn(&f->far.control);

	moved |= turn_data(f);
	if (is_ready(f, &timeout)) {
		int r = ferry_step(f->h);

		if (f->busy && r != FERRY_AGAIN)
			over(f, r);
		moved = true;
	}
	return hear(f) || moved;
}

/* Whoever waits for ferry_poll() is told of all that there is, and never waits for ever:
 * a step more than it asks for changes nothing, and a timer runs. */
static void
check_nothing_forgotten(struct fuzz *f)
{
	uint64_t taken = f->taken.n, given = f->given.n;
	int timeout;

	if (!f->busy)
		return;
	is_ready(f, &timeout);
	assert(timeout >= 0);
	int r = ferry_step(f->h);
	assert(r == FERRY_AGAIN && f->taken.n == taken && f->given.n == given);
}

static void
rest(struct fuzz *f)
{
	struct wire *c = &f->far.control;

	wire_say(c, buf_data(&f->out), buf_len(&f->out));
	buf_clear(&f->out);
	for (unsigned i = 0; turn(f); i++)
		assert(i < STEPS_MAX);
	check_nothing_forgotten(f);
	assert(far_heap() <= f->heap + HEAP_MAX + far_own_heap(&f->far));
}

/* Time goes by until the engine's next timer. False: it has none. */
static bool
wait_on(struct fuzz *f)
{
	int timeout;

	is_ready(f, &timeout);
	if (timeout < 0)
		return false;
	now.ms += timeout;
	rest(f);
	return true;
}

/* ---- calls ---- */

static int
on_bytes(const void *data, size_t n, void *user)
{
	struct fuzz *f = user;

	assert(n > 0 && (!is_secure(f) || f->far.data.secure || f->far.last.secure));
	wire_sum_add(&f->taken, data, n);
	if ((f->settings & SET_ABORT) != 0)
		ferry_abort(f->h);
	return (f->settings & SET_STOP) != 0;
}

static int64_t
on_read(void *data, size_t max, void *user)
{
	struct fuzz *f = user;
	size_t n = f->to_give < max ? f->to_give : max;

	if ((f->settings & SET_ABORT) != 0)
		ferry_abort(f->h);
	if ((f->settings & SET_STOP) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)data)[i] =
		    (f->settings & SET_ASCII) != 0 ? '\n' : (uint8_t)(f->to_give - i);
	f->to_give -= (unsigned)n;
	wire_sum_add(&f->given, data, n);
	return (int64_t)n;
}

static int
on_entry(struct ferry_entry *e, void *user)
{
	struct fuzz *f = user;

	assert(e->name != NULL && e->name[0] != '\0' && !e->current && !e->parent);
	return (f->settings & SET_STOP) != 0;
}

static void
on_event(const struct ferry_event *ev, void *user)
{
	assert(ev->kind >= FERRY_EV_RESOLVED && ev->struct_size == sizeof(*ev));
}

/* ---- several files in one call ---- */

static const char *const names[FILES_ALL] = {"a", "b\xff", "c\r\nDELE d", "d"};

static const char *
next_name(struct fuzz *f)
{
	return f->many.n < FILES_ALL ? names[f->many.n++] : NULL;
}

static const char *
on_get_more(int64_t *ret_size, int64_t *ret_mtime, void *user)
{
	return next_name(user);
}

static const char *
on_put_more(void *user)
{
	return next_name(user);
}

static int
on_file_begin(size_t i, int64_t size, int64_t mtime, void *user)
{
	struct fuzz *f = user;

	assert(i < f->many.n && !f->many.begun[i] && !f->many.over[i]);
	f->many.begun[i] = true;
	f->taken = (struct wire_sum){0};
	return (f->settings & SET_STOP) != 0 && i == 1;
}

static int
on_file_bytes(size_t i, const void *data, size_t n, void *user)
{
	struct fuzz *f = user;

	assert(i < f->many.n && f->many.begun[i] && !f->many.over[i]);
	return on_bytes(data, n, f);
}

static int
on_file_open(size_t i, int64_t *ret_size, void *user)
{
	struct fuzz *f = user;

	assert(i < f->many.n && !f->many.begun[i] && !f->many.over[i]);
	if ((f->settings & SET_STOP) != 0 && i == 1)
		return -1;
	f->many.begun[i] = true;
	assert(++f->many.open <= FERRY_PUT_OPEN_MAX);
	f->many.left[i] = f->call < 128 ? (unsigned)i * 50 : 200000;
	if (i != 0 && (f->settings & SET_ASCII) == 0)
		*ret_size = f->many.left[i];
	return 0;
}

static int64_t
on_file_read(size_t i, void *data, size_t max, void *user)
{
	struct fuzz *f = user;
	int64_t n;

	assert(i < f->many.n && f->many.begun[i] && !f->many.over[i]);
	f->to_give = f->many.left[i];
	n = on_read(data, max, f);
	f->many.left[i] = f->to_give;
	return n;
}

/* A stream brings one file in a connection. (Whether the server has taken one is not to
 * be told: what it accepts may be an earlier file's call.) */
static void
check_file(const struct fuzz *f)
{
	bool binary = (f->settings & SET_ASCII) == 0;

	if (!f->dropped && f->many.stream && binary)
		assert(has_brought(f, &f->far.data, true) ||
		       has_brought(f, &f->far.last, true));
}

static void
on_file_end(size_t i, int result, void *user)
{
	struct fuzz *f = user;
	bool up = f->call % 32 == CALL_PUT_MANY;

	assert(i < f->many.n && !f->many.over[i]);
	assert((result < 0) == (ferry_error_text(f->h)[0] != '\0') ||
	       result == -FERRY_EABORTED);
	assert(ferry_command(f->h, "NOOP") == -FERRY_ESTATE);
	f->many.over[i] = true;
	f->many.ended++;
	f->many.open -= up && f->many.begun[i];
	assert(result < 0 || !up || f->many.left[i] == 0);
	if (result == 0 && !up)
		check_file(f);
}

static int
call_many(struct fuzz *f, uint8_t which)
{
	bool ahead = (which & MANY_AHEAD) != 0;
	const struct ferry_many to = {
	    .struct_size = sizeof(to),
	    .times = true,
	    .begin = on_file_begin,
	    .write = on_file_bytes,
	    .end = on_file_end,
	    .ahead = ahead,
	    .more = on_get_more,
	};
	const struct ferry_put_many from = {
	    .struct_size = sizeof(from),
	    .open = on_file_open,
	    .read = on_file_read,
	    .end = on_file_end,
	    .ahead = ahead,
	    .more = on_put_more,
	};

	if (f->busy)
		return ferry_get_many(f->h, names, FILES_GIVEN, &to, f);
	f->many = (struct files){
	    .stream = (which & MANY_BLOCK) == 0,
	    .n = FILES_GIVEN,
	};
	ferry_set_coding(f->h, f->many.stream ? FERRY_CODING_STREAM : FERRY_CODING_BLOCK);
	return which % 32 == CALL_GET_MANY
		   ? ferry_get_many(f->h, names, FILES_GIVEN, &to, f)
		   : ferry_put_many(f->h, names, FILES_GIVEN, &from, f);
}

static int
call(struct fuzz *f, uint8_t which)
{
	bool six = (f->settings & SET_IPV6) != 0;
	struct ferry *h = f->h;

	f->to_give = which < 128 ? 100 : 200000;
	f->given = f->taken = (struct wire_sum){0};
	switch (which % 32) {
	case 0:
		return ferry_connect(h, six ? "2001:db8::1" : "192.0.2.1", 21);
	case 1:
		return ferry_login(h, "joe", "secret", NULL);
	case 2:
		return ferry_login(h, NULL, NULL, NULL);
	case 3:
		return ferry_login(h, "joe", "secret", "account");
	case 4:
		return ferry_pwd(h, &f->path);
	case 5:
		return ferry_list(h, NULL, on_entry, f);
	case 6:
		return ferry_list(h, "d", on_entry, f);
	case 7:
		return ferry_list_raw(h, "LIST", "-la", on_bytes, f);
	case 8:
		return ferry_list_raw(h, "NLST", NULL, on_bytes, f);
	case 9:
		return ferry_list_raw(h, "MLSD", NULL, on_bytes, f);
	case 10:
		return ferry_stat(h, "f", &f->entry);
	case 11:
		return ferry_size(h, "f", &f->u64);
	case 12:
		return ferry_mtime(h, "f", &f->i64);
	case 13:
		return ferry_set_mtime(h, "f", 1700000000);
	case 14:
		return ferry_get(h, "f", 0, on_bytes, f);
	case 15:
		return ferry_get(h, "f", 5, on_bytes, f);
	case 16:
		return ferry_put(h, "f", FERRY_PUT_STORE, 0, -1, on_read, f);
	case 17:
		return ferry_put(h, "f", FERRY_PUT_STORE, 5, 100, on_read, f);
	case 18:
		return ferry_put(h, "f", FERRY_PUT_APPEND, 0, 100, on_read, f);
	case 19:
		return ferry_put(h, "f", FERRY_PUT_UNIQUE, 0, -1, on_read, f);
	case 20:
		return ferry_chdir(h, "d\xff");
	case 21:
		return ferry_chdir_up(h);
	case 22:
		return ferry_mkdir(h, "d", &f->path);
	case 23:
		return ferry_rmdir(h, "d");
	case 24:
		return ferry_delete(h, "f");
	case 25:
		return ferry_rename(h, "f", "g");
	case 26:
		return ferry_quit(h);
	case 27:
		return ferry_command(h, "NOOP");
	case CALL_GET_MANY:
	case CALL_PUT_MANY:
		return call_many(f, which);
	default:
		return ferry_command(h, "SITE HELP\r\nDELE f");
	}
}

/* Nothing may come of it. */
static int
call_in_between(struct fuzz *f, uint8_t which)
{
	struct fuzz before = *f;
	int r = call(f, which);

	f->to_give = before.to_give;
	f->given = before.given;
	f->taken = before.taken;
	return r;
}

static void
begin(struct fuzz *f, uint8_t which)
{
	struct endpoint to;
	bool before = f->busy;

	if (!before)
		f->call = which;
	int r = before ? call_in_between(f, which) : call(f, which);

	if (before)
		assert(r == -FERRY_ESTATE || r == -FERRY_EINVAL);
	else if (r == FERRY_AGAIN)
		f->busy = true;
	else
		over(f, r);
	rest(f);
	if (!before && which % 32 == 0 && f->far.control.fd < 0) {
		wire_open(&f->far.control, memnet_called(&to));
		line_free(&f->heard);
		line_init(&f->heard, 16384, LINE_STRICT);
		rest(f);
	}
}

/* ---- deeds ---- */

static void
do_nothing(struct fuzz *f)
{
}

static void
do_call(struct fuzz *f)
{
	begin(f, far_byte(&f->far));
}

static void
do_wait(struct fuzz *f)
{
	wait_on(f);
}

/* Takes the engine's call, or calls where it listens: under TLS, if the control
 * connection is. */
static void
connect_as(struct fuzz *f, const struct endpoint *who)
{
	if (!far_connect(&f->far, who))
		return;
	if (is_secure(f) && !f->contrary)
		wire_secure(&f->far.data, kit.server, true, NULL);
	f->contrary = false;
}

static void
do_connect(struct fuzz *f)
{
	connect_as(f, &f->server);
}

static void
do_stranger(struct fuzz *f)
{
	connect_as(f, &f->far.stranger);
}

static void
do_data_read(struct fuzz *f)
{
	wire_hear(&f->far.data, 262144, on_data, f);
}

static void
do_contrary(struct fuzz *f)
{
	f->contrary = !f->contrary;
}

static void
do_batch(struct fuzz *f)
{
	f->batch = !f->batch;
}

static void
do_control_close(struct fuzz *f)
{
	wire_close(&f->far.control);
}

static void
do_control_reset(struct fuzz *f)
{
	if (f->far.control.fd < 0)
		return;
	memnet_reset(f->far.control.fd);
	wire_close(&f->far.control);
}

static void
do_control_end(struct fuzz *f)
{
	wire_finish(&f->far.control);
}

static void
do_fate(struct fuzz *f)
{
	memnet_set_fate(far_byte(&f->far) % MEMNET_FATES);
}

static void
do_abort(struct fuzz *f)
{
	ferry_abort(f->h);
}

static void
do_mode(struct fuzz *f)
{
	ferry_set_mode(f->h, far_byte(&f->far) % (FERRY_MODE_PORT + 1));
}

/* The next byte as it is, many times. */
static void
do_long(struct fuzz *f)
{
	uint8_t byte = far_byte(&f->far), text[1024];
	unsigned times = far_byte(&f->far);

	memset(text, byte, sizeof(text));
	for (unsigned i = 0; i < times % 64; i++)
		buf_append(&f->out, text, sizeof(text));
}

static const struct far_deed deeds[FAR_DEEDS] = {
    [0x01] = {do_nothing},
    [0x02] = {do_call},
    [0x03] = {do_wait},
    [0x04] = {do_connect},
    [0x05] = {do_stranger},
    [0x06] = {.far = far_data_send},
    [0x08] = {.far = far_data_end},
    [0x0b] = {.far = far_data_close},
    [0x0c] = {do_data_read},
    [0x0e] = {do_batch, true},
    [0x10] = {.far = far_data_reset},
    [0x14] = {do_control_close},
    [0x15] = {do_control_reset},
    [0x16] = {do_control_end},
    [0x18] = {do_fate, true},
    [0x19] = {do_abort},
    [0x1a] = {do_mode, true},
    [0x1e] = {do_long, true},
};

/* Deeds of the wire. */
static bool
play_escaped(struct fuzz *f, uint8_t byte)
{
	if (byte < 0x80 || byte >= 0xa0)
		return false;
	wire_say(&f->far.control, buf_data(&f->out), buf_len(&f->out));
	buf_clear(&f->out);
	far_do(&f->far, byte);
	if (byte == 0x9f)
		do_contrary(f);
	return true;
}

static void
play_text(struct fuzz *f, uint8_t byte)
{
	buf_append_byte(&f->out, byte);
	if (byte == '\n' && !f->batch)
		rest(f);
}

static const struct far_rules rules = {
    .deeds = deeds,
    .rest = rest,
    .say = play_text,
    .escaped = play_escaped,
};

/* ---- beginning and end ---- */

static bool
on_trust(const struct ferry_tls_peer *peer, void *user)
{
	const struct fuzz *f = user;

	return (f->settings & SET_DISTRUST) == 0;
}

static void
set_up_tls(struct fuzz *f)
{
	tls_kit_dice();
	tls_kit_version(kit.server, (f->settings & SET_OLD_TLS) != 0);
	ferry_set_tls(f->h, policy_of(f));
	ferry_on_trust(f->h, on_trust, f);
	if ((f->settings & SET_ASK) == 0)
		ferry_set_tls_pin(f->h, kit.pin);
}

static void
set_up(struct fuzz *f, const uint8_t *data, size_t size)
{
	bool six;

	*f = (struct fuzz){.settings = data[0] | (unsigned)data[1] << 8};
	far_begin(&f->far, data + 2, size - 2);
	six = (f->settings & SET_IPV6) != 0;
	endpoint_from_text(six ? "2001:db8::1" : "192.0.2.1", &f->server);
	endpoint_from_text(six ? "2001:db8::3" : "192.0.2.3", &f->far.stranger);
	f->server.port = f->far.stranger.port = 20;
	buf_init(&f->out, 1 << 17);
	line_init(&f->heard, 16384, LINE_STRICT);
	memnet_begin();
	now.on = true;
	now.ms = 1000000;
	f->heap = far_heap();
	int r = ferry_new(&f->h);
	assert(r == 0);
	ferry_set_blocking(f->h, false);
	ferry_on_event(f->h, on_event, f);
	ferry_set_active_allowed(f->h, (f->settings & SET_ACTIVE_ALLOWED) != 0);
	ferry_set_trust_pasv_address(f->h, (f->settings & SET_TRUST) != 0);
	ferry_set_binary(f->h, (f->settings & SET_ASCII) == 0);
	set_up_tls(f);
}

static void
reply(struct fuzz *f, const char *text)
{
	buf_append_str(&f->out, text);
	rest(f);
}

/* What each policy asks before the login. */
static void
greet(struct fuzz *f)
{
	begin(f, 0);
	reply(f, "220 hi\r\n");
	if (policy_of(f) == FERRY_TLS_AUTO)
		reply(f, "500 no\r\n");
	if (policy_of(f) == FERRY_TLS_EXPLICIT)
		reply(f, "234 go\r\n");
	begin(f, 1);
	reply(f, "331 p\r\n");
	reply(f, "230 in\r\n");
	if (policy_of(f) >= FERRY_TLS_EXPLICIT) {
		reply(f, "200 size\r\n");
		reply(f, "200 private\r\n");
	}
	reply(f, "211-F\r\n SIZE\r\n MLST type*;\r\n211 End\r\n");
}

static void
leave(struct fuzz *f)
{
	struct endpoint to;
	int fd;

	if ((f->settings & SET_FREE_AT_ONCE) != 0)
		return;
	wire_close(&f->far.control);
	wire_close(&f->far.data);
	for (unsigned i = 0; f->busy; i++) {
		assert(i < WAITS_MAX);
		while ((fd = memnet_called(&to)) >= 0) {
			f->dropped = true;
			fd_closep(&fd);
		}
		rest(f);
		bool waited = !f->busy || wait_on(f);
		assert(waited);
	}
}

static void
take_down(struct fuzz *f)
{
	ferry_free(f->h);
	free(f->path);
	ferry_entry_clear(&f->entry);
	far_end(&f->far);
	line_free(&f->heard);
	buf_free(&f->out);
	memnet_end();
	now.on = false;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* No authority of this machine vouches for anybody here. */
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	setenv("SSL_CERT_DIR", "/dev/null", 1);
	tls_kit_init(&kit);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f;

	if (size < 2 || size > INPUT_MAX_BYTES)
		return 0;
	size_t descriptors = far_descriptors();
	set_up(&f, data, size);
	if ((f.settings & SET_LOGGED_IN) != 0)
		greet(&f);
	far_play(&f.far, &f, &rules);
	leave(&f);
	take_down(&f);
	assert(far_descriptors() == descriptors);
	return 0;
}
