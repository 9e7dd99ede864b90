/*
 * bench-null: what an FTP server would reach that does nothing but talk. It answers at
 * once, takes any login, sends as many bytes as the number at the end of a name says
 * (file-1024), receives and forgets. One process, one epoll loop. For bench.py only, at
 * an address of its choice: it must never be reachable from outside.
 */
#include <arpa/inet.h>
#include <ferry/ferry.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "util.h"

/* Sent in one go with the replies around it. */
#define SMALL (64 * 1024)
#define SOURCE_SIZE (64 * 1024 * 1024)
#define LINE_SIZE 512

struct client {
	struct spot {
		struct client *client;
		int fd;
		void (*ready)(struct client *c);
	} control, listener, data;
	struct endpoint where; /* active: whom to call */
	bool pending;          /* a transfer was asked for */
	bool upload;
	uint64_t left;
	struct client *dead; /* next of those that are over */
	size_t n;
	char line[LINE_SIZE];
};

static int epoll, source;
static struct in_addr address;
static struct client *dead;

static void
spot_start(struct spot *s, struct client *c, int fd, uint32_t events,
    void (*ready)(struct client *c))
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	*s = (struct spot){.client = c, .fd = fd, .ready = ready};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void
spot_stop(struct spot *s)
{
	fd_closep(&s->fd);
	s->ready = NULL;
}

static void
say(struct client *c, const char *text)
{
	if (c->control.fd >= 0)
		(void)!send(c->control.fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Freed when the events at hand are done: they may point to it. */
static void
client_end(struct client *c)
{
	if (c->control.fd < 0)
		return;
	spot_stop(&c->control);
	spot_stop(&c->listener);
	spot_stop(&c->data);
	c->dead = dead;
	dead = c;
}

/* ---- the data connection ---- */

static void
transfer_end(struct client *c)
{
	spot_stop(&c->data);
	c->pending = false;
	say(c, "226 Transfer complete.\r\n");
}

static void
sending(struct client *c)
{
	off_t at = 0;
	ssize_t n = sendfile(
	    c->data.fd, source, &at, c->left < SOURCE_SIZE ? c->left : SOURCE_SIZE);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_end(c);
		return;
	}
	c->left -= (uint64_t)n;
	if (c->left == 0)
		transfer_end(c);
}

static void
receiving(struct client *c)
{
	static uint8_t block[256 * 1024];
	ssize_t n = read(c->data.fd, block, sizeof(block));

	if (n == 0)
		transfer_end(c);
	else if (n < 0 && errno != EAGAIN)
		client_end(c);
}

static void
transfer_on(struct client *c, int fd)
{
	say(c, "150 Here it comes.\r\n");
	if (c->upload) {
		spot_start(&c->data, c, fd, EPOLLIN, receiving);
		return;
	}
	if (c->left > SMALL) {
		spot_start(&c->data, c, fd, EPOLLOUT, sending);
		return;
	}
	c->data.fd = fd;
	sending(c);
}

static void
called(struct client *c)
{
	int fd = c->pending
		     ? accept4(c->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
		     : -1;

	if (fd >= 0)
		transfer_on(c, fd);
}

static void
call(struct client *c)
{
	struct sockaddr_storage to;
	socklen_t n = endpoint_to_sockaddr(&c->where, &to);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	c->where.port = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, n) < 0) {
		fd_closep(&fd);
		client_end(c);
		return;
	}
	transfer_on(c, fd);
}

static void
begin(struct client *c, bool upload, const char *name)
{
	const char *digits = name + strlen(name);

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	c->left = strtoull(digits, NULL, 10);
	c->upload = upload;
	c->pending = true;
	if (c->where.port != 0)
		call(c);
	else if (c->listener.fd >= 0)
		called(c);
}

/* One listener serves the whole session. */
static uint16_t
place(struct client *c)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = address};
	socklen_t n = sizeof(own);
	int fd = c->listener.fd;

	if (fd < 0) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&own, n) < 0 ||
		    listen(fd, 4) < 0) {
			fd_closep(&fd);
			return 0;
		}
		spot_start(&c->listener, c, fd, EPOLLIN | EPOLLET, called);
	}
	getsockname(fd, (struct sockaddr *)&own, &n);
	return ntohs(own.sin_port);
}

/* ---- commands ---- */

static void
say_place(struct client *c, bool extended)
{
	struct endpoint ep = {.family = AF_INET, .port = place(c)};
	char text[ENDPOINT_TEXT_MAX], reply[ENDPOINT_TEXT_MAX + 64];

	ep.v4 = address;
	endpoint_format_port(&ep, text);
	if (extended)
		snprintf(reply, sizeof(reply), "229 Entering (|||%u|)\r\n", ep.port);
	else
		snprintf(reply, sizeof(reply), "227 Entering (%s).\r\n", text);
	say(c, reply);
}

static void
note_place(struct client *c, const char *arg, bool extended)
{
	int r = extended ? endpoint_parse_eprt(arg, strlen(arg), &c->where)
			 : endpoint_parse_port(arg, strlen(arg), &c->where);

	say(c, r < 0 ? "501 What?\r\n" : "200 Noted.\r\n");
}

static void
obey(struct client *c, const char *line)
{
	const char *arg = line + (strlen(line) > 5 ? 5 : strlen(line));

	if (strncasecmp(line, "USER", 4) == 0)
		say(c, "331 And the password?\r\n");
	else if (strncasecmp(line, "PASS", 4) == 0)
		say(c, "230 Welcome.\r\n");
	else if (strncasecmp(line, "EPSV", 4) == 0)
		say_place(c, true);
	else if (strncasecmp(line, "PASV", 4) == 0)
		say_place(c, false);
	else if (strncasecmp(line, "PORT", 4) == 0)
		note_place(c, arg, false);
	else if (strncasecmp(line, "EPRT", 4) == 0)
		note_place(c, arg, true);
	else if (strncasecmp(line, "RETR", 4) == 0)
		begin(c, false, arg);
	else if (strncasecmp(line, "STOR", 4) == 0)
		begin(c, true, arg);
	else if (strncasecmp(line, "QUIT", 4) == 0) {
		say(c, "221 Goodbye.\r\n");
		client_end(c);
	} else
		say(c, "200 Very well.\r\n");
}

static void
commands(struct client *c)
{
	ssize_t n = read(c->control.fd, c->line + c->n, sizeof(c->line) - 1 - c->n);
	char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_end(c);
		return;
	}
	c->n += (size_t)n;
	c->line[c->n] = '\0';
	while (c->control.fd >= 0 && (end = strstr(c->line, "\r\n")) != NULL) {
		*end = '\0';
		obey(c, c->line);
		c->n -= (size_t)(end + 2 - c->line);
		memmove(c->line, end + 2, c->n + 1);
	}
	if (c->n == sizeof(c->line) - 1)
		client_end(c);
}

/* ---- the loop ---- */

static void
welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct client *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		fd_closep(&fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->listener.fd = c->data.fd = -1;
	spot_start(&c->control, c, fd, EPOLLIN, commands);
	say(c, "220 Ready.\r\n");
}

static void
serve(int listener)
{
	struct epoll_event events[256];
	struct client *c;

	for (;;) {
		int n = epoll_wait(epoll, events, ARRAY_LEN(events), -1);

		for (int i = 0; i < n; i++) {
			struct spot *s = events[i].data.ptr;

			if (s == NULL)
				welcome(listener);
			else if (s->ready != NULL)
				s->ready(s->client);
		}
		while ((c = dead) != NULL) {
			dead = c->dead;
			free(c);
		}
	}
}

static int
listen_at(uint16_t port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr = address,
	};
	struct epoll_event e = {.events = EPOLLIN};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -FERRY_ESYS;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		fd_closep(&fd);
		return -FERRY_ESYS;
	}
	return fd;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t port = 0;

	if (argc != 3 || parse_uint(argv[1], strlen(argv[1]), 65535, &port) < 0 ||
	    inet_pton(AF_INET, argv[2], &address) != 1) {
		fputs("usage: bench-null PORT ADDRESS\n", stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	source = memfd_create("null", MFD_CLOEXEC);
	int listener = listen_at((uint16_t)port);
	if (epoll < 0 || source < 0 || ftruncate(source, SOURCE_SIZE) < 0 ||
	    listener < 0) {
		perror("bench-null");
		return 1;
	}
	serve(listener);
	return 0;
}
