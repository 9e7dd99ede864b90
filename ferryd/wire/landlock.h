/*
 * What each role may do with files, by Landlock: a second wall behind seccomp, which
 * cannot look at paths. For sandbox.c and its test. Where the kernel has no Landlock
 * these do nothing and return 0.
 *
 * Only the calling thread and what it starts later is limited: call before the first
 * thread. PR_SET_NO_NEW_PRIVS must be set. 0 or -FERRY_ESYS.
 */
#ifndef FERRYD_WIRE_LANDLOCK_H
#define FERRYD_WIRE_LANDLOCK_H

/* No file anywhere. */
int landlock_worker(void);
/* Files and directories beneath the descriptor `below`, or as sandbox.h says; no TCP. */
int landlock_agent(int below);
/* Reads and executes everywhere; writes where PAM's modules keep their state. */
int landlock_auth(void);

/* The kernel's version of Landlock; 0: none. */
int landlock_abi(void);

#endif
