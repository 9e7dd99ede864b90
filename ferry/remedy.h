/*
 * What helps against a finding: sentences for the user, and commands and settings to
 * paste, for the user and for the administrator of the server. Pure; runs nothing.
 */
#ifndef FERRY_REMEDY_H
#define FERRY_REMEDY_H

#include "diagnosis.h"

struct remedy {
	enum verdict_code code; /* what it is against */
	const char *who;        /* "you", "administrator" */
	/* "", "this machine", "your router", "the server", "the server's router" */
	const char *place;
	const char *tool; /* "nftables", "ufw", "ferryd", ...; "" for a sentence */
	bool nat;         /* for a router that translates addresses */
	const char *text; /* lines: commands, settings, or one sentence */
};

/* text is valid during the call only. */
typedef void remedy_cb(const struct remedy *r, void *user);

/* All that helps against f, in the order in which it should be read. */
void remedy_each(const struct checkup *c, const struct diagnosis *d,
    const struct finding *f, remedy_cb *cb, void *user);

#endif
