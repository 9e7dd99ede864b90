/*
 * Both sockets have one port. The one that called is closed at once: a firewall keeps
 * its account all the same, and the packet must not be sent again, let alone further.
 */
#include "door.h"

#include "address.h"
#include "own.h"

#include <netinet/in.h>
#include <stdbool.h>

static socklen_t
length(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					: sizeof(struct sockaddr_in);
}

/* A socket at that port of ours; 0: any. */
static int
bound(const struct sockaddr_storage *own, uint16_t port)
{
	struct sockaddr_storage at = *own;
	int on = 1;
	_cleanup_close_ int fd =
	    socket(own->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address_set_port(&at, port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&at, length(&at)) < 0)
		return -1;
	int ret = fd;
	fd = -1;
	return ret;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof at;

	return getsockname(fd, (struct sockaddr *)&at, &len) < 0 ? 0 : address_port(&at);
}

static int
call_out(const struct sockaddr_storage *own, uint16_t port,
    const struct sockaddr_storage *peer, unsigned hops)
{
	bool v6 = own->ss_family == AF_INET6;
	int limit = (int)hops;
	_cleanup_close_ int fd = bound(own, port);

	if (fd < 0 || setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP,
			  v6 ? IPV6_UNICAST_HOPS : IP_TTL, &limit, sizeof limit) < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)peer, length(peer)) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	return 0;
}

/* Two sockets can have one port as long as none of them listens. */
int
door_open(const struct sockaddr_storage *own, const struct sockaddr_storage *unlock,
    unsigned hops, struct door *ret)
{
	_cleanup_close_ int fd = bound(own, address_port(own));
	uint16_t port = fd < 0 ? 0 : port_of(fd);

	if (port == 0 || (unlock != NULL && call_out(own, port, unlock, hops) < 0) ||
	    listen(fd, 1) < 0)
		return -1;
	*ret = (struct door){.fd = fd, .port = port};
	fd = -1;
	return 0;
}

void
door_close(struct door *d)
{
	fd_closep(&d->fd);
}
