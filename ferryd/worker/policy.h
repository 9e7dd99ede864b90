/*
 * What has to be encrypted, and what may not: allow_anon_ssl and the force_..._ssl options
 * of ferryd.conf. Looks, and changes nothing.
 */
#ifndef FERRYD_WORKER_POLICY_H
#define FERRYD_WORKER_POLICY_H

#include <stdbool.h>

struct session;

/* NULL, or why this kind of user may not log in on this control connection as it is now:
 * for a 530. */
const char *policy_against_login(const struct session *s, bool anonymous);
/* NULL, or why the user who is logged in may have no data connection at this level of
 * PROT: for a 521. */
const char *policy_against_data(const struct session *s);
/* Must all of this user's data connections be private? */
bool policy_wants_private(const struct session *s);

#endif
