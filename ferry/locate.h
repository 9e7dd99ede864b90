/*
 * Where on the way calls to a passive port end, from what hops.h measured. Pure.
 */
#ifndef FERRY_LOCATE_H
#define FERRY_LOCATE_H

#include "hops.h"

/* Whose network that is in. */
enum side { SIDE_UNKNOWN, SIDE_OURS, SIDE_BETWEEN, SIDE_THEIRS };

struct location {
	enum side side;
	unsigned hop;                /* of the machine that ends them; 0: this one */
	struct sockaddr_storage who; /* that machine, if it told */
	unsigned distance;           /* hops to the server; 0: not known */
	bool nat;    /* the server's address is that of a router, which passes the
			command connection on */
	bool no_nat; /* ... of nobody between: all routers there told who they are */
	bool router_itself; /* ... and which answers for the passive port */
};

void locate(
    const struct hops *hops, const struct sockaddr_storage *peer, struct location *ret);

#endif
