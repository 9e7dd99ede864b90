/*
 * The one door for descriptors between ferryd's processes. Nothing else in the tree may
 * call sendmsg or recvmsg with control data (tests/boundary checks it).
 */
#include "fdpass.h"

#include <errno.h>
#include <ferry/ferry.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "msg.h"
#include "util.h"

/* Room for the most descriptors that may come and one more, so that a surplus one is
 * seen. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * (WIRE_MAX_FDS + 1))];
};

/* What the kernel may put there: the padding has room for descriptors, too. */
#define FDS_SEEN ((sizeof(union control) - CMSG_LEN(0)) / sizeof(int))

int
fdpass_pair(int ret_pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) < 0)
		return -FERRY_ESYS;
	return 0;
}

int
fdpass_send(int sock, const void *p, size_t n, const int *fds, size_t nfds, int flags)
{
	union control control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds > WIRE_MAX_FDS)
		return -FERRY_EINVAL;
	if (nfds > 0) {
		struct cmsghdr *cm;

		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfds);
	}
	for (;;) {
		ssize_t sent = sendmsg(sock, &mh, flags | MSG_NOSIGNAL);

		if (sent >= 0)
			return (size_t)sent == n ? 0 : -FERRY_ESYS;
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return -FERRY_EOF;
		return -FERRY_ESYS;
	}
}

/* Collects what came; returns how many, all of them open. */
static size_t
control_fds(struct msghdr *mh, int *fds)
{
	size_t found = 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm != NULL;
	     cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && found < FDS_SEEN; i++, found++)
			memcpy(&fds[found], CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
	}
	return found;
}

int
fdpass_recv(int sock, void *p, size_t cap, size_t *ret_n, int *ret_fds, size_t max_fds,
    size_t *ret_nfds, int flags)
{
	union control control;
	struct iovec iov = {.iov_base = p, .iov_len = cap};
	struct msghdr mh = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes),
	};
	int fds[FDS_SEEN];
	ssize_t got;
	size_t nfds;

	/* A peer that died before it had read everything makes one ECONNRESET, which goes
	 * before what it still sent: that is read nevertheless, and then its end. */
	do {
		got = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && (errno == EINTR || errno == ECONNRESET));
	if (got < 0)
		return -FERRY_ESYS;
	nfds = control_fds(&mh, fds);
	if (got == 0 && nfds == 0)
		return -FERRY_EOF;
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || nfds > max_fds) {
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		/* Cut, though there was room for more: our own table is full. */
		bool full = (mh.msg_flags & MSG_CTRUNC) != 0 && nfds <= max_fds;
		errno = full ? EMFILE : EPROTO;
		return full ? -FERRY_ESYS : -FERRY_EPROTO;
	}
	memcpy(ret_fds, fds, sizeof(int) * nfds);
	*ret_nfds = nfds;
	*ret_n = (size_t)got;
	return 0;
}
