/*
 * The control connection: commands out, replies in. Every command passes control_check()
 * and queue_line(), so that no name, password or line from a caller can carry a second
 * command (CVE-2026-39983 and its many relatives). Replies are bounded in length, number
 * and time.
 */
#include "client.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Blocks that are read at once without a complete reply in them. */
#define FILLS_MAX 32

/* Commands never wait behind each other: two lines and the Telnet bytes are plenty. */
#define OUT_MAX (4 * COMMAND_MAX)

void
control_init(struct control *c)
{
	*c = (struct control){
	    .fd = -1,
	    .out = BUF_INIT(OUT_MAX),
	    .sent = BUF_INIT(COMMAND_MAX),
	    .goodbye = BUF_INIT(REPLY_MAX_BYTES),
	};
	line_init(&c->lines, REPLY_LINE_MAX, LINE_LENIENT);
	reply_init(&c->reply);
}

void
control_free(struct control *c)
{
	tls_freep(&c->tls);
	fd_closep(&c->fd);
	buf_wipe(&c->out);
	buf_free(&c->sent);
	buf_free(&c->goodbye);
	line_free(&c->lines);
	reply_free(&c->reply);
}

/* A firewall forgets a silent connection after some minutes: be seen once a minute while
 * the data connection works (FIREWALL: 60 < 240 < 350 s). */
static void
set_socket_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 60},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 20},
	    {IPPROTO_TCP, TCP_KEEPCNT, 3},
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_OOBINLINE, 1},
	};

	/* all of them are improvements: failure changes nothing that is promised */
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof(options[i].value));
}

static int
local_name(int fd, struct endpoint *ret)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -1;
	return endpoint_from_sockaddr((struct sockaddr *)&sa, ret);
}

int
control_open(struct ferry *h, int fd, const struct endpoint *to)
{
	struct control *c = &h->control;
	struct ferry_event ev = {.kind = FERRY_EV_CONNECTED, .channel = FERRY_CONTROL};

	control_free(c);
	control_init(c);
	/* not getpeername(): the server may have hung up already */
	c->remote = *to;
	if (local_name(fd, &c->local) < 0) {
		int saved = errno;

		fd_closep(&fd);
		return fail(h, FERRY_ECONNECT, saved,
		    "the connection to %s ended as soon as it was made", h->host);
	}
	c->fd = fd;
	set_socket_options(fd);
	event_address(&ev.local, &c->local);
	event_address(&ev.remote, &c->remote);
	event_emit(h, ev);
	return 0;
}

void
control_close(struct ferry *h, int error)
{
	struct control *c = &h->control;
	struct ferry_event ev = {
	    .kind = FERRY_EV_CLOSED,
	    .channel = FERRY_CONTROL,
	    .error = error,
	};

	h->connected = h->logged_in = false;
	c->waiting = 0;
	c->deadline = 0;
	c->corked = false;
	buf_wipe(&c->out);
	if (c->fd < 0)
		return;
	/* What was read and not looked at has nobody to answer any more. */
	c->in_pos = c->in_len = 0;
	if (c->tls)
		(void)tls_close_notify(c->tls);
	tls_freep(&c->tls);
	fd_closep(&c->fd);
	event_address(&ev.local, &c->local);
	event_address(&ev.remote, &c->remote);
	event_emit(h, ev);
}

int
control_check(struct ferry *h, const char *what, const char *text)
{
	if (strpbrk(text, "\r\n"))
		return fail(h, FERRY_EINVAL, 0,
		    "the %s has a line break in it: FTP could take the rest for a "
		    "command",
		    what);
	if (strlen(text) > COMMAND_MAX / 2)
		return fail(h, FERRY_EINVAL, 0, "the %s is too long: %zu bytes", what,
		    strlen(text));
	return 0;
}

/* What a verb is followed by that nobody shall read. */
static bool
is_secret(const char *verb, size_t n)
{
	return n == 4 && (equal_nocase(verb, "PASS", 4) || equal_nocase(verb, "ACCT", 4));
}

/* The command as events and sentences show it. */
static int
note_sent(struct ferry *h, const char *verb, size_t n, const char *arg)
{
	struct buf *sent = &h->control.sent;
	int r;

	buf_clear(sent);
	r = buf_append(sent, verb, n);
	if (r == 0 && arg)
		r = buf_printf(sent, " %s", is_secret(verb, n) ? "****" : arg);
	if (r == 0)
		event_text(h, FERRY_EV_COMMAND, buf_cstr(sent));
	return r;
}

/* The choke point: nothing else appends a line to the output. */
static int
queue_line(struct ferry *h, const char *verb, size_t n, const char *arg)
{
	struct buf line = BUF_INIT(2 * COMMAND_MAX);
	int r = line_append_name(&line, (const uint8_t *)verb, n, false);

	if (r == 0 && arg)
		r = buf_append_byte(&line, ' ');
	if (r == 0 && arg)
		r = line_append_name(&line, (const uint8_t *)arg, strlen(arg), false);
	if (r == 0)
		r = buf_append(&line, "\r\n", 2);
	if (r == 0)
		r = note_sent(h, verb, n, arg);
	if (r == 0)
		r = buf_append(&h->control.out, buf_data(&line), buf_len(&line));
	buf_wipe(&line);
	if (r < 0)
		return fail(h, (enum ferry_error) - r, 0,
		    "a command could not be sent: %s", ferry_strerror(r));
	return 0;
}

int
control_command(struct ferry *h, const char *verb, const char *arg)
{
	struct control *c = &h->control;
	int r = control_check(h, "command", verb);

	if (r == 0 && arg)
		r = control_check(h, "argument", arg);
	if (r < 0)
		return r;
	if (c->fd < 0)
		return fail(h, FERRY_ECLOSED, 0, "%s has closed the connection", h->host);
	r = queue_line(h, verb, strlen(verb), arg);
	if (r < 0)
		return r;
	c->waiting++;
	c->preliminary = 0;
	control_await(h);
	control_flush(h);
	return 0;
}

void
control_synch(struct ferry *h)
{
	/* IAC IP IAC DM: the last byte sent with MSG_OOB is the urgent one, as Synch
	 * wants */
	static const uint8_t synch[] = {0xff, 0xf4, 0xff, 0xf2};
	struct control *c = &h->control;
	ssize_t n = 0;

	control_flush(h);
	/* inside TLS nothing is urgent, and outside of it nothing may be sent (RFC 4217
	 * has no word on it): ABOR goes alone */
	if (c->fd < 0 || c->tls)
		return;
	if (buf_len(&c->out) == 0)
		n = send(
		    c->fd, synch, sizeof(synch), MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		n = 0;
	/* without room the rest goes the normal way: not urgent, but not lost */
	if (n < (ssize_t)sizeof(synch))
		buf_append(&c->out, synch + n, sizeof(synch) - (size_t)n);
}

static ssize_t
send_out(struct control *c)
{
	if (c->tls)
		return tls_write(c->tls, buf_data(&c->out), buf_len(&c->out));
	return send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
}

void
control_flush(struct ferry *h)
{
	struct control *c = &h->control;

	if (c->corked)
		return;
	while (c->fd >= 0 && buf_len(&c->out) > 0) {
		ssize_t n = send_out(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		buf_consume(&c->out, (size_t)n);
	}
	buf_wipe(&c->out); /* a password may have been in it */
}

void
control_await(struct ferry *h)
{
	h->control.since = now_ms();
	h->control.deadline = deadline_in(h->timer[FERRY_TIMER_REPLY]);
}

void
control_hurry(struct ferry *h, unsigned ms)
{
	msec soon = now_ms() + ms;

	if (h->control.deadline > soon)
		h->control.deadline = soon;
}

void
control_rest(struct ferry *h)
{
	h->control.deadline = 0;
}

bool
control_has_input(const struct ferry *h)
{
	return h->control.in_pos < h->control.in_len;
}

short
control_events(const struct ferry *h)
{
	const struct control *c = &h->control;

	if (tls_is_shaking(c->tls))
		return c->tls->wants;
	return buf_len(&c->out) ? POLLIN | POLLOUT : POLLIN;
}

/* What a line was that is no reply: often it tells which protocol is spoken there. */
static int
fail_not_ftp(struct ferry *h, struct bytes line)
{
	_cleanup_free_ char *text = strndup((const char *)line.p, line.n);
	_cleanup_free_ char *safe = text ? safe_text(text) : NULL;
	const char *hint = "";

	if (!safe)
		return fail_memory(h);
	if (strncmp(text, "SSH-", 4) == 0)
		hint = ": that is an SSH server, for SFTP";
	else if (strncmp(text, "HTTP/", 5) == 0)
		hint = ": that is a web server";
	else if (line.n > 1 && line.p[0] == 0x15 && line.p[1] == 0x03)
		hint = ": that is a TLS server";
	return fail(h, FERRY_EPROTO, 0, "%s does not speak FTP, it sent \"%s\"%s",
	    h->host, safe, hint);
}

static int
feed_reply(struct ferry *h, bool *ret_got)
{
	struct bytes line = line_text(&h->control.lines);
	int r = reply_feed(&h->control.reply, line.p, line.n);

	switch (r) {
	case 1:
		*ret_got = true;
		return 0;
	case 0:
		return 0;
	case -FERRY_EPROTO:
		return fail_not_ftp(h, line);
	case -FERRY_ETOOBIG:
		return fail(h, FERRY_ETOOBIG, 0, "%s sent a reply without end", h->host);
	default:
		return fail_memory(h);
	}
}

/* One event of the line reader. */
static int
take_event(struct ferry *h, enum line_event event, bool *ret_got)
{
	struct control *c = &h->control;

	switch (event) {
	case LINE_READY:
		return feed_reply(h, ret_got);
	case LINE_TOO_LONG:
		return fail(h, FERRY_ETOOBIG, 0, "%s sent a line of more than %d bytes",
		    h->host, REPLY_LINE_MAX);
	case LINE_ANSWER:
		/* a server that asks and asks and never reads is not answered for ever */
		if (buf_append(&c->out, c->lines.answer, sizeof(c->lines.answer)) == 0)
			control_flush(h);
		return 0;
	case LINE_MORE:
	case LINE_SYNCH:
		return 0;
	}
	return 0;
}

/* Bytes into c->in. 0; FERRY_AGAIN: none now; FERRY_EOF. */
static int
fill(struct control *c, int *ret_errno)
{
	ssize_t n;

	do {
		n = c->tls ? tls_read(c->tls, c->in, sizeof(c->in))
			   : recv(c->fd, c->in, sizeof(c->in), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return FERRY_AGAIN;
	*ret_errno = n < 0 ? errno : 0;
	if (n <= 0)
		return FERRY_EOF;
	c->in_pos = 0;
	c->in_len = (size_t)n;
	return 0;
}

int
control_next(struct ferry *h, bool *ret_got, int *ret_errno)
{
	struct control *c = &h->control;

	control_flush(h);
	*ret_got = false;
	for (int fills = 0; c->fd >= 0 && !*ret_got;) {
		enum line_event event;
		size_t used;
		int r;

		if (!control_has_input(h)) {
			/* Telnet commands without end are no reply: the timers must be
			 * heard */
			if (fills++ >= FILLS_MAX)
				return 0;
			r = fill(c, ret_errno);
			if (r != 0)
				return r == FERRY_EOF ? FERRY_EOF : 0;
		}
		r = line_feed(
		    &c->lines, c->in + c->in_pos, c->in_len - c->in_pos, &used, &event);
		if (r < 0)
			return fail_memory(h);
		c->in_pos += used;
		/* its end may never come */
		if (event == LINE_MORE && c->lines.discarding)
			event = LINE_TOO_LONG;
		r = take_event(h, event, ret_got);
		if (r < 0) {
			c->broken = true;
			return r;
		}
	}
	return 0;
}
