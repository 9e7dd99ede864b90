/*
 * Hops. A call whose packets may go n routers far dies at the n-th, which says so by ICMP
 * (RFC 792, RFC 4443): connect() then fails, and the error queue tells who it was.
 */
#include "hops.h"

#include "interrupt.h"
#include "own.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#define STEP_SECONDS                                                                     \
	1.3         /* for one router's answer; a call is repeated after a second        \
		     */
#define QUIET_MAX 4 /* routers in a row that say nothing, until we give up */

static socklen_t
length(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					: sizeof(struct sockaddr_in);
}

static struct sockaddr_storage
with_port(const struct sockaddr_storage *a, uint16_t port)
{
	struct sockaddr_storage to = *a;

	if (to.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&to)->sin_port = htons(port);
	return to;
}

/* ---------------------------------------------------------------- one call */

struct call {
	int fd; /* or -1: it is over */
	double began;
	struct hop *ret;
};

/* Is this ICMP only the end of the packet's way? */
static bool
is_end_of_way(const struct sock_extended_err *e)
{
	return (e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_TIME_EXCEEDED) ||
	       (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_TIME_EXCEEDED);
}

static void
note_icmp(struct hop *hop, const struct sock_extended_err *e)
{
	const struct sockaddr *who = SO_EE_OFFENDER((struct sock_extended_err *)e);

	hop->kind = is_end_of_way(e) ? HOP_PASSED : HOP_REJECTED;
	hop->sys_errno = (int)e->ee_errno;
	if (who->sa_family == AF_INET)
		memcpy(&hop->who, who, sizeof(struct sockaddr_in));
	else if (who->sa_family == AF_INET6)
		memcpy(&hop->who, who, sizeof(struct sockaddr_in6));
}

/* Was it a router that ended the call? */
static bool
read_icmp(int fd, struct hop *hop)
{
	char control[512], data[256];
	struct iovec iov = {.iov_base = data, .iov_len = sizeof data};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof control};

	if (recvmsg(fd, &m, MSG_ERRQUEUE) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if (!v4 && !v6)
			continue;
		note_icmp(hop, (const struct sock_extended_err *)CMSG_DATA(c));
		return true;
	}
	return false;
}

static void
call_end(struct call *c, int error)
{
	struct hop *hop = c->ret;

	hop->seconds = monotonic() - c->began;
	if (error == 0) {
		hop->kind = HOP_OPEN;
	} else if (!read_icmp(c->fd, hop)) {
		hop->kind = error == ECONNREFUSED || error == ECONNRESET ? HOP_REFUSED
			    : error == ETIMEDOUT                         ? HOP_SILENT
									 : HOP_REJECTED;
		hop->sys_errno = error;
	}
	fd_closep(&c->fd);
}

static int
call_socket(const struct sockaddr_storage *own, unsigned limit)
{
	bool v6 = own->ss_family == AF_INET6;
	struct sockaddr_storage from = with_port(own, 0);
	int hops = (int)limit, one = 1;
	struct linger reset = {.l_onoff = 1};
	_cleanup_close_ int fd =
	    socket(own->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	(void)setsockopt(
	    fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof one);
	if (limit > 0 && setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP,
			     v6 ? IPV6_UNICAST_HOPS : IP_TTL, &hops, sizeof hops) < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&from, length(&from)) < 0)
		return -1;
	int ret = fd;
	fd = -1;
	return ret;
}

/* limit 0: as far as need be. */
static void
call_begin(struct call *c, const struct sockaddr_storage *own,
    const struct sockaddr_storage *peer, uint16_t port, unsigned limit, struct hop *ret)
{
	struct sockaddr_storage to = with_port(peer, port);

	*ret = (struct hop){.kind = HOP_SILENT};
	*c = (struct call){
	    .fd = call_socket(own, limit), .began = monotonic(), .ret = ret};
	if (c->fd < 0)
		ret->kind = HOP_UNKNOWN;
	else if (connect(c->fd, (struct sockaddr *)&to, length(&to)) == 0)
		call_end(c, 0);
	else if (errno != EINPROGRESS)
		call_end(c, errno);
}

/* Answers until all have come or the time is over. */
static void
calls_await(struct call *calls, size_t n, double seconds)
{
	double end = monotonic() + seconds;

	for (;;) {
		struct pollfd fds[HOPS_MAX + 1];
		nfds_t open = 0;
		double left = end - monotonic();

		for (size_t i = 0; i < n; i++) {
			fds[i] = (struct pollfd){.fd = calls[i].fd, .events = POLLOUT};
			open += calls[i].fd >= 0;
		}
		if (open == 0 || left <= 0 || interrupt_seen() ||
		    interrupt_poll(fds, n, (int)(left * 1000) + 1) < 0)
			break;
		for (size_t i = 0; i < n; i++) {
			int error = 0;
			socklen_t len = sizeof error;

			if (fds[i].revents == 0)
				continue;
			if (getsockopt(calls[i].fd, SOL_SOCKET, SO_ERROR, &error, &len) <
			    0)
				error = errno;
			call_end(&calls[i], error);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (calls[i].fd >= 0)
			call_end(&calls[i], ETIMEDOUT);
}

static void
call_once(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    uint16_t port, unsigned limit, double seconds, struct hop *ret)
{
	struct call c;

	call_begin(&c, own, peer, port, limit, ret);
	calls_await(&c, 1, seconds);
}

struct hop
hops_call(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    uint16_t port, double seconds)
{
	struct hop hop;

	call_once(own, peer, port, 0, seconds, &hop);
	return hop;
}

/* ---------------------------------------------------------------- all of them */

static uint16_t
port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6
			 ? ((const struct sockaddr_in6 *)a)->sin6_port
			 : ((const struct sockaddr_in *)a)->sin_port);
}

/* Router by router, so that only the last of these calls arrives at the server. */
static unsigned
find_distance(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    double end, struct hop *ret)
{
	unsigned quiet = 0;

	for (unsigned i = 1; i <= HOPS_MAX && quiet < QUIET_MAX; i++) {
		double left = end - monotonic();

		if (left <= 0 || interrupt_seen())
			break;
		call_once(own, peer, port_of(peer), i,
		    left < STEP_SECONDS ? left : STEP_SECONDS, &ret[i]);
		if (ret[i].kind == HOP_OPEN)
			return i;
		quiet = ret[i].kind == HOP_PASSED ? 0 : quiet + 1;
	}
	return 0;
}

void
hops_find_distance(const struct sockaddr_storage *own,
    const struct sockaddr_storage *peer, double seconds, struct hops *ret)
{
	*ret = (struct hops){.measured = false};
	ret->distance = find_distance(own, peer, monotonic() + seconds, ret->command);
}

void
hops_measure(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    uint16_t data_port, double seconds, struct hops *ret)
{
	struct call calls[HOPS_MAX + 1];
	double end = monotonic() + seconds;
	unsigned last;

	*ret = (struct hops){.measured = true};
	ret->distance = find_distance(own, peer, end, ret->command);
	if (ret->distance > 0)
		ret->command[0] = ret->command[ret->distance];
	else if (end - monotonic() > 0)
		ret->command[0] = hops_call(own, peer, port_of(peer), end - monotonic());
	for (last = HOPS_MAX; last > 0 && ret->command[last].kind == HOP_UNKNOWN; last--)
		;
	for (unsigned i = 0; i <= last; i++)
		call_begin(&calls[i], own, peer, data_port, i, &ret->data[i]);
	calls_await(calls, last + 1, STEP_SECONDS);
}
