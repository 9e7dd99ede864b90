/*
 * The client engine against any server: libferry in event-driven use, its sockets pairs
 * with made-up addresses (memory_net.h), its clock moved by hand. The input is a script:
 * text is what the server says on the control connection, line by line, the bytes 0x01 to
 * 0x1f that FTP has no use for are what else happens (the table of deeds): calls of the
 * library, what comes on data connections, ends, resets, time. After each of them is
 * checked that the engine comes to rest, that memory stays within limits, that it has
 * sent nothing but commands and that its errors can be shown; at the end, that every
 * operation ends when its server has gone, and that nothing is left behind.
 */
#include <assert.h>
#include <dirent.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "line.h"
#include "memory_net.h"
#include "util.h"

#define INPUT_MAX_BYTES 8192
/* Steps without anything from outside after which it spins. */
#define STEPS_MAX 2000
/* Turns of the clock after which an operation is said never to end. */
#define WAITS_MAX 500
/* Two buffers for bytes, one reply, one line of a listing, and what the test holds. */
#define HEAP_MAX (4 << 20)
#define FDS_MAX 4

/* ASan's; without it nothing is measured. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

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
};

struct fuzz {
	struct ferry *h;
	const uint8_t *p; /* the rest of the script */
	size_t n;
	unsigned settings;
	struct endpoint server, stranger;
	int control, data; /* the server's ends, or -1 */
	struct buf out;    /* for the control connection */
	bool batch;        /* replies are not sent line by line */
	bool busy;         /* an operation runs */
	struct line_reader heard;
	/* where results go */
	char *path;
	struct ferry_entry entry;
	uint64_t u64;
	int64_t i64;
	unsigned to_give; /* bytes that an upload still has */
	size_t heap;
};

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

/* A name or a password of ours, or a path that the server told: none may become a command
 * of its own. */
static void
check_command(struct bytes line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] >= 'A' && line.p[n] <= 'Z')
		n++;
	assert(n >= 3 && n <= 4 && (n == line.n || line.p[n] == ' '));
}

static void
hear(struct fuzz *f)
{
	uint8_t bytes[4096];
	ssize_t n;

	while (f->control >= 0 &&
	       (n = recv(f->control, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		for (size_t at = 0; at < (size_t)n;) {
			enum line_event event;
			size_t used;
			int r = line_feed(
			    &f->heard, bytes + at, (size_t)n - at, &used, &event);

			assert(r == 0 && event != LINE_TOO_LONG);
			at += used;
			if (event == LINE_READY)
				check_command(line_text(&f->heard));
		}
	}
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

static void
over(struct fuzz *f, int r)
{
	assert(r <= 0);
	f->busy = false;
	check_error(f->h, r);
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

static void
rest(struct fuzz *f)
{
	int timeout;

	if (f->control >= 0 && buf_len(&f->out) > 0)
		send(f->control, buf_data(&f->out), buf_len(&f->out),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_clear(&f->out);
	for (unsigned i = 0; is_ready(f, &timeout); i++) {
		assert(i < STEPS_MAX);
		int r = ferry_step(f->h);
		if (f->busy && r != FERRY_AGAIN)
			over(f, r);
		hear(f);
	}
	if (__sanitizer_get_current_allocated_bytes != NULL)
		assert(__sanitizer_get_current_allocated_bytes() < f->heap + HEAP_MAX);
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

	assert(n > 0);
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
	memset(data, '\n', n);
	f->to_give -= (unsigned)n;
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

static int
call(struct fuzz *f, uint8_t which)
{
	bool six = (f->settings & SET_IPV6) != 0;
	struct ferry *h = f->h;

	f->to_give = which < 128 ? 100 : 200000;
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
	default:
		return ferry_command(h, "SITE HELP\r\nDELE f");
	}
}

static void
begin(struct fuzz *f, uint8_t which)
{
	struct endpoint to;
	bool before = f->busy;
	int r = call(f, which);

	if (before)
		assert(r == -FERRY_ESTATE || r == -FERRY_EINVAL);
	else if (r == FERRY_AGAIN)
		f->busy = true;
	else
		over(f, r);
	rest(f);
	if (!before && which % 32 == 0 && f->control < 0) {
		f->control = memnet_called(&to);
		rest(f);
	}
}

/* ---- deeds ---- */

static uint8_t
next_byte(struct fuzz *f)
{
	if (f->n == 0)
		return 0;
	f->n--;
	return *f->p++;
}

/* Up to the byte 0x07. */
static struct bytes
next_text(struct fuzz *f)
{
	const uint8_t *end = f->n > 0 ? memchr(f->p, 0x07, f->n) : NULL;
	struct bytes text = {.p = f->p, .n = end != NULL ? (size_t)(end - f->p) : f->n};

	f->n -= text.n;
	f->p += text.n;
	next_byte(f);
	return text;
}

static void
do_nothing(struct fuzz *f)
{
}

static void
do_call(struct fuzz *f)
{
	begin(f, next_byte(f));
}

static void
do_wait(struct fuzz *f)
{
	wait_on(f);
}

/* Takes the engine's call, or calls where it listens. */
static void
connect_as(struct fuzz *f, const struct endpoint *who)
{
	struct endpoint to;
	int fd = memnet_called(&to);

	if (fd < 0)
		fd = memnet_dial(who);
	if (fd < 0)
		return;
	fd_closep(&f->data);
	f->data = fd;
}

static void
do_connect(struct fuzz *f)
{
	connect_as(f, &f->server);
}

static void
do_stranger(struct fuzz *f)
{
	connect_as(f, &f->stranger);
}

/* Nothing stands for much. */
static void
do_data_send(struct fuzz *f)
{
	static const uint8_t much[65536] = {'\r', '\n'};
	struct bytes text = next_text(f);

	if (text.n == 0)
		text = (struct bytes){.p = much, .n = sizeof(much)};
	if (f->data >= 0)
		send(f->data, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
do_data_read(struct fuzz *f)
{
	static uint8_t bytes[262144];

	if (f->data >= 0)
		recv(f->data, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static void
do_data_end(struct fuzz *f)
{
	if (f->data >= 0)
		shutdown(f->data, SHUT_WR);
}

static void
do_data_close(struct fuzz *f)
{
	fd_closep(&f->data);
}

static void
do_data_reset(struct fuzz *f)
{
	if (f->data < 0)
		return;
	memnet_reset(f->data);
	fd_closep(&f->data);
}

static void
do_batch(struct fuzz *f)
{
	f->batch = !f->batch;
}

static void
do_control_close(struct fuzz *f)
{
	fd_closep(&f->control);
}

static void
do_control_reset(struct fuzz *f)
{
	if (f->control < 0)
		return;
	memnet_reset(f->control);
	fd_closep(&f->control);
}

static void
do_control_end(struct fuzz *f)
{
	if (f->control >= 0)
		shutdown(f->control, SHUT_WR);
}

static void
do_fate(struct fuzz *f)
{
	memnet_set_fate(next_byte(f) % MEMNET_FATES);
}

static void
do_abort(struct fuzz *f)
{
	ferry_abort(f->h);
}

static void
do_mode(struct fuzz *f)
{
	ferry_set_mode(f->h, next_byte(f) % (FERRY_MODE_PORT + 1));
}

/* The next byte as it is, many times. */
static void
do_long(struct fuzz *f)
{
	uint8_t byte = next_byte(f), text[1024];
	unsigned times = next_byte(f);

	memset(text, byte, sizeof(text));
	for (unsigned i = 0; i < times % 64; i++)
		buf_append(&f->out, text, sizeof(text));
}

/* The engine has its say before and after, unless it is told not to. */
static const struct deed {
	void (*run)(struct fuzz *f);
	bool at_once;
} deeds[0x20] = {
    [0x01] = {do_nothing},
    [0x02] = {do_call},
    [0x03] = {do_wait},
    [0x04] = {do_connect},
    [0x05] = {do_stranger},
    [0x06] = {do_data_send},
    [0x08] = {do_data_end},
    [0x0b] = {do_data_close},
    [0x0c] = {do_data_read},
    [0x0e] = {do_batch, true},
    [0x10] = {do_data_reset},
    [0x14] = {do_control_close},
    [0x15] = {do_control_reset},
    [0x16] = {do_control_end},
    [0x18] = {do_fate, true},
    [0x19] = {do_abort},
    [0x1a] = {do_mode, true},
    [0x1e] = {do_long, true},
};

static void
play(struct fuzz *f)
{
	while (f->n > 0) {
		uint8_t byte = next_byte(f);

		if (byte < ARRAY_LEN(deeds) && deeds[byte].run != NULL) {
			if (!deeds[byte].at_once)
				rest(f);
			deeds[byte].run(f);
			if (!deeds[byte].at_once)
				rest(f);
			continue;
		}
		buf_append_byte(&f->out, byte);
		if (byte == '\n' && !f->batch)
			rest(f);
	}
	rest(f);
}

/* ---- beginning and end ---- */

static void
set_up(struct fuzz *f, const uint8_t *data, size_t size)
{
	bool six;

	*f = (struct fuzz){.settings = data[0], .p = data + 1, .n = size - 1};
	f->control = f->data = -1;
	six = (f->settings & SET_IPV6) != 0;
	endpoint_from_text(six ? "2001:db8::1" : "192.0.2.1", &f->server);
	endpoint_from_text(six ? "2001:db8::3" : "192.0.2.3", &f->stranger);
	f->server.port = f->stranger.port = 20;
	buf_init(&f->out, 1 << 17);
	line_init(&f->heard, 16384, LINE_STRICT);
	memnet_begin();
	now.on = true;
	now.ms = 1000000;
	if (__sanitizer_get_current_allocated_bytes != NULL)
		f->heap = __sanitizer_get_current_allocated_bytes();
	int r = ferry_new(&f->h);
	assert(r == 0);
	ferry_set_blocking(f->h, false);
	ferry_on_event(f->h, on_event, f);
	ferry_set_active_allowed(f->h, (f->settings & SET_ACTIVE_ALLOWED) != 0);
	ferry_set_trust_pasv_address(f->h, (f->settings & SET_TRUST) != 0);
	ferry_set_binary(f->h, (f->settings & SET_ASCII) == 0);
}

static void
greet(struct fuzz *f)
{
	static const char *const replies[] = {
	    "331 p\r\n", "230 in\r\n", "211-F\r\n SIZE\r\n MLST type*;\r\n211 End\r\n"};

	begin(f, 0);
	buf_append_str(&f->out, "220 hi\r\n");
	rest(f);
	begin(f, 1);
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		buf_append_str(&f->out, replies[i]);
		rest(f);
	}
}

static void
leave(struct fuzz *f)
{
	struct endpoint to;
	int fd;

	if ((f->settings & SET_FREE_AT_ONCE) != 0)
		return;
	fd_closep(&f->control);
	fd_closep(&f->data);
	for (unsigned i = 0; f->busy; i++) {
		assert(i < WAITS_MAX);
		while ((fd = memnet_called(&to)) >= 0)
			fd_closep(&fd);
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
	fd_closep(&f->control);
	fd_closep(&f->data);
	line_free(&f->heard);
	buf_free(&f->out);
	memnet_end();
	now.on = false;
}

static size_t
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f;

	if (size < 1 || size > INPUT_MAX_BYTES)
		return 0;
	size_t descriptors = count_descriptors();
	set_up(&f, data, size);
	if ((f.settings & SET_LOGGED_IN) != 0)
		greet(&f);
	play(&f);
	leave(&f);
	take_down(&f);
	assert(count_descriptors() == descriptors);
	return 0;
}
