/*
 * The load generator's side of a control connection: one command, one reply, as an
 * ordinary client does it. Must never count an operation whose last reply or whose number
 * of bytes was wrong.
 */
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

/* ---- ends ---- */

void
session_close(struct session *s)
{
	data_close(s);
	watch_stop(&s->control);
	s->state = STATE_OUT;
	s->n = 0;
	s->open = 0;
	s->settings = 0;
}

void
session_fail(struct session *s, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (s->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tally_error(&s->load->tally, text);
	s->failed = true;
	session_close(s);
	/* Nobody waits for a slow one once it has begun. */
	if (!s->slow || !s->load->running)
		load_arrived(s->load);
}

/* ---- commands ---- */

void
session_send_text(struct session *s, const char *text, size_t n)
{
	/* Short lines into an empty socket: the kernel takes them whole or is broken. */
	if (watch_send(&s->control, text, n) != (ssize_t)n)
		session_fail(s, "%.20s could not be sent: %s", text, strerror(errno));
}

void
session_send(struct session *s, const char *verb, const char *arg)
{
	char line[512];
	int n = snprintf(
	    line, sizeof(line), "%s%s%s\r\n", verb, arg ? " " : "", arg ? arg : "");

	if (n >= (int)sizeof(line))
		session_fail(s, "%s is too long", verb);
	else
		session_send_text(s, line, (size_t)n);
}

void
session_path(const struct session *s, const char *path, char *ret, size_t size)
{
	const char *mark = strchr(path, '#');

	if (mark == NULL)
		snprintf(ret, size, "%s", path);
	else
		snprintf(
		    ret, size, "%.*s%u%s", (int)(mark - path), path, s->number, mark + 1);
}

static void
send_deed(struct session *s)
{
	static const char *const verbs[] = {
	    [DEED_RETR] = "RETR",
	    [DEED_STOR] = "STOR",
	    [DEED_LIST] = "LIST",
	    [DEED_MLSD] = "MLSD",
	};
	const struct plan *plan = &s->load->plan;
	char path[256];

	s->state = STATE_BEGIN;
	session_path(s, s->slow ? plan->slow_path : plan->path, path, sizeof(path));
	session_send(s, s->slow ? "RETR" : verbs[plan->deed], path);
}

bool
session_goes_on(const struct session *s, uint64_t begun)
{
	const struct load *l = s->load;

	return now_ns() < l->until && (l->plan.most == 0 || begun < l->plan.most);
}

void
session_next(struct session *s)
{
	if (!session_goes_on(s, s->done)) {
		load_arrived(s->load);
		return;
	}
	s->began = now_ns();
	s->first = s->moved = 0;
	s->replied = s->ended = false;
	if (s->load->plan.deed == DEED_LOGIN)
		session_connect(s);
	else
		data_place(s);
}

/* ---- the end of an operation ---- */

static void
count(struct session *s)
{
	uint64_t now = now_ns();

	s->done++;
	tally_op(&s->load->tally, now, now - s->began,
	    s->first > s->began ? s->first - s->began : 0);
	session_next(s);
}

void
session_settle(struct session *s)
{
	const struct plan *plan = &s->load->plan;

	if (!s->replied || !s->ended || s->failed)
		return;
	s->state = STATE_IN;
	if (s->slow)
		session_fail(s, "the slow transfer is over: its file is too short");
	else if (!plan->any_size && s->moved != plan->size)
		session_fail(s, "%llu bytes instead of %llu",
		    (unsigned long long)s->moved, (unsigned long long)plan->size);
	else
		count(s);
}

/* ---- logging in ---- */

static void
send_user(struct session *s)
{
	s->state = STATE_USER;
	session_send(s, "USER", s->load->plan.user);
}

void
session_secured(struct session *s)
{
	send_user(s);
}

static void
greeted(struct session *s, int code, const char *text)
{
	if (!s->load->plan.tls) {
		send_user(s);
		return;
	}
	s->state = STATE_AUTH;
	session_send(s, "AUTH", "TLS");
}

static void
secure(struct session *s, int code, const char *text)
{
	tls_start(&s->control, s->load->plan.resume);
}

static void
send_password(struct session *s, int code, const char *text)
{
	s->state = STATE_PASS;
	session_send(s, "PASS", s->load->plan.password);
}

static void
logged_in(struct session *s)
{
	s->state = STATE_IN;
	if (s->load->plan.deed == DEED_LOGIN) {
		s->state = STATE_QUIT;
		session_send(s, "QUIT", NULL);
	} else if (s->slow) {
		data_place(s);
	} else {
		load_arrived(s->load);
	}
}

/* What transfers need to be told first, one after the other. */
static void
set_next(struct session *s, int code, const char *text)
{
	static const struct {
		const char *verb, *arg;
		bool tls, block;
	} settings[] = {
	    {"PBSZ", "0", .tls = true},
	    {"PROT", "P", .tls = true},
	    {"TYPE", "I"},
	    {"MODE", "B", .block = true},
	};
	const struct plan *plan = &s->load->plan;

	s->state = STATE_SETTING;
	while (s->settings < ARRAY_LEN(settings)) {
		unsigned i = s->settings++;

		if ((settings[i].tls && !plan->tls) ||
		    (settings[i].block && plan->depth == 0))
			continue;
		session_send(s, settings[i].verb, settings[i].arg);
		return;
	}
	logged_in(s);
}

static void
after_password(struct session *s, int code, const char *text)
{
	if (s->load->plan.deed == DEED_LOGIN || s->load->plan.deed == DEED_IDLE)
		logged_in(s);
	else
		set_next(s, code, text);
}

/* ---- operations ---- */

static void
placed(struct session *s, int code, const char *text)
{
	if (!data_dial(s, code, text))
		return;
	if (s->load->plan.depth > 0)
		block_begin(s);
	else
		send_deed(s);
}

static void
place_again(struct session *s, int code, const char *text)
{
	s->load->tally.refused++;
	data_close(s);
	data_place(s);
}

static void
began(struct session *s, int code, const char *text)
{
	s->state = STATE_MOVING;
	data_begin(s);
	if (s->slow)
		load_arrived(s->load);
}

static void
ended(struct session *s, int code, const char *text)
{
	s->replied = true;
	session_settle(s);
}

static void
quitted(struct session *s, int code, const char *text)
{
	session_close(s);
	count(s);
}

static void
lives(struct session *s, int code, const char *text)
{
	load_arrived(s->load);
}

/* ---- replies ---- */

/* What each state waits for, and what follows. A code of one digit is a class. */
static const struct step {
	enum state state;
	int code;
	void (*then)(struct session *s, int code, const char *text);
} steps[] = {
    {STATE_GREETING, 220, greeted},
    {STATE_AUTH, 234, secure},
    {STATE_USER, 331, send_password},
    {STATE_USER, 230, after_password},
    {STATE_PASS, 230, after_password},
    {STATE_SETTING, 200, set_next},
    {STATE_PLACE, 2, placed},
    {STATE_PLACE, 425, place_again},
    {STATE_BEGIN, 1, began},
    {STATE_MOVING, 226, ended},
    {STATE_MOVING, 250, ended},
    {STATE_BLOCK, 1, block_reply},
    {STATE_BLOCK, 2, block_reply},
    {STATE_QUIT, 221, quitted},
    {STATE_NOOP, 200, lives},
};

static void
take_reply(struct session *s, int code, const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		const struct step *step = &steps[i];

		if (step->state == s->state &&
		    (step->code == code || step->code == code / 100)) {
			step->then(s, code, text);
			return;
		}
	}
	session_fail(s, "%s", text);
}

/* The code that a line begins with, or 0. */
static int
code_of(const char *line)
{
	int code = 0;

	for (int i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = code * 10 + line[i] - '0';
	}
	return code;
}

/* A line; replies of several are known by the code of their first (RFC 959 4.2). */
static void
take_line(struct session *s, const char *line)
{
	int code = code_of(line);

	if (s->open != 0) {
		if (code != s->open || line[3] != ' ')
			return;
		s->open = 0;
	} else if (code > 0 && line[3] == '-') {
		s->open = code;
		return;
	}
	take_reply(s, code, line);
}

/* A line from buf, as far as anybody needs it. */
static void
cut_line(struct session *s, const char *from, size_t n)
{
	char line[sizeof(s->line)];

	if (n > 0 && from[n - 1] == '\r')
		n--;
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	memcpy(line, from, n);
	line[n] = '\0';
	take_line(s, line);
}

/* All the lines there; what is begun is kept, and nobody needs what stands in a line so
 * long that it does not fit. */
static void
take_lines(struct session *s, char *at, char *end)
{
	unsigned calls = s->calls;
	char *stop;

	while (at < end && (stop = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		cut_line(s, at, (size_t)(stop - at));
		/* Closed, or already another connection: the rest is nobody's. */
		if (s->control.fd < 0 || s->calls != calls)
			return;
		at = stop + 1;
	}
	s->n = (size_t)(end - at);
	if (s->n >= sizeof(s->line))
		s->n = 4;
	memcpy(s->line, at, s->n);
}

static void
control_ready(struct session *s)
{
	char text[8192 + sizeof(s->line)];
	ssize_t n;

	memcpy(text, s->line, s->n);
	n = watch_recv(&s->control, text + s->n, sizeof(text) - s->n);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		session_fail(s, "the control connection ended in state %d: %s",
		    (int)s->state, n < 0 ? strerror(errno) : "in order");
		return;
	}
	take_lines(s, text, text + s->n + (size_t)n);
	/* What TLS has read already epoll knows nothing of. */
	if (s->control.ssl != NULL && SSL_pending(s->control.ssl) > 0)
		control_ready(s);
}

void
session_connect(struct session *s)
{
	const struct sockaddr_in *to = &s->load->plan.server;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	s->state = STATE_GREETING;
	s->calls++;
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd < 0 || (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
			  errno != EINPROGRESS)) {
		fd_closep(&fd);
		session_fail(s, "no connection: %s", strerror(errno));
		return;
	}
	watch_start(s, &s->control, fd, EPOLLIN, control_ready);
}
