/*
 * ferryd-auth at work: logins come from workers, verdicts go to the master, refusals back
 * to the worker. Never sees a client's socket, never blocks, never logs a password.
 */
#ifndef FERRYD_AUTH_AUTH_H
#define FERRYD_AUTH_AUTH_H

#include "backend.h"

/* What comes before START besides options: the one user of --user. user: the struct
 * single to fill; what cannot be taken leaves nobody who could log in. For
 * child_receive_start. */
void auth_early(const struct msg *m, void *user);

/* Fills *ret from the options: who serves anonymous at each host is looked up now. root:
 * ferryd runs as root. conf must outlive it; ret->single is kept. 0 or -FERRY_ENOMEM. */
int auth_prepare(struct setup *ret, const struct conf *conf, bool root);
/* What auth_prepare() made, but not ret itself. */
void auth_unprepare(struct setup *s);

/* Serves until the master hangs up. 0, or a negative code when the loop could not begin.
 */
int auth_run(const struct setup *s);

#endif
