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

void
data_moved(struct session *s, size_t n)
{
	uint64_t now = now_ns();

	if (s->first == 0)
		s->first = now;
	s->moved += n;
	if (!s->slow)
		tally_moved(&s->load->tally, now, n);
}

/* ---- download ---- */

static ssize_t
swallow(struct session *s, size_t most)
{
	struct load *l = s->load;

	if (s->data.ssl == NULL)
		return recv(s->data.fd, NULL, most, MSG_TRUNC | MSG_DONTWAIT);
	return tls_recv(&s->data, l->scratch, most < SCRATCH_SIZE ? most : SCRATCH_SIZE);
}

/* False: there is no more for now. */
static bool
take(struct session *s, size_t most)
{
	ssize_t n = swallow(s, most);

	if (n > 0)
		data_moved(s, (size_t)n);
	else if (n == 0)
		data_ended(s);
	else if (errno != EAGAIN)
		session_fail(s, "the data connection broke: %s", strerror(errno));
	return n > 0;
}

static void
download_ready(struct session *s)
{
	/* What TLS has read ahead epoll knows nothing of. */
	while (take(s, PIECE) && s->data.ssl != NULL && SSL_has_pending(s->data.ssl))
		continue;
}

void
data_sip(struct session *s)
{
	if (s->data.fd >= 0)
		take(s, SIP);
}

/* ---- upload ---- */

static ssize_t
give(struct session *s, size_t n)
{
	off_t at = (off_t)s->moved;

	if (s->data.ssl != NULL)
		return tls_send(&s->data, s->load->bytes + s->moved, n);
	return sendfile(s->data.fd, s->load->source, &at, n);
}

/* Waits for the server's end: with something unread (tickets) our own would be a reset,
 * which takes with it what is still on its way. */
static void
linger_ready(struct session *s)
{
	ssize_t n = recv(s->data.fd, s->load->scratch, SCRATCH_SIZE, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		watch_stop(&s->data);
}

static void
upload_ended(struct session *s)
{
	if (s->data.ssl == NULL) {
		data_ended(s);
		return;
	}
	if (tls_finish(&s->data) < 0) {
		if (errno != EAGAIN)
			session_fail(s, "TLS could not be ended: %s", strerror(errno));
		return;
	}
	shutdown(s->data.fd, SHUT_WR);
	watch_want(&s->data, EPOLLIN, linger_ready);
	s->ended = true;
	session_settle(s);
}

static void
upload_ready(struct session *s)
{
	uint64_t left = s->load->plan.size - s->moved;
	ssize_t n = left > 0 ? give(s, left < PIECE ? left : PIECE) : 0;

	if (n < 0 && errno != EAGAIN) {
		session_fail(s, "the data connection broke: %s", strerror(errno));
		return;
	}
	if (n > 0)
		data_moved(s, (size_t)n);
	if (s->moved == s->load->plan.size)
		upload_ended(s);
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
	else if (s->load->plan.depth > 0)
		watch_start(s, &s->data, fd, EPOLLIN, block_ready);
	else if (!is_upload(s))
		watch_start(s, &s->data, fd, EPOLLIN, download_ready);
	else if (s->state == STATE_MOVING)
		watch_start(s, &s->data, fd, EPOLLOUT, upload_ready);
	else
		watch_start(s, &s->data, fd, 0, NULL);
	if (s->load->plan.tls && s->data.fd >= 0)
		tls_start(&s->data, true);
}

void
data_begin(struct session *s)
{
	if (is_upload(s) && s->data.fd >= 0)
		watch_want(&s->data, EPOLLOUT, upload_ready);
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
	watch_stop(&s->data);
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
