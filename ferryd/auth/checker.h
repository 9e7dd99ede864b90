/*
 * A process of its own for one check that may block, and for the session that a right
 * login is: forked from auth, with nothing open but its socket to auth. It ends with the
 * login, with auth, or by force when a step takes longer than auth_limits.check_ms.
 *
 * Forked, not executed: the question (with its password) is passed by the fork itself,
 * and modules get an address space of their own all the same.
 */
#ifndef FERRYD_AUTH_CHECKER_H
#define FERRYD_AUTH_CHECKER_H

#include <uv.h>

#include "backend.h"

/* The socket to auth, in the checking process. */
#define CHECKER_FD 3

struct checker;

/* Shared by all checks. */
struct checker_pool {
	uv_loop_t *loop;
	const struct auth_limits *limits;
	unsigned running;            /* processes at work: checking, opening or closing */
	void (*on_room)(void *user); /* running became smaller */
	void (*in_child)(
	    void *user); /* first thing in the new process: forget others' secrets */
	void *user;
};

struct check_job {
	const struct setup *setup;
	const struct backend *backend;
	struct attempt attempt; /* borrowed until checker_start returns */
	uint32_t worker;
};

/* The answer to checker_start or checker_open_session; d may be emptied by the receiver.
 * Anything but YES is final: call checker_leave. */
typedef void checker_answer_cb(struct checker *c, struct decision *d, void *user);
/* The process of an open session has died by itself: call checker_leave. */
typedef void checker_gone_cb(struct checker *c, void *user);

/* 0, or -FERRY_ESYS / -FERRY_ENOMEM: no process could be made. */
int checker_start(struct checker_pool *pool, const struct check_job *job,
    checker_answer_cb *on_answer, checker_gone_cb *on_gone, void *user,
    struct checker **ret);

/* After YES: make it a session. */
void checker_open_session(struct checker *c);

/* The login is over: no more callbacks, c must not be used again. A check that runs is
 * killed; a session is closed by its process. NULL is accepted. */
void checker_leave(struct checker *c);

/* The process itself (checker_child.c). Has the socket as CHECKER_FD. */
_Noreturn void checker_child(const struct check_job *job);

#endif
