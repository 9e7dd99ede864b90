/*
 * See inbox.h. Must never leave a request lying while a thread waits: epoll tells of what
 * has come once (EPOLLET), so whoever takes a request and sees more behind it tells again.
 */
#include "inbox.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "util.h"

static int
watch(int inbox, int how, int sock)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};

	return epoll_ctl(inbox, how, sock, &ev) < 0 ? -FERRY_ESYS : 0;
}

int
inbox_open(int sock)
{
	_cleanup_close_ int inbox = epoll_create1(EPOLL_CLOEXEC);

	if (inbox < 0 || watch(inbox, EPOLL_CTL_ADD, sock) < 0)
		return -FERRY_ESYS;
	return fd_take(&inbox);
}

/* To look at it anew is an event if something is there. */
void
inbox_wake(int inbox, int sock)
{
	(void)watch(inbox, EPOLL_CTL_MOD, sock);
}

/* Does anything stand behind the request that was taken: another one, or the end? */
static bool
something_follows(int sock, uint32_t events)
{
	int n = 0;

	return (events & (EPOLLHUP | EPOLLRDHUP)) != 0 ||
	       (ioctl(sock, FIONREAD, &n) == 0 && n > 0);
}

int
inbox_take(int inbox, int sock, struct wire_box *ret_box)
{
	struct epoll_event ev = {0};
	int r;

	do {
		if (epoll_wait(inbox, &ev, 1, -1) < 0 && errno != EINTR)
			return -FERRY_ESYS;
		r = wire_recv_now(sock, ROLE_AGENT, ROLE_WORKER, ret_box);
	} while (r == FERRY_AGAIN);
	if (r == 0 && something_follows(sock, ev.events))
		inbox_wake(inbox, sock);
	return r;
}
