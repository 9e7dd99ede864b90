/*
 * Becoming somebody else, for good: every set*id call is checked, groups go first, and
 * the result is verified. A failure is never survived by the caller.
 */
#ifndef FERRYD_WIRE_BECOME_H
#define FERRYD_WIRE_BECOME_H

#include <sys/types.h>

/* Shuts the process into the empty directory root_fd (a worker's whole world). Needs
 * root; before become_user. 0 or -FERRY_ESYS. */
int become_rootless(int root_fd);

/* Takes uid, gid and, when account is not empty, that account's supplementary groups
 * (else none), and gives up every capability. When the process is not root: 0 if uid is
 * already ours. 0 or -FERRY_ESYS. */
int become_user(const char *account, uid_t uid, gid_t gid);

/* An empty directory that exists nowhere any more: nothing can be created in it. A
 * descriptor, or -FERRY_ESYS. For the master. */
int become_empty_dir(void);

#endif
