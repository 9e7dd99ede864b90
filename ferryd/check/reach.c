/*
 * One call. See reach.h. Must never send or read a byte, nor call twice.
 */
#include "reach.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define PATIENCE_MS 2000

static enum reach
reach_of(int error)
{
	return error == 0 ? REACH_YES : error == ETIMEDOUT ? REACH_SILENT : REACH_REFUSED;
}

enum reach
reach_try(const struct endpoint *to)
{
	_cleanup_close_ int fd =
	    socket(to->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int error = 0;

	if (fd < 0)
		return REACH_UNTRIED;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0)
		return REACH_YES;
	if (errno != EINPROGRESS)
		return reach_of(errno);
	if (poll(&pfd, 1, PATIENCE_MS) <= 0)
		return REACH_SILENT;
	len = sizeof(error);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return REACH_UNTRIED;
	return reach_of(error);
}
