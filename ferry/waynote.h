/*
 * One line about the way that a data connection took, when it was not the first that was
 * tried: which one, and what was wrong with those before; or why the usual order was
 * left. Made from events alone.
 */
#ifndef FERRY_WAYNOTE_H
#define FERRY_WAYNOTE_H

#include <ferry/ferry.h>

struct waynote {
	int family; /* of the command connection */
	enum ferry_mode mode;
	int failed_family; /* when the first way failed; 0: none has */
	char failed[600];  /* "EPSV (192.0.2.1 port 61017: no answer in 5.0 s), ..." */
	char why[300];     /* it came first for this reason; or "" */
};

void waynote_event(struct waynote *n, const struct ferry_event *ev);
/* After a transfer that succeeded: true and the line (with harmless characters only) if
 * there is something to say. It is said once. */
bool waynote_take(struct waynote *n, char *ret_line, size_t cap);
/* After one that failed. */
void waynote_forget(struct waynote *n);

#endif
