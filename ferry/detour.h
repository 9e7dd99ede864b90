/*
 * When no data connection came about in automatic mode: what else there is to try, for
 * the commands that are one line in a shell. First the ways that were not tried because
 * the command connection broke or fell silent at one, or because somebody else took the
 * call and bytes of the file were moved. Then the server's addresses of the other family,
 * since a firewall may be open for one only; then, if the person at the terminal agrees,
 * active mode. Never waits for a call without that consent.
 */
#ifndef FERRY_DETOUR_H
#define FERRY_DETOUR_H

#include "session.h"

/* What was tried already in this run of the program; zero at the start. */
struct detour {
	unsigned failed; /* ways that ended a session, or an operation: bits by mode */
	bool has_changed_family;
	bool has_asked;
};

/* rc: how a transfer in the open session ended; t: where the session leads. Is there
 * another way? True: the session is ready for it, do the transfer again. False: the
 * result stands, and session_error() has its sentence. */
bool detour_find(struct detour *d, struct session *s, const struct target *t, int rc);
/* The session was opened just now: if it is known that only a detour works from this
 * network, it is taken at once. 0, or a failure that ended the session. */
int detour_remembered(struct detour *d, struct session *s, const struct target *t);

#endif
