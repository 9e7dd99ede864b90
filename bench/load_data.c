/*
 * The load generator's side of a data connection. What is downloaded is counted and
 * thrown away in the kernel (MSG_TRUNC), what is uploaded is sent from memory
 * (sendfile), so that the machine's time is the server's.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

/* Taken at once from a data connection, or given to one. */
#define PIECE (1024 * 1024)
/* What a slow session takes at a time. */
#define SIP 2048

void
data_close(struct session *s)
{
	watch_stop(&s->data);
	watch_stop(&s->listener);
}

static void
data_ended(struct session *s)
{
	watch_stop(&s->data);
	s->ended = true;
	session_settle(s);
}

static void
moved(struct session *s, size_t n)
{
	uint64_t now = now_ns();

	if (s->first == 0)
		s->first = now;
	s->moved += n;
	if (!s->slow)
		tally_moved(&s->load->tally, now, n);
}

/* ---- download ---- */

static void
take(struct session *s, size_t most)
{
	ssize_t n = recv(s->data.fd, NULL, most, MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN)
		session_fail(s, "the data connection broke: %s", strerror(errno));
	else if (n == 0)
		data_ended(s);
	else if (n > 0)
		moved(s, (size_t)n);
}

static void
download_ready(struct session *s)
{
	take(s, PIECE);
}

void
data_sip(struct session *s)
{
	if (s->data.fd >= 0)
		take(s, SIP);
}

/* ---- upload ---- */

static void
upload_ready(struct session *s)
{
	uint64_t left = s->load->plan.size - s->moved;
	off_t at = (off_t)s->moved;
	ssize_t n = 0;

	if (left > 0)
		n = sendfile(
		    s->data.fd, s->load->source, &at, left < PIECE ? left : PIECE);
	if (n < 0 && errno != EAGAIN) {
		session_fail(s, "the data connection broke: %s", strerror(errno));
		return;
	}
	if (n > 0)
		moved(s, (size_t)n);
	if (s->moved == s->load->plan.size)
		data_ended(s);
}

/* ---- both ---- */

static bool
is_upload(const struct session *s)
{
	return !s->slow && s->load->plan.deed == DEED_STOR;
}

static bool
is_active(const struct session *s)
{
	return s->load->plan.way == WAY_PORT || s->load->plan.way == WAY_EPRT;
}

/* The connection is there. An upload waits for 1xx, a slow session for its turn. */
static void
data_watch(struct session *s, int fd)
{
	if (s->slow)
		watch_start(s, &s->data, fd, 0, NULL);
	else if (!is_upload(s))
		watch_start(s, &s->data, fd, EPOLLIN, download_ready);
	else if (s->state == STATE_MOVING)
		watch_start(s, &s->data, fd, EPOLLOUT, upload_ready);
	else
		s->data = (struct watch){.session = s, .fd = fd};
}

void
data_begin(struct session *s)
{
	if (is_upload(s) && s->data.fd >= 0)
		watch_start(s, &s->data, s->data.fd, EPOLLOUT, upload_ready);
}

static void
listener_ready(struct session *s)
{
	int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		session_fail(s, "no call from the server: %s", strerror(errno));
		return;
	}
	watch_stop(&s->listener);
	data_watch(s, fd);
}

/* A fresh port for each transfer, as clients have it. */
static int
listen_for_server(struct session *s, struct endpoint *ret)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t n = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	own.sin_addr = s->load->plan.server.sin_addr;
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, n) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &n) < 0) {
		fd_closep(&fd);
		return -FERRY_ESYS;
	}
	watch_start(s, &s->listener, fd, EPOLLIN, listener_ready);
	return endpoint_from_sockaddr((struct sockaddr *)&own, ret);
}

void
data_place(struct session *s)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint own;
	enum way way = s->load->plan.way;

	s->state = STATE_PLACE;
	if (!is_active(s)) {
		session_send(s, way == WAY_EPSV ? "EPSV" : "PASV", NULL);
		return;
	}
	if (listen_for_server(s, &own) < 0) {
		session_fail(s, "no port to listen on: %s", strerror(errno));
		return;
	}
	if (way == WAY_EPRT)
		endpoint_format_eprt(&own, text);
	else
		endpoint_format_port(&own, text);
	session_send(s, way == WAY_EPRT ? "EPRT" : "PORT", text);
}

static int
port_of(const struct session *s, int code, const char *reply, uint16_t *ret_port)
{
	struct endpoint ep;
	size_t n = strlen(reply);

	if (s->load->plan.way == WAY_EPSV)
		return code == 229 ? endpoint_parse_229(reply + 4, n - 4, ret_port)
				   : -FERRY_EPROTO;
	int r = code == 227 ? endpoint_parse_227(reply + 4, n - 4, &ep) : -FERRY_EPROTO;
	if (r == 0)
		*ret_port = ep.port;
	return r;
}

bool
data_dial(struct session *s, int code, const char *reply)
{
	struct sockaddr_in to = s->load->plan.server;
	uint16_t port;

	if (is_active(s))
		return true;
	if (port_of(s, code, reply, &port) < 0) {
		session_fail(s, "%s", reply);
		return false;
	}
	to.sin_port = htons(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
			  errno != EINPROGRESS)) {
		fd_closep(&fd);
		session_fail(s, "no data connection: %s", strerror(errno));
		return false;
	}
	data_watch(s, fd);
	return true;
}
