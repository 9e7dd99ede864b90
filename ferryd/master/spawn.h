/*
 * Starting the other processes: fork, exec, and the channel on descriptor 3. For the
 * master alone.
 */
#ifndef FERRYD_MASTER_SPAWN_H
#define FERRYD_MASTER_SPAWN_H

#include <sys/types.h>

#include "msg.h"

/* Descriptors of the executables, opened once: a child that is restarted after an upgrade
 * is still the program that this master was started with, and speaks its version of the
 * protocol. */
struct programs {
	int worker, agent, auth;
};

/* Looks beside our own executable, then in libexecdir. 0, or -FERRY_ESYS after saying on
 * standard error which one is missing. */
int programs_open(struct programs *ret);

/* Starts the program of that role. *ret_sock is our end of its channel, *ret_pid its
 * process. 0 or -FERRY_ESYS. */
int spawn_child(
    const struct programs *programs, enum role role, pid_t *ret_pid, int *ret_sock);

const char *role_name(enum role role);

#endif
