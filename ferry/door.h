/*
 * A door for one call of the server's: a port of ours where calls are taken, and what
 * makes the firewalls of our own side let one in. For ferry doctor, with consent only;
 * nothing is ever sent or read.
 */
#ifndef FERRY_DOOR_H
#define FERRY_DOOR_H

#include <stdint.h>
#include <sys/socket.h>

struct door {
	int fd;
	uint16_t port;
};

/* At this address and port of ours; port 0: any. unlock, unless NULL: where the call will
 * come from. It is called from that port first, with a packet that goes no further than
 * hops routers, and so never arrives: what keeps account of calls that far takes a call
 * from there for the answer. 0 or -1. */
int door_open(const struct sockaddr_storage *own, const struct sockaddr_storage *unlock,
    unsigned hops, struct door *ret);
void door_close(struct door *d);

#endif
