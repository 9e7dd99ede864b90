/*
 * Why no data connection came about: from what was seen to what is certain, what is
 * likely, and what to do. A pure function over recorded attempts; it claims no more than
 * a client can see.
 */
#ifndef FERRY_VERDICT_H
#define FERRY_VERDICT_H

#include "draw.h"

#include <ferry/ferry.h>

/* What was seen of one attempt at a data connection. */
struct attempt {
	enum ferry_mode mode;
	struct sockaddr_storage own, peer; /* addresses of the command connection */
	struct sockaddr_storage sent,
	    used;              /* passive: what the server announced, where we went */
	int refused;           /* reply code >= 400 to EPSV, PASV, EPRT or PORT; else 0 */
	bool dial_failed;      /* passive: our call did not get through */
	int sys_errno;         /* of that call; 0 or ETIMEDOUT: silence */
	double seconds;        /* how long we tried */
	bool agreed;           /* active: the server accepted PORT or EPRT */
	bool called;           /* active: its call came */
	int answer;            /* code of the reply that gave up (425); 0: none came */
	double answered_after; /* seconds between the transfer command and that reply */
	char words[256];       /* that reply, as received */
	bool open;             /* the data connection came about */
	bool done;             /* ... and its bytes came to an end */
	uint64_t bytes;        /* moved on it so far */
	int result;            /* what the whole thing ended with, or 0 */
};

enum verdict_code {
	VERDICT_P01, /* the server announces an address of its inner network */
	VERDICT_P02, /* ... another public address than the one it is reached at */
	VERDICT_P03, /* ... 0.0.0.0 */
	VERDICT_P04, /* ... 127.0.0.1 */
	VERDICT_P11, /* the passive port is filtered silently */
	VERDICT_P12, /* the passive port is refused */
	VERDICT_P13, /* a firewall says no to the passive port */
	VERDICT_A01, /* our own address is private, the server refuses to call it */
	VERDICT_A02, /* the server's call got no answer */
	VERDICT_A03, /* the server's call was refused */
	VERDICT_L01, /* the command connection died while the bytes moved */
	VERDICT_L03, /* full packets do not arrive */
	VERDICT_H11, /* our call reached the server from another address than the first */
	VERDICT_CODES,
};

enum verdict_certainty { VERDICT_NO, VERDICT_LIKELY, VERDICT_CERTAIN };

struct verdict {
	enum verdict_certainty found[VERDICT_CODES];
	/* the attempts that texts speak of, or NULL */
	const struct attempt *passive, *active, *elsewhere;
};

void verdict_judge(const struct attempt *attempts, size_t n, struct verdict *ret);
/* Is a cause known, and not only an oddity? */
bool verdict_has_cause(const struct verdict *v);
/* "FAILED: ..." and what the user and the administrator can do. */
void verdict_draw(const struct verdict *v, struct draw *d);

#endif
