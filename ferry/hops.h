/*
 * How far calls get: the routers between here and a server, and the one at which the
 * calls to a data port end while those to the command port go on. As a traceroute by TCP
 * does it, with the plain system calls of connections: no privilege, and nothing is ever
 * sent over one. For ferry doctor.
 */
#ifndef FERRY_HOPS_H
#define FERRY_HOPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define HOPS_MAX 24

enum hop_kind {
	HOP_UNKNOWN,  /* not asked */
	HOP_SILENT,   /* nothing came back */
	HOP_PASSED,   /* the call came so far: this router said so */
	HOP_OPEN,     /* the call was taken */
	HOP_REFUSED,  /* ... refused with a reset */
	HOP_REJECTED, /* ... rejected by ICMP: who tells from where */
};

/* What became of a call that may go so many hops. */
struct hop {
	enum hop_kind kind;
	struct sockaddr_storage who; /* whoever sent the ICMP; family 0: not known */
	int sys_errno;
	double seconds;
};

/* Element 0 is a call without a limit, element 1 one that dies at the first router. */
struct hops {
	bool measured;
	unsigned distance; /* hops to the command port; 0: not known. Also without the
			      rest */
	struct hop command[HOPS_MAX + 1], data[HOPS_MAX + 1];
};

/* Calls peer's command port once in full and data_port from our address own, as often as
 * there are hops. Blocks, but not longer than seconds in all; ^C ends it early. */
void hops_measure(const struct sockaddr_storage *own, const struct sockaddr_storage *peer,
    uint16_t data_port, double seconds, struct hops *ret);
/* Only how far it is: fills ret's distance, 0 if it cannot be found out in that time, and
 * the calls to the command port. */
void hops_find_distance(const struct sockaddr_storage *own,
    const struct sockaddr_storage *peer, double seconds, struct hops *ret);
/* One call in full: is anybody there? */
struct hop hops_call(const struct sockaddr_storage *own,
    const struct sockaddr_storage *peer, uint16_t port, double seconds);

#endif
