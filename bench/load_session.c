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
session_send(struct session *s, const char *verb, const char *arg)
{
	char line[512];
	int n = snprintf(
	    line, sizeof(line), "%s%s%s\r\n", verb, arg ? " " : "", arg ? arg : "");

	/* One short line into an empty socket: the kernel takes it whole or is broken. */
	if (n >= (int)sizeof(line) ||
	    send(s->control.fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		session_fail(s, "%s could not be sent: %s", verb, strerror(errno));
}

/* The path with this session's number in the place of '#'. */
static void
send_with_path(struct session *s, const char *verb, const char *path)
{
	const char *mark = strchr(path, '#');
	char own[256];

	if (mark == NULL)
		snprintf(own, sizeof(own), "%s", path);
	else
		snprintf(own, sizeof(own), "%.*s%u%s", (int)(mark - path), path,
		    s->number, mark + 1);
	session_send(s, verb, own);
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

	s->state = STATE_BEGIN;
	if (s->slow)
		send_with_path(s, "RETR", plan->slow_path);
	else
		send_with_path(s, verbs[plan->deed], plan->path);
}

void
session_next(struct session *s)
{
	const struct plan *plan = &s->load->plan;
	uint64_t now = now_ns();

	if (now >= s->load->until || (plan->most > 0 && s->done >= plan->most)) {
		load_arrived(s->load);
		return;
	}
	s->began = now;
	s->first = s->moved = 0;
	s->replied = s->ended = false;
	if (plan->deed == DEED_LOGIN)
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

/* ---- replies ---- */

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

static void
began(struct session *s)
{
	s->state = STATE_MOVING;
	data_begin(s);
	if (s->slow)
		load_arrived(s->load);
}

static void
quitted(struct session *s)
{
	session_close(s);
	count(s);
}

static void
after_pass(struct session *s)
{
	s->state = STATE_TYPE;
	if (s->load->plan.deed == DEED_LOGIN || s->load->plan.deed == DEED_IDLE)
		logged_in(s);
	else
		session_send(s, "TYPE", "I");
}

/* What each state waits for, and what follows. */
static void
take_reply(struct session *s, int code, const char *text)
{
	const struct plan *plan = &s->load->plan;

	if (s->state == STATE_GREETING && code == 220) {
		s->state = STATE_USER;
		session_send(s, "USER", plan->user);
	} else if (s->state == STATE_USER && code == 331) {
		s->state = STATE_PASS;
		session_send(s, "PASS", plan->password);
	} else if ((s->state == STATE_USER || s->state == STATE_PASS) && code == 230) {
		after_pass(s);
	} else if (s->state == STATE_TYPE && code == 200) {
		logged_in(s);
	} else if (s->state == STATE_PLACE && code / 100 == 2) {
		if (data_dial(s, code, text))
			send_deed(s);
	} else if (s->state == STATE_PLACE && code == 425) {
		s->load->tally.refused++;
		data_close(s);
		data_place(s);
	} else if (s->state == STATE_BEGIN && code / 100 == 1) {
		began(s);
	} else if (s->state == STATE_MOVING && (code == 226 || code == 250)) {
		s->replied = true;
		session_settle(s);
	} else if (s->state == STATE_QUIT && code == 221) {
		quitted(s);
	} else if (s->state == STATE_NOOP && code == 200) {
		load_arrived(s->load);
	} else {
		session_fail(s, "%s", text);
	}
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

static void
take_lines(struct session *s)
{
	char *end;

	while (s->control.fd >= 0 && (end = memchr(s->line, '\n', s->n)) != NULL) {
		char line[sizeof(s->line)];
		size_t n = (size_t)(end - s->line);

		memcpy(line, s->line, n);
		line[n] = '\0';
		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		s->n -= n + 1;
		memmove(s->line, end + 1, s->n);
		take_line(s, line);
	}
	/* Nobody needs what stands in a line so long. */
	if (s->n == sizeof(s->line))
		s->n = 4;
}

static void
control_ready(struct session *s)
{
	ssize_t n =
	    recv(s->control.fd, s->line + s->n, sizeof(s->line) - s->n, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		session_fail(s, "the control connection ended in state %d: %s",
		    (int)s->state, n < 0 ? strerror(errno) : "in order");
		return;
	}
	s->n += (size_t)n;
	take_lines(s);
}

void
session_connect(struct session *s)
{
	const struct sockaddr_in *to = &s->load->plan.server;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	s->state = STATE_GREETING;
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
