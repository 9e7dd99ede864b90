/*
 * Which network this machine is in, as seen on the way to a server: its own prefix and
 * the router, with the router's hardware address, since every second home has a
 * 192.168.1.1. The kernel is asked; nothing is sent to anybody.
 */
#ifndef FERRY_NETWORK_H
#define FERRY_NETWORK_H

#include <stddef.h>
#include <sys/socket.h>

#define NETWORK_MAX 160

/* "192.168.1.0/24,192.168.1.1,02:42:ac:11:00:02": prefix, router ("direct": none is
 * between), and its hardware address where the kernel knows one. One word without spaces.
 * own: our address of a connection to peer that exists. 0 or -1. */
int network_identify(const struct sockaddr_storage *own,
    const struct sockaddr_storage *peer, char ret[NETWORK_MAX]);

#endif
