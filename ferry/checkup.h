/*
 * A checkup: everything that ferry doctor has seen of one server, as data. The probes
 * fill it, the diagnosis reads it; nothing in it is an opinion.
 */
#ifndef FERRY_CHECKUP_H
#define FERRY_CHECKUP_H

#include "hops.h"
#include "told.h"
#include "verdict.h"

#define VISITS_MAX 8
#define TRIALS_MAX 64
#define UNTESTED_MAX 8

/* How far a command connection came. */
enum visit_stage { VISIT_NOWHERE, VISIT_CONNECTED, VISIT_LOGGED_IN };

/* One command connection. */
struct visit {
	int family;
	uint16_t port;
	bool tls;         /* it was encrypted */
	bool tls_offered; /* FEAT says so */
	enum visit_stage stage;
	struct sockaddr_storage own, peer;
	int result; /* of connecting or logging in, or of what broke it; 0 */
	int sys_errno;
	int code;        /* of the last reply, or 0 */
	char words[256]; /* that reply, or the library's sentence */
	unsigned idle;   /* seconds for which it was left alone; 0: it was not */
	bool masked;     /* the reply to SYST was blotted out */
	bool web;        /* no answer, but port 443 of the same address answers */
	struct hops hops;
	/* what a ferryd says of it, if it does */
	struct told_who who;
	struct told_ports ports;
	double round_trip; /* seconds, of the quickest of its answers; 0: not known */
};

enum trial_kind {
	TRIAL_LISTING, /* a short listing */
	TRIAL_BIG,     /* more bytes than one packet takes */
};

/* One attempt at a data connection, and what a ferryd says of one that failed. */
struct trial {
	size_t visit;
	enum trial_kind kind;
	struct attempt a;
	struct told_call call;
	struct told_address arrived; /* in PORT or EPRT */
	struct told_probe probe;     /* active: the same call again */
	/* ... once more, let in by what keeps account of calls on the first hops of the
	 * way
	 */
	struct told_probe unlocked;
	unsigned hops; /* how many of them, this machine included */
	bool own_hops; /* they are in our own network */
	bool all_hops; /* ... and only the last router before the server is not among them
			*/
};

struct checkup {
	const char *host;      /* as the user named it */
	uint16_t port;         /* of the command connection */
	bool outer_given;      /* active mode named an address that is not our own */
	bool clear_wanted;     /* no encryption, even if it is offered */
	/* the ports that the user named for the server's calls, or 0 */
	uint16_t active_low, active_high;
	struct visit away; /* to an address of the other family, without a session */
	bool has_away;
	bool announced_is_his; /* another address of the host's name stands in a 227 */
	double seconds;
	struct visit visits[VISITS_MAX];
	size_t n_visits;
	struct trial trials[TRIALS_MAX];
	size_t n_trials;
	const char *untested[UNTESTED_MAX]; /* what was left out, and why; static */
	size_t n_untested;
};

#endif
