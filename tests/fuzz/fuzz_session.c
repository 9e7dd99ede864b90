/*
 * A whole session of the worker against any client, agent, network, disk and clock: the
 * worker as a library, its master, auth and agent played in this process
 * (tests/unit/worker_world.h), its sockets and its time by hand (memory_net.h,
 * memory_loop.h). The input is a script: text is what the client sends on the control
 * connection, the bytes 0x01 to 0x1f that FTP has no use for are what else happens (the
 * table of deeds), and what TLS and the wire do is behind a NUL (far.h). After each of
 * them is checked that replies are well-formed and in order (reply_model.h), that nothing
 * said in clear behind AUTH is answered, that a file is complete only if its end came in
 * order and is then what was sent, that memory stays below its limits and that the loop
 * comes to rest; at the end, that the session ends when its client leaves, and leaves no
 * descriptor behind.
 */
#include "worker_tls.h"
#include "worker_world.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/resource.h>

#include "answer.h"
#include "dispatch.h"
#include "far.h"
#include "memory_loop.h"
#include "memory_net.h"
#include "pump.h"
#include "reply_model.h"
#include "section.h"
#include "session.h"
#include "transfer.h"
#include "transfer_model.h"

#define INPUT_MAX_BYTES 8192
#define SENT_MAX (96 * 1024) /* by the client, with repetitions */
#define HELD_MAX 32
/* The files of the agent. */
#define TEXT_BYTES 17
#define BIG_BYTES 300000
#define MIDDLE_BYTES 5000
#define TEXT_MAX FAR_TEXT_MAX
/* Replies that the client's side of the wire holds back for later. */
#define UNSENT_MAX 16384
/* Turns of the loop without anything from outside after which it spins. */
#define TURNS_MAX 3000
/* Rings of the clock after which the session is said to live for ever. */
#define RINGS_MAX 8000
/* Two upload buffers, a queue, the output, what a listing holds, libuv, and OpenSSL. */
#define HEAP_MAX (2 << 20)

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
	/* neither: no TLS; the first: AUTH TLS, PBSZ, PROT P; the second: there is TLS,
	 * and the client does not begin it; both: implicit TLS */
	SET_EXPLICIT = 1 << 12,
	SET_OFFERED = 1 << 13,
	SET_IMPLICIT = SET_EXPLICIT | SET_OFFERED,
	SET_OLD_TLS = 1 << 14,
	SET_LENIENT = 1 << 15,  /* ends without close_notify are forgiven, CCC is allowed,
				   sessions need not be resumed */
	SET_SECTIONS = 1 << 16, /* a host, and a network that the client is in */
	SET_QUICK = 1 << 17,    /* small files come with the agent's answer, ports rest */
};

struct held {
	struct msg msg;
	int fd;
};

struct fuzz {
	struct world w;
	struct far far;
	struct reply_model model;
	struct transfer_model transfers;
	unsigned settings;
	struct endpoint server, client;
	struct buf out;   /* what the control connection has not taken yet */
	size_t last_line; /* where in out the last line begins */
	size_t sent;
	bool deaf;    /* the client does not read the control connection */
	bool excused; /* it need not get every reply any more */
	bool late;    /* replies may come long after what they speak of */
	bool contrary;        /* the next data connection is in clear, or not */
	bool proved;          /* its session is the control connection's */
	SSL_SESSION *foreign; /* of a data connection that was not proved */
	bool strange;         /* the next one resumes that */
	bool holding; /* the agent's answers wait */
	struct held held[HELD_MAX];
	size_t held_n;
	unsigned error;      /* of the next answer, or 0 */
	char text[TEXT_MAX]; /* of the next answer */
	size_t text_n;
	char listing[TEXT_MAX];
	bool slow;
	size_t heap;
	int unread;     /* bytes that the server has not read */
	unsigned turns; /* since a byte moved */
};

/* Made once: the loop, what the agent's files hold, keys. */
static struct fuzz *fuzz;
static int file_fds[4];
static struct tls_kit kit;
static struct tls_identity *identity;

static struct session *
session_of(struct fuzz *f)
{
	return worker_session(&f->w.worker, f->w.sessions);
}

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

	bool gives = *fd >= 0 || back->worker_answer.type == TYPE_FILE;

	transfer_model_answer(&f->transfers, session_of(f), gives);
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

static void
check_limits(struct fuzz *f)
{
	struct session *s = session_of(f);

	assert_true(far_heap() <= f->heap + HEAP_MAX + far_own_heap(&f->far));
	if (s == NULL)
		return;
	assert_true(buf_len(&s->input.lines) <= INPUT_MAX);
	assert_true(s->input.count <= INPUT_FULL_LINES + INPUT_CHUNK / 2);
	assert_true(buf_len(&s->reader.text) <= INPUT_LINE_MAX);
	assert_true(conn_pending(s->control) <= CONN_HIGH_WATER + 96 * 1024);
	assert_true(s->aborts <= s->input.count);
	assert_true(f->w.worker.binds.count <= 64);
}

/* The client says in clear, or under TLS, what it has to say. Behind 234 nothing that is
 * in clear is a command. */
static void
write_control(struct fuzz *f)
{
	struct wire *c = &f->far.control;

	while (c->fd >= 0 && buf_len(&f->out) > 0 && buf_len(&c->out) < UNSENT_MAX &&
	       !c->ending && !wire_is_shaking(c)) {
		size_t n = buf_len(&f->out) < UNSENT_MAX ? buf_len(&f->out) : UNSENT_MAX;

		if (f->model.secured == (c->ssl != NULL))
			model_sent(&f->model, buf_data(&f->out), n);
		else
			f->excused = true;
		wire_say(c, buf_data(&f->out), n);
		buf_consume(&f->out, n);
	}
	f->last_line = 0;
}

static void
on_heard(void *user, const uint8_t *p, size_t n)
{
	struct fuzz *f = user;
	const struct wire *c = &f->far.control;

	if (!f->model.secured || c->ssl != NULL)
		model_got(&f->model, p, n);
	else if (p[0] < SSL3_RT_CHANGE_CIPHER_SPEC || p[0] > SSL3_RT_APPLICATION_DATA)
		fail_msg("the server speaks in clear behind 234");
}

/* A client whose handshake is under way, but unasked for, listens to clear text until it
 * hears 234, and no byte further. */
static bool
hear_in_clear(struct fuzz *f)
{
	struct wire *c = &f->far.control;
	SSL *later = c->ssl;
	bool moved = true;

	c->ssl = NULL;
	for (unsigned i = 0; moved && !f->model.secured && i < UNSENT_MAX; i++)
		moved = wire_hear(c, 1, on_heard, f);
	c->ssl = later;
	return moved;
}

static bool
read_control(struct fuzz *f)
{
	struct wire *c = &f->far.control;
	bool moved;

	if (f->deaf)
		return false;
	moved = c->ssl != NULL && !f->model.secured ? hear_in_clear(f)
						    : wire_hear(c, 16384, on_heard, f);
	f->excused |= c->spoiled || c->odd;
	if (c->broken && !f->excused)
		fail_msg("TLS with an honest client fails");
	f->excused |= c->broken;
	/* Both have ended TLS: RFC 4217 6, 13. */
	if (c->ssl != NULL && c->notified && c->ending && buf_len(&c->out) == 0 &&
	    !c->over) {
		f->model.secured = false;
		wire_clear(c, on_heard, f);
	}
	f->w.client_eof = c->over;
	return moved;
}

/* Only who resumes the control connection's session may have a file. */
static void
on_data(void *user, const uint8_t *p, size_t n)
{
	const struct fuzz *f = user;
	const struct wire *d = &f->far.data;

	if (d->ssl != NULL && f->far.control.ssl != NULL &&
	    (f->settings & SET_LENIENT) == 0 &&
	    !(f->proved && SSL_session_reused(d->ssl)))
		fail_msg("a stranger under TLS gets data");
}

static void
on_final(void *user, const char *verb, int code)
{
	struct fuzz *f = user;

	/* What is small may be said to have been sent before the client has looked at
	 * it. */
	while (wire_hear(&f->far.data, 16384, on_data, f))
		continue;
	if (!f->late)
		transfer_model_final(&f->transfers, verb, code);
	/* What is behind these two in TLS breaks it. */
	if (f->far.control.ssl != NULL && code < 300 &&
	    (strcmp(verb, "REIN") == 0 || strcmp(verb, "CCC") == 0))
		f->excused = true;
}

/* The handshake needs nobody who asks for bytes. */
static bool
turn_data(struct fuzz *f)
{
	struct wire *d = &f->far.data;
	bool moved = wire_turn(d);

	if (wire_is_shaking(d) && !d->broken)
		moved |= wire_hear(d, 16384, on_data, f);
	return moved;
}

/* The server may take one record a turn, however short: that is no spinning. */
static bool
has_read(struct fuzz *f)
{
	const struct session *s = session_of(f);
	int before = f->unread;

	f->unread = 0;
	if (s != NULL)
		ioctl(conn_fd(s->control), FIONREAD, &f->unread);
	return f->unread != before;
}

/* One turn of everything; true when something has moved. */
static bool
turn(struct fuzz *f)
{
	struct pollfd ready = {.fd = uv_backend_fd(&f->w.loop), .events = POLLIN};
	bool before = poll(&ready, 1, 0) > 0;

	write_control(f);
	bool moved = wire_turn(&f->far.control);
	moved |= turn_data(f);
	uv_run(&f->w.loop, UV_RUN_NOWAIT);
	bool worked = !f->slow && memloop_work();
	bool rang = memloop_ring_due();
	moved |= read_control(f);
	bool touched = memloop_touched();

	f->w.log[0] = '\0';
	f->turns = moved || has_read(f) ? 0 : f->turns + 1;
	return before || worked || rang || moved || touched || poll(&ready, 1, 0) > 0;
}

/* Is it the running transfer's, and not the last one's, which the server has closed? */
static bool
is_served(const struct wire *d)
{
	char byte;

	return d->fd >= 0 && recv(d->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

/* At rest whoever waits must wait for somebody, and not for ever: a timer runs, unless
 * there is work in threads. A session that is ready has answered all that it was told,
 * and an upload whose end has left is not waited for. */
static void
check_nothing_forgotten(struct fuzz *f)
{
	const struct session *s = session_of(f);
	const struct wire *c = &f->far.control, *d = &f->far.data;
	bool all_said = buf_len(&f->out) == 0 && buf_len(&c->out) == 0;

	if (s == NULL)
		return;
	if (s->state != SESSION_WORKING && !f->slow && !memloop_is_armed())
		fail_msg(
		    "the session may wait for ever: %s", session_state_name(s->state));
	if (f->excused || f->late || c->fd < 0)
		return;
	if (s->state == SESSION_READY && all_said && !model_is_answered(&f->model))
		fail_msg("a command is forgotten");
	if (s->state == SESSION_TRANSFER && s->transfer->pump != NULL &&
	    s->transfer->kind == TRANSFER_UPLOAD &&
	    wire_has_brought(d, s->private, NULL) && is_served(d) && !f->slow)
		fail_msg("an upload is forgotten");
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
	check_nothing_forgotten(f);
}

/* ---- deeds ---- */

static void
say(struct fuzz *f, const void *p, size_t n)
{
	if (f->far.control.fd < 0 || f->sent + n > SENT_MAX)
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

/* Calls the passive port, or takes the call of the server; with PROT P under TLS. */
static void
connect_as(struct fuzz *f, const struct endpoint *who)
{
	const struct session *s = session_of(f);
	SSL_SESSION *session = f->strange ? f->foreign : f->far.session;
	bool contrary = f->contrary;

	if (!far_connect(&f->far, who))
		return;
	f->proved = session == f->far.session && session != NULL;
	f->contrary = f->strange = false;
	if (s == NULL || s->private == contrary)
		return;
	wire_secure(&f->far.data, kit.client, false, session);
	f->far.data.odd = contrary;
	f->far.data.fresh = f->proved ? &f->far.session : &f->foreign;
}

static void
do_connect(struct fuzz *f)
{
	connect_as(f, &f->client);
}

static void
do_stranger(struct fuzz *f)
{
	connect_as(f, &f->far.stranger);
}

static void
do_data_read(struct fuzz *f)
{
	wire_hear(&f->far.data, (size_t)far_byte(&f->far) * 256 + 1, on_data, f);
}

static void
do_contrary(struct fuzz *f)
{
	f->contrary = !f->contrary;
}

/* The client's handshake; if nobody asked for it, the server takes it for commands. */
static void
do_secure(struct fuzz *f)
{
	struct wire *c = &f->far.control;

	write_control(f);
	if (c->ssl != NULL || (f->settings & SET_IMPLICIT) == 0)
		return;
	if (!f->model.secured) {
		model_sent_noise(&f->model);
		f->excused = true;
	}
	wire_secure(c, kit.client, false, NULL);
	c->fresh = &f->far.session;
}

static void
do_strange(struct fuzz *f)
{
	f->strange = !f->strange;
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
		send_held(f, far_byte(&f->far) % f->held_n);
}

static void
do_error(struct fuzz *f)
{
	f->error = far_byte(&f->far);
}

static void
do_text(struct fuzz *f)
{
	struct bytes text = far_text(&f->far, TEXT_MAX - 1);

	memcpy(f->text, text.p, text.n);
	f->text_n = text.n;
}

static void
do_listing(struct fuzz *f)
{
	struct bytes text = far_text(&f->far, TEXT_MAX - 1);

	memcpy(f->listing, text.p, text.n);
	f->listing[text.n] = '\0';
}

/* Odd: the listing breaks off. Even: the agent is not finished yet. */
static void
do_listing_end(struct fuzz *f)
{
	uint8_t byte = far_byte(&f->far);

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
	f->late = true;
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
	memnet_set_fate(far_byte(&f->far) % MEMNET_FATES);
}

static void
do_half_close(struct fuzz *f)
{
	wire_finish(&f->far.control);
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
	const struct msg lie = {.type = MSG_WORKER_ANSWER, .id = far_byte(&f->far)};

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
	struct bytes why = far_text(&f->far, TEXT_MAX - 1);
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
	    .type = MSG_WORKER_DRAIN, .worker_drain.seconds = far_byte(&f->far)};

	chan_send(f->w.master, &m, -1);
}

/* The system takes little at a time of what the server sends from here on. */
static void
do_narrow(struct fuzz *f)
{
	const struct session *s = session_of(f);
	const int least = 1;

	if (s == NULL)
		return;
	setsockopt(conn_fd(s->control), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	if (s->data.conn != NULL)
		setsockopt(
		    conn_fd(s->data.conn), SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
}

/* The last line, many times. */
static void
do_again(struct fuzz *f)
{
	uint8_t times = far_byte(&f->far) % (INPUT_FULL_LINES / 8 + 2);
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
	uint8_t byte = far_byte(&f->far), text[512];

	memset(text, byte, sizeof(text));
	for (uint8_t i = far_byte(&f->far) % 17; i > 0; i--)
		say(f, text, sizeof(text));
}

static const struct far_deed deeds[FAR_DEEDS] = {
    [0x01] = {do_nothing},
    [0x02] = {do_turn, true},
    [0x03] = {do_ring},
    [0x04] = {do_connect},
    [0x05] = {do_stranger},
    [0x06] = {.far = far_data_send},
    [0x08] = {.far = far_data_end},
    [0x0b] = {.far = far_data_close},
    [0x0c] = {do_data_read},
    [0x0e] = {do_hold},
    [0x0f] = {do_release},
    [0x10] = {.far = far_data_reset},
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

/* Deeds of sockets and of TLS that are no wire's. */
static const struct {
	uint8_t byte;
	void (*run)(struct fuzz *f);
} escaped_deeds[] = {
    {0x8e, do_narrow},
    {0x8f, do_secure},
    {0x9e, do_strange},
    {0x9f, do_contrary},
};

/* Text that would be a deed, deeds of the wire and of TLS. */
static bool
play_escaped(struct fuzz *f, uint8_t byte)
{
	if (byte < 0x20)
		say(f, &byte, 1);
	if (byte < 0x20)
		return true;
	if (byte < 0x80 || byte >= 0xa0)
		return false;
	write_control(f);
	far_do(&f->far, byte);
	for (size_t i = 0; i < ARRAY_LEN(escaped_deeds); i++) {
		if (escaped_deeds[i].byte == byte)
			escaped_deeds[i].run(f);
	}
	return true;
}

static void
play_text(struct fuzz *f, uint8_t byte)
{
	if (buf_len(&f->out) > 0 && buf_data(&f->out)[buf_len(&f->out) - 1] == '\n')
		f->last_line = buf_len(&f->out);
	say(f, &byte, 1);
}

static const struct far_rules rules = {
    .deeds = deeds,
    .rest = rest,
    .say = play_text,
    .escaped = play_escaped,
};

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
	f->far.control.held = f->far.data.held = false;
}

static void
leave(struct fuzz *f)
{
	let_go(f);
	rest(f);
	if ((f->settings & SET_HALF_CLOSE) != 0) {
		do_half_close(f);
		return;
	}
	wire_close(&f->far.control);
	f->excused = true;
}

static void
drain_data(struct fuzz *f)
{
	struct wire *d = &f->far.data;
	struct endpoint to;
	int fd = d->fd < 0 ? memnet_called(&to) : -1;

	if (fd >= 0)
		wire_open(d, fd);
	while (wire_hear(d, 65536, on_data, f))
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

static void
take_down(struct fuzz *f)
{
	while (f->held_n > 0)
		fd_closep(&f->held[--f->held_n].fd);
	far_end(&f->far);
	SSL_SESSION_free(f->foreign);
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
	conf->ssl_enable = (set & SET_IMPLICIT) != 0;
	conf->force_local_logins_ssl = (set & SET_EXPLICIT) != 0;
	conf->force_local_data_ssl = false;
	conf->ssl_ccc_enable = conf->strict_ssl_write_shutdown = (set & SET_LENIENT) != 0;
	conf->require_ssl_reuse = conf->strict_ssl_read_eof = (set & SET_LENIENT) == 0;
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
	endpoint_from_text(six ? "2001:db8::3" : "192.0.2.3", &f->far.stranger);
	f->server.port = 21;
	f->client.port = f->far.stranger.port = 30000;
}

static void
add_files(struct fuzz *f)
{
	static const char *const paths[] = {"/home/f", "/home/big", "/", "/home/k"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct world_file *file = &f->w.files[i];

		snprintf(file->path, sizeof(file->path), "%s", paths[i]);
		file->fd = fcntl(file_fds[i], F_DUPFD_CLOEXEC, 3);
	}
}

static void
say_text(struct fuzz *f, const char *text)
{
	say(f, text, strlen(text));
	rest(f);
}

static void
greet(struct fuzz *f)
{
	bool implicit = (f->settings & SET_IMPLICIT) == SET_IMPLICIT;
	int pair[2];
	struct msg m = {
	    .type = MSG_WORKER_SESSION,
	    .worker_session = {.session = ++f->w.sessions, .implicit = implicit},
	};

	assert_int_equal(memnet_pair(pair, &f->server, &f->client), 0);
	wire_open(&f->far.control, pair[1]);
	assert_int_equal(chan_send(f->w.master, &m, pair[0]), 0);
	f->model.secured = implicit;
	if (!implicit && (f->settings & SET_EXPLICIT) != 0)
		say_text(f, "AUTH TLS\r\n");
	if ((f->settings & SET_EXPLICIT) != 0) {
		do_secure(f);
		say_text(f, "PBSZ 0\r\nPROT P\r\n");
	}
	rest(f);
	if ((f->settings & SET_LOGGED_IN) != 0)
		say_text(f, "USER somebody\r\nPASS right\r\n");
}

static void
set_up(struct fuzz *f, const uint8_t *data, size_t size)
{
	uv_loop_t loop = f->w.loop;

	memset(f, 0, sizeof(*f));
	memcpy(&f->w.loop, &loop, sizeof(loop));
	f->settings = data[0] | (unsigned)data[1] << 8 | (unsigned)data[2] << 16;
	far_begin(&f->far, data + 3, size - 3);
	transfer_model_init(
	    &f->transfers, &f->w, &f->far, (f->settings & SET_LENIENT) != 0);
	f->w.client = f->w.stored = f->w.listing_end = f->w.listener = -1;
	memnet_begin();
	memloop_begin();
	set_addresses(f);
	configure(f);
	f->w.listing = f->listing;
	f->w.on_answer = on_answer;
	buf_init(&f->out, SENT_MAX);
	buf_init(&f->w.got, 1);
	model_init(&f->model);
	f->model.on_final = on_final;
	f->model.user = f;
	add_files(f);
	tls_kit_dice();
	tls_kit_version(kit.client, (f->settings & SET_OLD_TLS) != 0);
	f->heap = far_heap();
	world_open_channels(&f->w);
	world_give_identity(&f->w, identity);
	f->w.inlines = (f->settings & SET_QUICK) != 0;
	if (f->w.inlines)
		worker_may_use(&f->w.worker, 1, 1024);
	f->w.worker.pipes = 0; /* memory_net.h knows read(), but not splice() */
}

/* As long as that: a text, and behind it bytes of all kinds. */
static int
make_file(const char text[TEXT_BYTES], size_t n)
{
	static uint8_t bytes[BIG_BYTES];
	int fd = memfd_create("file", MFD_CLOEXEC);

	far_fill(bytes, sizeof(bytes));
	memcpy(bytes, text, TEXT_BYTES);
	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[TEXT_BYTES] = "one\r\ntwo\n\r\n\xff"
					     "end\r";
	static const size_t sizes[] = {TEXT_BYTES, BIG_BYTES, 0, MIDDLE_BYTES};

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	signal(SIGPIPE, SIG_IGN); /* as every process of ferryd does */
	fuzz = calloc(1, sizeof(*fuzz));
	assert_non_null(fuzz);
	assert_int_equal(uv_loop_init(&fuzz->w.loop), 0);
	tls_kit_init(&kit);
	identity = world_identity(&kit);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		file_fds[i] = make_file(text, sizes[i]);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = fuzz;

	if (size < 3 || size > INPUT_MAX_BYTES)
		return 0;
	size_t descriptors = far_descriptors();
	set_up(f, data, size);
	greet(f);
	far_play(&f->far, f, &rules);
	leave(f);
	see_it_end(f);
	take_down(f);
	assert_int_equal(far_descriptors(), descriptors);
	return 0;
}
