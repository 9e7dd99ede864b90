/*
 * User and group names for listings (text_userdb_names=YES). Read once, at the start: the
 * sandbox lets an agent reach neither /etc nor a name service. Accounts that only a
 * service such as LDAP knows are shown as numbers.
 */
#ifndef FERRYD_AGENT_NAMES_H
#define FERRYD_AGENT_NAMES_H

#include <sys/types.h>

struct names;

/* Reads /etc/passwd and /etc/group; what cannot be read is left out. NULL when memory is
 * out. */
struct names *names_load(void);
void names_free(struct names *n);

/* NULL: not known. n may be NULL. */
const char *names_user(const struct names *n, uid_t uid);
const char *names_group(const struct names *n, gid_t gid);

#endif
