/*
 * The one door for descriptors, and for the datagrams they travel with. Every descriptor
 * that comes in is CLOEXEC from birth; a truncated set is refused, surplus ones are
 * closed.
 */
#ifndef FERRYD_WIRE_FDPASS_H
#define FERRYD_WIRE_FDPASS_H

#include <stddef.h>
#include <stdint.h>

/* A pair of connected SOCK_SEQPACKET sockets, CLOEXEC. 0 or -FERRY_ESYS. */
int fdpass_pair(int ret_pair[2]);

/* Sends n bytes and nfds descriptors (which stay the caller's) as one datagram. flags:
 * MSG_DONTWAIT or 0. 0; -FERRY_EOF: the peer is gone; -FERRY_ESYS with errno EAGAIN or
 * another. */
int fdpass_send(
    int sock, const void *p, size_t n, const int *fds, size_t nfds, int flags);

/* Receives one datagram of at most cap bytes and at most max_fds descriptors, which the
 * caller then owns. 0; -FERRY_EOF; -FERRY_EPROTO: cut bytes, or cut or surplus
 * descriptors (all closed); -FERRY_ESYS, with EMFILE when they did not fit into our own
 * table (all closed too). */
int fdpass_recv(int sock, void *p, size_t cap, size_t *ret_n, int *ret_fds,
    size_t max_fds, size_t *ret_nfds, int flags);

#endif
