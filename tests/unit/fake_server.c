/*
 * The scripted server of the client's tests; the language is in fake_server.h. Never
 * asserts: a wrong turn is kept as text for the test to show.
 */
#include "fake_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 65536
#define FILLERS 3

struct fake {
	int listener, control, data_listener, data;
	int filler[FILLERS];
	bool v6;
	const char *at; /* the present action */
	bool begun;     /* the present action has done its first part */
	bool slow;
	bool greeted; /* there was a control connection */
	char in[LINE_MAX_LEN];
	size_t in_len;
	char *out;
	size_t out_len, out_pos;
	uint64_t count; /* bytes moved in this action */
	uint16_t data_port;
	struct sockaddr_storage call;
	char error[1024];
};

typedef bool action_fn(struct fake *f, const char *arg);

static void
wrong(struct fake *f, const char *fmt, ...)
{
	va_list ap;

	if (f->error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(f->error, sizeof(f->error), fmt, ap);
	va_end(ap);
}

uint8_t
fake_pattern(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static socklen_t
place(bool v6, const char *host, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (v6) {
		struct sockaddr_in6 *sa = (struct sockaddr_in6 *)ret;

		sa->sin6_family = AF_INET6;
		sa->sin6_port = htons(port);
		inet_pton(AF_INET6, host, &sa->sin6_addr);
		return sizeof(*sa);
	}
	struct sockaddr_in *sa = (struct sockaddr_in *)ret;

	sa->sin_family = AF_INET;
	sa->sin_port = htons(port);
	inet_pton(AF_INET, host, &sa->sin_addr);
	return sizeof(*sa);
}

/* A socket on host, at *ret_port, or any port for 0; backlog < 0: it does not listen. */
static int
door(bool v6, const char *host, int backlog, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len = place(v6, host, *ret_port, &sa);
	int fd = socket(
	    v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && *ret_port > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 ||
	    (backlog >= 0 && listen(fd, backlog) < 0) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0) {
		shut(&fd);
		return -1;
	}
	*ret_port = ntohs(v6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
			     : ((struct sockaddr_in *)&sa)->sin_port);
	return fd;
}

struct fake *
fake_new(const char *host, const char *script)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->v6 = strchr(host, ':') != NULL;
	f->at = script;
	f->control = f->data_listener = f->data = -1;
	for (int i = 0; i < FILLERS; i++)
		f->filler[i] = -1;
	f->listener = door(f->v6, host, 5, &f->data_port);
	if (f->listener < 0) {
		free(f);
		return NULL;
	}
	return f;
}

static void
close_fillers(struct fake *f)
{
	for (int i = 0; i < FILLERS; i++)
		shut(&f->filler[i]);
}

void
fake_free(struct fake *f)
{
	if (!f)
		return;
	shut(&f->listener);
	shut(&f->control);
	shut(&f->data_listener);
	shut(&f->data);
	close_fillers(f);
	free(f->out);
	free(f);
}

uint16_t
fake_port(const struct fake *f)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(f->listener, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(f->v6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
			   : ((struct sockaddr_in *)&sa)->sin_port);
}

/* ---------------------------------------------------------------- text */

/* \r \n \\ \ooo, %P and %Q. Returns the length. */
static size_t
unescape(const struct fake *f, const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 16 < cap; text++) {
		if (text[0] == '%' && text[1] == 'P') {
			n += (size_t)sprintf(out + n, "%u", f->data_port);
			text++;
		} else if (text[0] == '%' && text[1] == 'Q') {
			n += (size_t)sprintf(
			    out + n, "%u,%u", f->data_port >> 8, f->data_port & 255);
			text++;
		} else if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3') {
			out[n++] = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
					  (text[3] - '0'));
			text += 3;
		} else if (text[0] == '\\' && text[1]) {
			text++;
			out[n++] = *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
		} else {
			out[n++] = *text;
		}
	}
	out[n] = '\0';
	return n;
}

static void
queue(struct fake *f, const char *p, size_t n)
{
	char *bigger = realloc(f->out, f->out_len + n);

	if (!bigger)
		return wrong(f, "out of memory");
	memcpy(bigger + f->out_len, p, n);
	f->out = bigger;
	f->out_len += n;
}

/* true: all is written. */
static bool
flush(struct fake *f, bool *moved)
{
	while (f->out_pos < f->out_len) {
		size_t n = f->slow ? 1 : f->out_len - f->out_pos;
		ssize_t sent = send(f->control, f->out + f->out_pos, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return false;
		*moved = true;
		if (sent < 0)
			break; /* the client hung up: the next action finds out */
		f->out_pos += (size_t)sent;
		if (f->slow)
			return false;
	}
	f->out_pos = f->out_len = 0;
	return true;
}

/* ---------------------------------------------------------------- control */

static bool
do_say(struct fake *f, const char *arg)
{
	char text[LINE_MAX_LEN];
	size_t n = unescape(f, arg, text, sizeof(text) - 2);

	memcpy(text + n, "\r\n", 2);
	queue(f, text, n + 2);
	return true;
}

static bool
do_raw(struct fake *f, const char *arg)
{
	char text[LINE_MAX_LEN];

	queue(f, text, unescape(f, arg, text, sizeof(text)));
	return true;
}

static bool
do_flood(struct fake *f, const char *arg)
{
	char *line;
	unsigned long n = strtoul(arg, &line, 10);

	while (n-- > 0)
		do_say(f, line + 1);
	return true;
}

static bool
do_slow(struct fake *f, const char *arg)
{
	int one = 1;

	(void)arg;
	f->slow = true;
	setsockopt(f->control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return true;
}

/* Where PORT and EPRT lead. */
static void
note_call(struct fake *f, const char *line)
{
	unsigned a[4], p[2];
	char host[64];

	if (sscanf(line, "PORT %u,%u,%u,%u,%u,%u", &a[0], &a[1], &a[2], &a[3], &p[0],
		&p[1]) == 6) {
		snprintf(host, sizeof(host), "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
		place(false, host, (uint16_t)(p[0] * 256 + p[1]), &f->call);
	} else if (sscanf(line, "EPRT |%u|%63[^|]|%u|", &a[0], host, &p[0]) == 3) {
		place(a[0] == 2, host, (uint16_t)p[0], &f->call);
	}
}

static bool
same_line(const char *want, size_t want_len, const char *got, size_t got_len)
{
	if (want_len > 0 && want[want_len - 1] == '*')
		return got_len >= want_len - 1 && memcmp(want, got, want_len - 1) == 0;
	return want_len == got_len && memcmp(want, got, got_len) == 0;
}

static bool
do_expect(struct fake *f, const char *arg)
{
	char want[LINE_MAX_LEN];
	size_t want_len = unescape(f, arg, want, sizeof(want));
	char *end = memmem(f->in, f->in_len, "\r\n", 2);
	ssize_t n;

	if (!end) {
		n = recv(f->control, f->in + f->in_len, sizeof(f->in) - f->in_len, 0);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0)
			wrong(f, "the client hung up instead of \"%s\"", arg);
		else
			f->in_len += (size_t)n;
		return n > 0 ? do_expect(f, arg) : false;
	}
	*end = '\0';
	n = end + 2 - f->in;
	if (!same_line(want, want_len, f->in, (size_t)(end - f->in)))
		wrong(f, "expected \"%s\", got \"%s\"", arg, f->in);
	note_call(f, f->in);
	memmove(f->in, end + 2, f->in_len - (size_t)n);
	f->in_len -= (size_t)n;
	return true;
}

static bool
do_close(struct fake *f, const char *arg)
{
	(void)arg;
	shut(&f->control);
	return true;
}

static void
no_linger(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static bool
do_abort(struct fake *f, const char *arg)
{
	no_linger(f->control);
	return do_close(f, arg);
}

static bool
do_end(struct fake *f, const char *arg)
{
	ssize_t n = recv(f->control, f->in + f->in_len, sizeof(f->in) - f->in_len, 0);

	(void)arg;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0)
		f->in_len += (size_t)n;
	if (f->in_len > 0)
		wrong(f, "expected the end, got \"%.*s\"", (int)f->in_len, f->in);
	return true;
}

/* ---------------------------------------------------------------- data */

/* The data port: another one, unless it is to be the same. */
static void
open_door(struct fake *f, int backlog, bool same)
{
	shut(&f->data_listener);
	f->data_port = same ? f->data_port : 0;
	f->data_listener =
	    door(f->v6, f->v6 ? "::1" : "127.0.0.1", backlog, &f->data_port);
}

static bool
do_listen(struct fake *f, const char *arg)
{
	open_door(f, 5, strcmp(arg, "same") == 0);
	return true;
}

static bool
do_closed(struct fake *f, const char *arg)
{
	(void)arg;
	open_door(f, -1, false);
	return true;
}

/* A full queue drops the caller's SYN: silence. */
static bool
do_silent(struct fake *f, const char *arg)
{
	struct sockaddr_storage sa;
	socklen_t len;

	(void)arg;
	close_fillers(f);
	open_door(f, 0, false);
	len = place(f->v6, f->v6 ? "::1" : "127.0.0.1", f->data_port, &sa);
	for (int i = 0; i < FILLERS; i++) {
		f->filler[i] = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(f->filler[i], (struct sockaddr *)&sa, len);
	}
	return true;
}

static bool
do_accept(struct fake *f, const char *arg)
{
	(void)arg;
	shut(&f->data);
	f->data = accept4(f->data_listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (f->data < 0)
		return false;
	shut(&f->data_listener);
	return true;
}

static int
call_client(struct fake *f, const char *from)
{
	socklen_t len = f->call.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						      : sizeof(struct sockaddr_in);
	int fd = socket(f->call.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;

	if (from) {
		socklen_t from_len = place(false, from, 0, &sa);

		if (bind(fd, (struct sockaddr *)&sa, from_len) < 0)
			wrong(f, "bind to %s: %s", from, strerror(errno));
	}
	if (connect(fd, (struct sockaddr *)&f->call, len) < 0)
		wrong(f, "the client does not listen: %s", strerror(errno));
	return fd;
}

static bool
do_dial(struct fake *f, const char *arg)
{

	(void)arg;
	shut(&f->data);
	f->data = call_client(f, NULL);
	return true;
}

/* The client must close a stranger's call without a byte. */
static bool
do_stranger(struct fake *f, const char *arg)
{
	char c;
	ssize_t n;

	(void)arg;
	if (!f->begun)
		f->filler[0] = call_client(f, "127.0.0.2");
	f->begun = true;
	n = recv(f->filler[0], &c, 1, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0)
		wrong(f, "a stranger got a byte");
	shut(&f->filler[0]);
	return true;
}

static bool
do_knock(struct fake *f, const char *arg)
{
	int fd = call_client(f, "127.0.0.2");

	(void)arg;
	shut(&fd);
	return true;
}

static bool
send_data(struct fake *f, const char *p, size_t n)
{
	ssize_t sent = send(f->data, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent > 0)
		f->count += (uint64_t)sent;
	return sent >= 0;
}

static bool
do_send(struct fake *f, const char *arg)
{
	char text[LINE_MAX_LEN];
	size_t n = unescape(f, arg, text, sizeof(text));

	if (!send_data(f, text + f->count, n - f->count) && errno != EAGAIN)
		return true; /* what the client thinks of it, the test will see */
	return f->count == n;
}

/* More of the pattern up to total bytes; true when done. */
static bool
send_pattern(struct fake *f, uint64_t total)
{
	char chunk[65536];

	while (f->count < total) {
		size_t n = total - f->count > sizeof(chunk) ? sizeof(chunk)
							    : (size_t)(total - f->count);

		for (size_t i = 0; i < n; i++)
			chunk[i] = (char)fake_pattern(f->count + i);
		if (!send_data(f, chunk, n))
			return errno != EAGAIN;
	}
	return true;
}

static bool
do_fill(struct fake *f, const char *arg)
{
	return send_pattern(f, strtoull(arg, NULL, 10));
}

/* Until the client cuts the connection. */
static bool
do_pour(struct fake *f, const char *arg)
{
	(void)arg;
	return send_pattern(f, UINT64_MAX);
}

static bool
do_eof(struct fake *f, const char *arg)
{
	(void)arg;
	shut(&f->data);
	return true;
}

static bool
do_reset(struct fake *f, const char *arg)
{
	no_linger(f->data);
	return do_eof(f, arg);
}

static bool
do_hold(struct fake *f, const char *arg)
{
	(void)f;
	(void)arg;
	return true;
}

/* Reads to the end; what came must be want, or with want NULL the pattern. */
static bool
receive(struct fake *f, const char *want, uint64_t total, bool may_break)
{
	char chunk[65536];
	ssize_t n;

	while ((n = recv(f->data, chunk, sizeof(chunk), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n && !may_break; i++) {
			uint64_t at = f->count + (uint64_t)i;
			char right =
			    want ? (at < total ? want[at] : 0) : (char)fake_pattern(at);

			if (at >= total || chunk[i] != right)
				wrong(f, "byte %llu of the upload is wrong",
				    (unsigned long long)at);
		}
		f->count += (uint64_t)n;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	if (!may_break && (n < 0 || f->count != total))
		wrong(f, "the upload had %llu bytes, not %llu",
		    (unsigned long long)f->count, (unsigned long long)total);
	shut(&f->data);
	return true;
}

static bool
do_recv(struct fake *f, const char *arg)
{
	char text[LINE_MAX_LEN];
	size_t n = unescape(f, arg, text, sizeof(text));

	return receive(f, text, n, false);
}

/* These bytes and no end: the connection stays open. */
static bool
do_take(struct fake *f, const char *arg)
{
	char text[LINE_MAX_LEN], got[LINE_MAX_LEN];
	size_t n = unescape(f, arg, text, sizeof(text));
	ssize_t came = recv(f->data, got, n - f->count, MSG_DONTWAIT);

	if (came < 0 && errno == EAGAIN)
		return false;
	if (came <= 0 || memcmp(got, text + f->count, (size_t)came) != 0)
		wrong(f, "other bytes came than \"%s\"", arg);
	f->count += came > 0 ? (size_t)came : n;
	return f->count >= n;
}

static bool
do_sink(struct fake *f, const char *arg)
{
	return receive(f, NULL, strtoull(arg, NULL, 10), false);
}

static bool
do_broken(struct fake *f, const char *arg)
{
	(void)arg;
	return receive(f, NULL, 0, true);
}

static bool
do_gone(struct fake *f, const char *arg)
{
	char c;
	ssize_t n = recv(f->data, &c, 1, MSG_DONTWAIT);

	(void)arg;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0)
		wrong(
		    f, "the client sent bytes on a data connection that it was to close");
	shut(&f->data);
	return true;
}

/* ---------------------------------------------------------------- the script */

static const struct {
	const char *name;
	action_fn *act;
	bool on_data; /* waits for the data connection */
	short events;
} actions[] = {
    {"S:", do_say, false, POLLOUT},
    {"C:", do_expect, false, POLLIN},
    {"raw", do_raw, false, POLLOUT},
    {"flood", do_flood, false, POLLOUT},
    {"slow", do_slow, false, POLLOUT},
    {"close", do_close, false, POLLOUT},
    {"abort", do_abort, false, POLLOUT},
    {"end", do_end, false, POLLIN},
    {"listen", do_listen, false, POLLOUT},
    {"closed", do_closed, false, POLLOUT},
    {"silent", do_silent, false, POLLOUT},
    {"accept", do_accept, true, POLLIN},
    {"dial", do_dial, false, POLLOUT},
    {"stranger", do_stranger, true, POLLIN},
    {"knock", do_knock, false, POLLOUT},
    {"send", do_send, true, POLLOUT},
    {"fill", do_fill, true, POLLOUT},
    {"pour", do_pour, true, POLLOUT},
    {"eof", do_eof, false, POLLOUT},
    {"reset", do_reset, false, POLLOUT},
    {"hold", do_hold, false, POLLOUT},
    {"recv", do_recv, true, POLLIN},
    {"take", do_take, true, POLLIN},
    {"sink", do_sink, true, POLLIN},
    {"broken", do_broken, true, POLLIN},
    {"gone", do_gone, true, POLLIN},
};

static int
find_action(const char *line)
{
	size_t n = strcspn(line, " \n");

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i].name) == n && memcmp(actions[i].name, line, n) == 0)
			return (int)i;
	return -1;
}

bool
fake_done(const struct fake *f)
{
	return *f->at == '\0' && f->out_pos == f->out_len;
}

const char *
fake_error(const struct fake *f)
{
	return f->error[0] ? f->error : NULL;
}

/* One action. true: it is done. */
static bool
play(struct fake *f)
{
	char line[LINE_MAX_LEN];
	size_t n = strcspn(f->at, "\n");
	int i = find_action(f->at);
	const char *arg;

	if (i < 0 || n >= sizeof(line)) {
		wrong(f, "no such action: %.*s", (int)n, f->at);
		return false;
	}
	memcpy(line, f->at, n);
	line[n] = '\0';
	arg = strchr(line, ' ');
	if (!actions[i].act(f, arg ? arg + 1 : ""))
		return false;
	f->at += n + (f->at[n] == '\n');
	f->count = 0;
	f->begun = false;
	return true;
}

static bool
greet(struct fake *f)
{
	int one = 1;

	f->control = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (f->control < 0)
		return false;
	f->greeted = true;
	f->in_len = 0;
	setsockopt(f->control, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	setsockopt(f->control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return true;
}

/* After "close" the data connection may go on; a line to be sent greets the next caller.
 */
static bool
awaits_caller(const struct fake *f)
{
	return f->control < 0 && (!f->greeted || strncmp(f->at, "S:", 2) == 0);
}

bool
fake_step(struct fake *f)
{
	bool moved = false;
	bool empty;

	if (f->error[0] || fake_done(f))
		return false;
	if (awaits_caller(f))
		return greet(f);
	empty = flush(f, &moved);
	while (empty && *f->at && !f->error[0] && !awaits_caller(f)) {
		uint64_t count = f->count;

		if (!play(f)) {
			moved = moved || f->count != count;
			break;
		}
		moved = true;
		empty = flush(f, &moved);
	}
	return moved;
}

size_t
fake_poll(const struct fake *f, struct pollfd *fds)
{
	int i = find_action(f->at);
	int fd = f->control;

	if (f->error[0] || fake_done(f))
		return 0;
	if (awaits_caller(f)) {
		fds[0] = (struct pollfd){.fd = f->listener, .events = POLLIN};
		return 1;
	}
	if (i < 0 || f->out_pos < f->out_len) {
		fds[0] = (struct pollfd){.fd = fd, .events = POLLOUT};
		return 1;
	}
	if (actions[i].on_data)
		fd = f->data >= 0 ? f->data : f->data_listener;
	if (actions[i].act == do_stranger)
		fd = f->filler[0];
	if (actions[i].act == do_accept)
		fd = f->data_listener;
	fds[0] = (struct pollfd){.fd = fd, .events = actions[i].events};
	return 1;
}

void
fake_run(struct fake *f)
{
	time_t until = time(NULL) + 20;

	while (!fake_done(f) && !f->error[0]) {
		struct pollfd fds[2];
		size_t n;

		if (fake_step(f))
			continue;
		n = fake_poll(f, fds);
		poll(fds, n, 1000);
		if (time(NULL) > until)
			wrong(f, "nothing happened for 20 s at \"%.40s\"", f->at);
	}
	if (!f->error[0])
		return;
	/* the client shall not wait for one who has left the script */
	shut(&f->control);
	shut(&f->data);
	shut(&f->data_listener);
}
