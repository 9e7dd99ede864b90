/*
 * What ferryd tells of its side when it is asked (SITE FERRY, ferryd(8)): replies become
 * data. Pure functions; a reply is hostile, and whatever in it is not as expected is
 * not known. Nothing of its text is kept but numbers, addresses and names of errors.
 */
#ifndef FERRY_TOLD_H
#define FERRY_TOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TOLD_ERROR_OTHER (-1) /* it failed, and why has no name that we know */

/* WHOAMI: the command connection as the server sees it. */
struct told_who {
	bool known;
	struct sockaddr_storage peer, local;
	bool proxied; /* a proxy has told it so */
};

/* INFO: where it listens and calls from. */
struct told_ports {
	bool known;
	uint16_t low, high; /* passive ports; 0: none */
	uint16_t source;    /* of active mode; 0: any */
};

enum told_way { TOLD_NONE, TOLD_PASSIVE, TOLD_ACTIVE };

/* LASTDATA: what became of the data connection. */
struct told_call {
	enum told_way way;
	uint16_t port; /* passive: where it listened */
	double listened;
	unsigned accepted, rejected;
	struct sockaddr_storage from; /* the last caller that it sent away */
	bool by_address;              /* ... because of the address */
	bool stalled_full; /* it stood still, and only full packets got no answer */
	struct sockaddr_storage to, source; /* active */
	bool over;                          /* its call has come to an end */
	int error;                          /* an errno, 0: it was taken, or OTHER */
};

/* LASTPORT: the address of PORT or EPRT as it arrived. */
struct told_address {
	bool known;
	struct sockaddr_storage address;
};

/* PROBE: a call to a port of ours. */
struct told_probe {
	bool known;
	uint16_t port;
	int error; /* as above */
	unsigned ms;
	struct sockaddr_storage source;
};

/* text: a reply with its code, one line or several: the first one counts. */
struct told_who told_who(const char *text);
struct told_ports told_ports(const char *text);
struct told_call told_call(const char *text);
struct told_address told_address(const char *text);
struct told_probe told_probe(const char *text);

/* "ETIMEDOUT", "OK", "another error". Static. */
const char *told_error_name(int error);

#endif
