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
	bool tls;                          /* the command connection was encrypted */
	struct sockaddr_storage own, peer; /* addresses of the command connection */
	struct sockaddr_storage sent,
	    used; /* passive: what the server announced, where we went */
	struct sockaddr_storage told;     /* active: what PORT or EPRT named */
	struct sockaddr_storage caller;   /* active: whose call was taken */
	struct sockaddr_storage stranger; /* ... and whose was not */
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
#define VERDICT(code, weight, headline) VERDICT_##code,
#include "verdict.def"
#undef VERDICT
	VERDICT_CODES,
};

/* What a cause keeps from working; the gravest comes first. */
enum verdict_weight {
	WEIGHT_CONTROL,  /* everything */
	WEIGHT_PASSIVE,  /* data connections in passive mode */
	WEIGHT_TRANSFER, /* what goes over them */
	WEIGHT_ACTIVE,   /* data connections in active mode */
	WEIGHT_ODDITY,   /* other programs, not this one */
};

enum verdict_certainty { VERDICT_NO, VERDICT_LIKELY, VERDICT_CERTAIN };

/* "P11"; "the server's passive ports are not open from outside". Static. */
const char *verdict_name(enum verdict_code code);
const char *verdict_headline(enum verdict_code code);
enum verdict_weight verdict_weight(enum verdict_code code);
const char *verdict_certainty_name(enum verdict_certainty certainty);

/* How an attempt ended, in one word. */
enum outcome {
	OUTCOME_UNKNOWN,    /* it was stopped, or something else went wrong */
	OUTCOME_WORKS,      /* there was a data connection, and the server agrees */
	OUTCOME_SILENT,     /* passive: our call got no answer */
	OUTCOME_REFUSED,    /* passive: it was refused by a reset */
	OUTCOME_REJECTED,   /* passive: a router or firewall said no (ICMP) */
	OUTCOME_DECLINED,   /* the server said no to EPSV, PASV, EPRT or PORT */
	OUTCOME_UNANSWERED, /* ... or nothing at all */
	OUTCOME_GARBLED,    /* ... or something without an address */
	OUTCOME_DENIED,     /* we were connected, and the server knows nothing of it, or
			       does not want it */
	OUTCOME_NO_CALL,    /* active: nobody called */
	OUTCOME_STALLED,    /* connected, and not one byte came */
};
enum outcome attempt_outcome(const struct attempt *a);
/* Active: was somebody there who said no to the server's call? */
bool attempt_is_fast_no(const struct attempt *a);
bool attempt_is_active(const struct attempt *a);
/* The words in which servers say that our call came, but not from our address. */
bool attempt_came_from_elsewhere(const struct attempt *a);

struct verdict {
	enum verdict_certainty found[VERDICT_CODES];
	/* the attempts that texts speak of, or NULL */
	const struct attempt *passive, *active, *elsewhere;
};

/* The verdicts that single attempts allow, each by itself. */
void verdict_judge(const struct attempt *attempts, size_t n, struct verdict *ret);
/* Is a cause known, and not only an oddity? */
bool verdict_has_cause(const struct verdict *v);
/* "FAILED: ..." and what the user and the administrator can do. */
void verdict_draw(const struct verdict *v, struct draw *d);

#endif
