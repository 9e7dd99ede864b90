/*
 * A whole session of the worker against any client, agent, network, disk and clock: the
 * worker as a library, its master, auth and agent played in this process
 * (tests/unit/worker_world.h), its sockets and its time by hand (memory_net.h,
 * memory_loop.h). The input is a script: text is what the client sends on the control
 * connection, the bytes 0x01 to 0x1f that FTP has no use for are what else happens (the
 * table of deeds). After each of them is checked that replies are well-formed and in
 * order (reply_model.h), that memory stays below its limits and that the loop comes to
 * rest; at the end, that the session ends when its client leaves, and leaves no
 * descriptor behind.
 */
#include "worker_world.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "answer.h"
#include "dispatch.h"
#include "memory_loop.h"
#include "memory_net.h"
#include "pump.h"
#include "reply_model.h"
#include "section.h"
#include "session.h"

#define INPUT_MAX_BYTES 8192
#define SENT_MAX (96 * 1024) /* by the client, with repetitions */
#define HELD_MAX 32
#define TEXT_MAX 256
/* Turns of the loop without anything from outside after which it spins. */
#define TURNS_MAX 3000
/* Rings of the clock after which the session is said to live for ever. */
#define RINGS_MAX 8000
/* Two upload buffers, a queue, the output, what a listing holds, and libuv. */
#define HEAP_MAX (2 << 20)

/* ASan's; without it nothing is measured. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum setting {
	SET_LOGGED_IN = 1 << 0,  /* the script begins after a login */
	SET_HALF_CLOSE = 1 << 1, /* the client ends by saying so, not by vanishing */
	SET_FROM_PORT_20 = 1 << 2,
	SET_NO_ASCII = 1 << 3,
	SET_LOG = 1 << 4,
	SET_IPV6 = 1 << 5,
	SET_NO_ANSWERS = 1 << 6, /* what the agent holds back is never told */
	SET_DELAY = 1 << 7,
	SET_PROMISCUOUS = 1 << 8,
	SET_NO_PORTS_LEFT = 1 << 9,
	SET_NO_PORT_20 = 1 << 10,
	SET_READ_ONLY_TIMES = 1 << 11,
	SET_SECTIONS = 1 << 12, /* a host, and a network that the client is in */
};

struct held {
	struct msg msg;
	int fd;
};

struct fuzz {
	struct world w;
	struct reply_model model;
	const uint8_t *p; /* the rest of the script */
	size_t n;
	unsigned settings;
	struct endpoint server, client, stranger;
	struct buf out;   /* what the control connection has not taken yet */
	size_t last_line; /* where in out the last line begins */
	size_t sent;
	bool deaf;    /* the client does not read the control connection */
	bool excused; /* it need not get every reply any more */
	int data;     /* the client's end of the data connection, or -1 */
	bool holding; /* the agent's answers wait */
	struct held held[HELD_MAX];
	size_t held_n;
	unsigned error;      /* of the next answer, or 0 */
	char text[TEXT_MAX]; /* of the next answer */
	size_t text_n;
	char listing[TEXT_MAX];
	bool slow;
	size_t heap;
	unsigned turns; /* since a byte came from the server */
};

/* Made once: the loop, and what the agent's files hold. */
static struct fuzz *fuzz;
static int file_fds[3];

/* ---- the cast ---- */

static void
send_held(struct fuzz *f, size_t i)
{
	struct held h = f->held[i];

	memmove(f->held + i, f->held + i + 1, (--f->held_n - i) * sizeof(*f->held));
	if (f->w.agent != NULL)
		chan_send(f->w.agent, &h.msg, h.fd);
	else
		fd_closep(&h.fd);
}

static void
spoil(struct fuzz *f, struct msg *back, int *fd)
{
	if (f->error != 0) {
		back->worker_answer.error = f->error;
		f->error = 0;
		/* Sometimes it gives the descriptor all the same. */
		if (back->worker_answer.error % 2 == 0)
			fd_closep(fd);
	}
	if (f->text_n > 0) {
		back->worker_answer.text =
		    (struct bytes){.p = (const uint8_t *)f->text, .n = f->text_n};
		f->text_n = 0;
	}
}

static bool
on_answer(struct world *w, struct msg *back, int *fd)
{
	struct fuzz *f = (struct fuzz *)w;

	w->keep_listing_open = false;
	spoil(f, back, fd);
	if (!f->holding || f->held_n == HELD_MAX) {
		chan_send(w->agent, back, *fd);
		return true;
	}
	f->held[f->held_n++] = (struct held){.msg = *back, .fd = *fd};
	return true;
}

/* ---- turns ---- */

static struct session *
session_of(struct fuzz *f)
{
	return worker_session(&f->w.worker, f->w.sessions);
}

static void
check_limits(struct fuzz *f)
{
	struct session *s = session_of(f);

	if (__sanitizer_get_current_allocated_bytes != NULL)
		assert_true(
		    __sanitizer_get_current_allocated_bytes() < f->heap + HEAP_MAX);
	if (s == NULL)
		return;
	assert_true(buf_len(&s->input.lines) <= INPUT_MAX);
	assert_true(s->input.count <= INPUT_FULL_LINES + INPUT_CHUNK / 2);
	assert_true(buf_len(&s->reader.text) <= INPUT_LINE_MAX);
	assert_true(conn_pending(s->control) <= CONN_HIGH_WATER + 96 * 1024);
	assert_true(s->aborts <= s->input.count);
	assert_true(f->w.worker.binds.count <= 64);
}

static void
write_control(struct fuzz *f)
{
	ssize_t n;

	while (f->w.client >= 0 && buf_len(&f->out) > 0) {
		n = send(f->w.client, buf_data(&f->out), buf_len(&f->out),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		model_sent(&f->model, buf_data(&f->out), (size_t)n);
		buf_consume(&f->out, (size_t)n);
	}
	f->last_line = 0;
}

static bool
read_control(struct fuzz *f)
{
	uint8_t chunk[16384];
	ssize_t n = -1;

	if (f->w.client >= 0 && !f->deaf && !f->w.client_eof)
		n = recv(f->w.client, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n > 0)
		model_got(&f->model, chunk, (size_t)n);
	if (n == 0)
		f->w.client_eof = true;
	return n > 0;
}

/* One turn of everything; true when something has moved. */
static bool
turn(struct fuzz *f)
{
	struct pollfd ready = {.fd = uv_backend_fd(&f->w.loop), .events = POLLIN};
	bool before = poll(&ready, 1, 0) > 0;

	write_control(f);
	uv_run(&f->w.loop, UV_RUN_NOWAIT);
	bool worked = !f->slow && memloop_work();
	bool rang = memloop_ring_due();
	bool got = read_control(f);
	bool touched = memloop_touched();

	f->w.log[0] = '\0';
	f->turns = got ? 0 : f->turns + 1;
	return before || worked || rang || got || touched || poll(&ready, 1, 0) > 0;
}

/* Until nothing moves any more. */
static void
rest(struct fuzz *f)
{
	f->turns = 0;
	while (turn(f)) {
		if (f->turns > TURNS_MAX)
			fail_msg("the loop spins");
	}
	check_limits(f);
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
	if (text.n > TEXT_MAX - 1)
		text.n = TEXT_MAX - 1;
	return text;
}

static void
say(struct fuzz *f, const void *p, size_t n)
{
	if (f->w.client < 0 || f->sent + n > SENT_MAX)
		return;
	int r = buf_append(&f->out, p, n);
	assert_int_equal(r, 0);
	f->sent += n;
}

static void
do_nothing(struct fuzz *f)
{
}

static void
do_turn(struct fuzz *f)
{
	turn(f);
}

static void
do_ring(struct fuzz *f)
{
	memloop_ring();
}

/* Calls the passive port, or takes the call of the server. */
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
	connect_as(f, &f->client);
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
	static uint8_t bytes[65536];
	size_t n = (size_t)next_byte(f) * 256 + 1;

	if (f->data >= 0)
		recv(f->data, bytes, n, MSG_DONTWAIT);
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
do_hold(struct fuzz *f)
{
	f->holding = !f->holding;
}

static void
do_release(struct fuzz *f)
{
	if (f->held_n > 0)
		send_held(f, next_byte(f) % f->held_n);
}

static void
do_error(struct fuzz *f)
{
	f->error = next_byte(f);
}

static void
do_text(struct fuzz *f)
{
	struct bytes text = next_text(f);

	memcpy(f->text, text.p, text.n);
	f->text_n = text.n;
}

static void
do_listing(struct fuzz *f)
{
	struct bytes text = next_text(f);

	memcpy(f->listing, text.p, text.n);
	f->listing[text.n] = '\0';
}

/* Odd: the listing breaks off. Even: the agent is not finished yet. */
static void
do_listing_end(struct fuzz *f)
{
	uint8_t byte = next_byte(f);

	fd_closep(&f->w.listing_end);
	f->w.listing_status = (byte & 1) != 0 ? 1 : 0;
	f->w.keep_listing_open = (byte & 2) != 0;
	/* STAT's listing that never goes on ends the session without a word. */
	f->excused |= f->w.keep_listing_open;
}

static void
do_deaf(struct fuzz *f)
{
	f->deaf = !f->deaf;
	/* Its replies may be too many to keep, or come too late. */
	f->excused = true;
}

static void
do_slow(struct fuzz *f)
{
	f->slow = !f->slow;
	memloop_set_slow(f->slow);
}

static void
do_work(struct fuzz *f)
{
	memloop_work();
}

static void
do_fate(struct fuzz *f)
{
	memnet_set_fate(next_byte(f) % MEMNET_FATES);
}

static void
do_half_close(struct fuzz *f)
{
	if (f->w.client >= 0)
		shutdown(f->w.client, SHUT_WR);
	buf_clear(&f->out);
	f->sent = SENT_MAX;
}

static void
do_agent_dies(struct fuzz *f)
{
	chan_free(f->w.agent);
	f->w.agent = NULL;
}

/* An answer that nobody asked for. */
static void
do_agent_lies(struct fuzz *f)
{
	const struct msg lie = {.type = MSG_WORKER_ANSWER, .id = next_byte(f)};

	if (f->w.agent != NULL)
		chan_send(f->w.agent, &lie, -1);
}

static void
do_auth_dies(struct fuzz *f)
{
	chan_free(f->w.auth);
	f->w.auth = NULL;
}

static void
do_refuse(struct fuzz *f)
{
	struct bytes why = next_text(f);
	const struct msg m = {
	    .type = MSG_WORKER_REFUSED,
	    .worker_refused = {.session = f->w.sessions, .why = why},
	};

	chan_send(f->w.master, &m, -1);
}

static void
do_drain(struct fuzz *f)
{
	const struct msg m = {
	    .type = MSG_WORKER_DRAIN, .worker_drain.seconds = next_byte(f)};

	chan_send(f->w.master, &m, -1);
}

/* The last line, many times. */
static void
do_again(struct fuzz *f)
{
	uint8_t times = next_byte(f) % (INPUT_FULL_LINES / 8 + 2);
	size_t n = buf_len(&f->out) - f->last_line;
	uint8_t line[TEXT_MAX];

	if (n == 0 || n > sizeof(line))
		return;
	memcpy(line, buf_data(&f->out) + f->last_line, n);
	for (unsigned i = 0; i < 8u * times; i++)
		say(f, line, n);
}

/* The next byte as it is, many times. */
static void
do_long(struct fuzz *f)
{
	uint8_t byte = next_byte(f), text[512];

	memset(text, byte, sizeof(text));
	for (uint8_t i = next_byte(f) % 17; i > 0; i--)
		say(f, text, sizeof(text));
}

/* Everybody has their say before the next deed, unless it is told not to. */
static const struct deed {
	void (*run)(struct fuzz *f);
	bool at_once;
} deeds[0x20] = {
    [0x01] = {do_nothing},
    [0x02] = {do_turn, true},
    [0x03] = {do_ring},
    [0x04] = {do_connect},
    [0x05] = {do_stranger},
    [0x06] = {do_data_send},
    [0x08] = {do_data_end},
    [0x0b] = {do_data_close},
    [0x0c] = {do_data_read},
    [0x0e] = {do_hold},
    [0x0f] = {do_release},
    [0x10] = {do_data_reset},
    [0x11] = {do_error, true},
    [0x12] = {do_text, true},
    [0x13] = {do_listing, true},
    [0x14] = {do_listing_end},
    [0x15] = {do_deaf},
    [0x16] = {do_slow},
    [0x17] = {do_work},
    [0x18] = {do_fate, true},
    [0x19] = {do_half_close},
    [0x1a] = {do_agent_dies},
    [0x1b] = {do_agent_lies},
    [0x1c] = {do_auth_dies},
    [0x1d] = {do_again, true},
    [0x1e] = {do_long, true},
    [0x1f] = {do_drain},
    [0x07] = {do_refuse},
};

static void
play(struct fuzz *f)
{
	while (f->n > 0) {
		uint8_t byte = next_byte(f);

		if (byte == 0x00 && f->n > 0 && *f->p < 0x20) {
			/* A NUL escapes: the next byte is text. */
			byte = next_byte(f);
			say(f, &byte, 1);
		} else if (byte < sizeof(deeds) / sizeof(*deeds) &&
			   deeds[byte].run != NULL) {
			if (!deeds[byte].at_once)
				rest(f);
			deeds[byte].run(f);
			if (!deeds[byte].at_once)
				rest(f);
		} else {
			if (buf_len(&f->out) > 0 &&
			    buf_data(&f->out)[buf_len(&f->out) - 1] == '\n')
				f->last_line = buf_len(&f->out);
			say(f, &byte, 1);
		}
	}
	rest(f);
}

/* ---- the end ---- */

static void
let_go(struct fuzz *f)
{
	if ((f->settings & SET_NO_ANSWERS) == 0) {
		f->holding = false;
		while (f->held_n > 0)
			send_held(f, 0);
	}
	fd_closep(&f->w.listing_end);
	/* Hundreds of PASV that wait in line one after the other are not for ever. */
	memnet_set_ports_taken(false);
	f->slow = f->deaf = false;
	memloop_set_slow(false);
}

static void
leave(struct fuzz *f)
{
	let_go(f);
	rest(f);
	if ((f->settings & SET_HALF_CLOSE) != 0) {
		shutdown(f->w.client, SHUT_WR);
		return;
	}
	fd_closep(&f->w.client);
	f->excused = true;
}

static void
drain_data(struct fuzz *f)
{
	static uint8_t bytes[65536];
	struct endpoint to;
	int fd = f->data < 0 ? memnet_called(&to) : -1;

	if (fd >= 0)
		f->data = fd;
	while (f->data >= 0 && recv(f->data, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
}

static void
see_it_end(struct fuzz *f)
{
	for (unsigned i = 0; session_of(f) != NULL; i++) {
		if (i > RINGS_MAX)
			fail_msg("the client has left and the session lives");
		drain_data(f);
		rest(f);
		if (session_of(f) != NULL)
			memloop_ring();
	}
	rest(f);
	assert_int_equal(f->w.closed, f->w.sessions);
	if (!f->excused)
		model_check_end(&f->model);
}

static size_t
count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
take_down(struct fuzz *f)
{
	while (f->held_n > 0)
		fd_closep(&f->held[--f->held_n].fd);
	fd_closep(&f->data);
	/* While there is still somebody to log to. */
	do_agent_dies(f);
	rest(f);
	world_close(&f->w);
	while (memloop_work())
		continue;
	for (unsigned i = 0; uv_run(&f->w.loop, UV_RUN_NOWAIT) != 0; i++)
		assert_true(i < TURNS_MAX);
	model_free(&f->model);
	buf_free(&f->out);
	memloop_end();
	memnet_end();
}

/* ---- the beginning ---- */

/* All views are made now: what a session leaves behind is then a leak. */
static void
add_sections(struct conf *conf)
{
	static const char text[] =
	    "[host "
	    "f.example]\npasv_address=198.51.100.1\nidle_session_timeout=40\ncmds_denied="
	    "MKD\n"
	    "[network 192.0.2.2]\npasv_address=198.51.100.2\nport_enable=NO\n"
	    "[network 2001:db8::2]\nidle_session_timeout=50\npasv_enable=NO\n";

	assert_int_equal(conf_parse(conf, "f", text, sizeof(text) - 1, NULL, NULL), 0);
	for (size_t i = 0; i < 6; i++)
		assert_non_null(section_view(conf, i / 3, i % 3));
}

static void
configure(struct fuzz *f)
{
	struct conf *conf = &f->w.conf;
	unsigned set = f->settings;

	assert_int_equal(conf_init(conf), 0);
	conf->pasv_min_port = 50000;
	conf->pasv_max_port = 50003;
	conf->connect_from_port_20 = (set & SET_FROM_PORT_20) != 0;
	conf->ascii_download_enable = conf->ascii_upload_enable =
	    (set & SET_NO_ASCII) == 0;
	conf->log_ftp_protocol = (set & SET_LOG) != 0;
	conf->delay_failed_login = (set & SET_DELAY) != 0 ? 2 : 0;
	conf->pasv_promiscuous = conf->port_promiscuous = (set & SET_PROMISCUOUS) != 0;
	conf->mdtm_write = conf->mfmt_enable = (set & SET_READ_ONLY_TIMES) == 0;
	if ((set & SET_SECTIONS) != 0)
		add_sections(conf);
	f->w.bind_error = (set & SET_NO_PORT_20) != 0 ? EACCES : 0;
	memnet_set_ports_taken((set & SET_NO_PORTS_LEFT) != 0);
}

static void
set_addresses(struct fuzz *f)
{
	bool six = (f->settings & SET_IPV6) != 0;

	endpoint_from_text(six ? "2001:db8::1" : "192.0.2.1", &f->server);
	endpoint_from_text(six ? "2001:db8::2" : "192.0.2.2", &f->client);
	endpoint_from_text(six ? "2001:db8::3" : "192.0.2.3", &f->stranger);
	f->server.port = 21;
	f->client.port = f->stranger.port = 30000;
}

static void
add_files(struct fuzz *f)
{
	static const char *const paths[] = {"/home/f", "/home/big", "/"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct world_file *file = &f->w.files[i];

		snprintf(file->path, sizeof(file->path), "%s", paths[i]);
		file->fd = fcntl(file_fds[i], F_DUPFD_CLOEXEC, 3);
	}
}

static void
greet(struct fuzz *f)
{
	int pair[2];
	struct msg m = {
	    .type = MSG_WORKER_SESSION,
	    .worker_session = {.session = ++f->w.sessions},
	};

	assert_int_equal(memnet_pair(pair, &f->server, &f->client), 0);
	f->w.client = pair[1];
	assert_int_equal(chan_send(f->w.master, &m, pair[0]), 0);
	rest(f);
	if ((f->settings & SET_LOGGED_IN) == 0)
		return;
	static const char login[] = "USER somebody\r\nPASS right\r\n";
	say(f, login, sizeof(login) - 1);
	rest(f);
}

static void
set_up(struct fuzz *f, const uint8_t *data, size_t size)
{
	uv_loop_t loop = f->w.loop;

	memset(f, 0, sizeof(*f));
	memcpy(&f->w.loop, &loop, sizeof(loop));
	f->settings = data[0] | (unsigned)data[1] << 8;
	f->p = data + 2;
	f->n = size - 2;
	f->data = f->w.client = f->w.stored = f->w.listing_end = f->w.listener = -1;
	memnet_begin();
	memloop_begin();
	set_addresses(f);
	configure(f);
	f->w.listing = f->listing;
	f->w.on_answer = on_answer;
	buf_init(&f->out, SENT_MAX);
	buf_init(&f->w.got, 1);
	model_init(&f->model);
	add_files(f);
	if (__sanitizer_get_current_allocated_bytes != NULL)
		f->heap = __sanitizer_get_current_allocated_bytes();
	world_open_channels(&f->w);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] = "one\r\ntwo\n\r\n\xff"
				   "end\r";
	static const size_t sizes[] = {sizeof(text), 300000, 0};

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	signal(SIGPIPE, SIG_IGN); /* as every process of ferryd does */
	fuzz = calloc(1, sizeof(*fuzz));
	assert_non_null(fuzz);
	assert_int_equal(uv_loop_init(&fuzz->w.loop), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		file_fds[i] = memfd_create("file", MFD_CLOEXEC);
		assert_int_equal(ftruncate(file_fds[i], (off_t)sizes[i]), 0);
		assert_int_equal(
		    pwrite(file_fds[i], text, sizes[i] > 0 ? sizeof(text) : 0, 0),
		    sizes[i] > 0 ? sizeof(text) : 0);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = fuzz;

	if (size < 2 || size > INPUT_MAX_BYTES)
		return 0;
	size_t descriptors = count_descriptors();
	set_up(f, data, size);
	greet(f);
	play(f);
	leave(f);
	see_it_end(f);
	take_down(f);
	assert_int_equal(count_descriptors(), descriptors);
	return 0;
}
