/*
 * The inside of the doctor's probes: their state, and what their files share. Only
 * doctor*.c include this header.
 */
#ifndef FERRY_DOCTOR_STATE_H
#define FERRY_DOCTOR_STATE_H

#include "checkup.h"
#include "session.h"

#define BUDGET 56.0   /* seconds for everything */
#define GRACE 8.0     /* ... for what follows a data connection, or its failure */
#define STALL_MS 9000 /* a server that finds out about a small MTU takes so long */

enum security { AS_ASKED, IN_CLEAR, ENCRYPTED };

struct doctor {
	struct options opt; /* changed from visit to visit */
	const struct options *given;
	struct target t;
	struct login login;
	struct session s;
	struct witness witness;
	struct checkup c;
	double begun;
	bool may_listen, may_speak_clear;
	bool stopped;      /* by ^C */
	unsigned inquired; /* questions about passive ports, in this session */
	char *big;    /* a file that needs more than one packet, or NULL */
};

/* How a series of attempts in one way went. */
struct score {
	unsigned through, shut, other;
	unsigned port; /* the last that was shut */
};

/* doctor_visits.c: time. A person's own is not counted; none is left after ^C. */
double doctor_time_spent(const struct doctor *d);
double doctor_time_left(const struct doctor *d);
/* The next operation ends at the latest then. */
void doctor_limit(struct doctor *d, double seconds);
/* --timeout makes it shorter. */
unsigned doctor_at_most(const struct doctor *d, unsigned ms);
/* To its end; ^C ends everything. */
int doctor_run(struct doctor *d, int result);

/* doctor_visits.c: a line for the person who waits. Foreign text is made harmless. */
__attribute__((format(printf, 2, 3))) void doctor_tell(
    const struct doctor *d, const char *format, ...);
/* Something was left out, and why; static. */
void doctor_untested(struct doctor *d, const char *what);

/* doctor_visits.c: sessions. family AF_UNSPEC: any. Is there a session now? Whatever was
 * seen is the last visit. */
bool doctor_visit_begin(
    struct doctor *d, enum security security, int family, uint16_t port);
void doctor_visit_end(struct doctor *d);
struct visit *doctor_visit_now(struct doctor *d);
bool doctor_is_in(const struct doctor *d);
/* What broke the session, or kept it from coming about. */
void doctor_note_trouble(struct doctor *d, struct visit *v, int rc);
void doctor_ask_system(struct doctor *d, struct visit *v);

/* doctor_trials.c: attempts at data connections; without a session they do nothing. */
/* Passive mode. thorough: are all ports open, or only some? */
void doctor_try_passive(struct doctor *d, bool thorough);
/* Some ports in one way, until it is clear that none is open. max_silent: of those that
 * cost time; a refusal costs none. */
void doctor_try_series(struct doctor *d, enum ferry_mode mode, unsigned max,
    unsigned max_silent, struct score *score);
/* With more bytes than one packet takes, in a way that works. */
void doctor_try_big(struct doctor *d);
/* Only with consent. */
void doctor_try_active(struct doctor *d);

/* doctor_told.c: what a ferryd knows, where it offers to tell; else they do nothing. */
/* Of the session. */
void doctor_ask_who(struct doctor *d, struct visit *v);
/* Of an attempt that has just failed. With consent it has our ports called, too. */
void doctor_ask_why(struct doctor *d, struct trial *t);
/* Will it send bytes without a file? */
bool doctor_can_ask(const struct doctor *d);

#endif
