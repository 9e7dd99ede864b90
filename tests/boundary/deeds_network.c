/*
 * Deeds with sockets: what a worker does for a living.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deeds.h"
#include "fdpass.h"
#include "util.h"

static int
make_socket(int family, int type, int protocol)
{
	_cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	return deed_result(fd);
}

int
socket_tcp4(const struct stage *st)
{
	return make_socket(AF_INET, SOCK_STREAM, 0) |
	       make_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

int
socket_tcp6(const struct stage *st)
{
	int error = make_socket(AF_INET6, SOCK_STREAM, 0);

	return error == EAFNOSUPPORT
		   ? 0
		   : error; /* no IPv6 here: asked, and not killed for it */
}

int
socket_udp(const struct stage *st)
{
	return make_socket(AF_INET, SOCK_DGRAM, 0);
}

int
socket_sctp(const struct stage *st)
{
	return make_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

int
socket_unix(const struct stage *st)
{
	return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

int
socket_pair(const struct stage *st)
{
	int pair[2];

	return deed_result(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

int
socket_netlink(const struct stage *st)
{
	return make_socket(AF_NETLINK, SOCK_RAW, 0);
}

int
socket_packet(const struct stage *st)
{
	return make_socket(AF_PACKET, SOCK_RAW, 0);
}

static struct sockaddr_in
loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
connect_given(const struct stage *st)
{
	struct sockaddr_in to = loopback(st->port);

	return deed_result(connect(st->socket, (struct sockaddr *)&to, sizeof(to)));
}

int
bind_given(const struct stage *st)
{
	struct sockaddr_in at = loopback(0);

	return deed_result(bind(st->socket, (struct sockaddr *)&at, sizeof(at)));
}

int
listen_given(const struct stage *st)
{
	return deed_result(listen(st->listener, 8));
}

int
accept_given(const struct stage *st)
{
	fcntl(st->listener, F_SETFL, O_NONBLOCK);
	return accept4(st->listener, NULL, NULL, SOCK_CLOEXEC) < 0 && errno != EAGAIN
		   ? errno
		   : 0;
}

/* Passive and active mode in small: listen, connect, accept, a file through it without a
 * copy. */
int
transfer(const struct stage *st)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int to = -1;
	int one = 1, pipefd[2];
	off_t offset = 0;
	char bytes[4096];

	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(from, (struct sockaddr *)&at, len) < 0)
		return errno;
	to = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (to < 0 || sendfile(from, st->file, &offset, 4096) != 4096)
		return errno;
	if (recv(to, bytes, sizeof(bytes), MSG_WAITALL) != 4096)
		return errno;
	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    send(to, "back", 4, MSG_NOSIGNAL) != 4)
		return errno;
	if (splice(from, NULL, pipefd[1], NULL, 4, SPLICE_F_MOVE) != 4)
		return errno;
	return deed_result(shutdown(to, SHUT_RDWR));
}

int
cached_read(const struct stage *st)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct stat s;

	if (preadv2(st->file, &iov, 1, 0, RWF_NOWAIT) < 0 && errno != EAGAIN &&
	    errno != EOPNOTSUPP)
		return errno;
	if (posix_fadvise(st->file, 0, 0, POSIX_FADV_SEQUENTIAL) != 0 ||
	    readahead(st->file, 0, 4096) < 0)
		return errno;
	return deed_result(fstat(st->file, &s));
}

int
channel_with_descriptor(const struct stage *st)
{
	int fd, got = -1;
	size_t n, nfds;
	char byte;

	fd = fcntl(st->file, F_DUPFD_CLOEXEC, 10);
	if (fd < 0 || fdpass_send(st->channel[0], "x", 1, &fd, 1, 0) < 0)
		return errno;
	if (fdpass_recv(st->channel[1], &byte, 1, &n, &got, 1, &nfds, 0) < 0)
		return errno;
	return nfds == 1 && n == 1 ? 0 : ERANGE;
}
