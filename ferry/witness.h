/*
 * The witness: events of libferry become records of attempts at data connections, for the
 * verdicts. Notes what happened and thinks nothing of it.
 */
#ifndef FERRY_WITNESS_H
#define FERRY_WITNESS_H

#include "verdict.h"

#define WITNESS_MAX 8

struct witness {
	struct sockaddr_storage own, peer; /* the command connection */
	struct sockaddr_storage dialled;   /* where it could not be made */
	bool tls;                          /* it is encrypted */
	char command[16];                  /* verb of the last command sent or answered */
	double sent_at;
	struct attempt attempts[WITNESS_MAX];
	size_t n;
};

/* A ferry_event_cb's work. */
void witness_event(struct witness *w, const struct ferry_event *ev);
/* Takes over a session that began unseen. */
void witness_join(struct witness *w, const struct ferry *h);
/* The attempts so far are of no interest any more. */
void witness_forget(struct witness *w);
/* The attempt under way; a spare one if there is none, or were too many. */
struct attempt *witness_attempt(struct witness *w);

#endif
