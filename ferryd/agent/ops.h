/*
 * What a worker may ask an agent for: one function per request, in a table. Checks the
 * grant's rights, asks the store, makes the answer. Called by any thread of the channel.
 */
#ifndef FERRYD_AGENT_OPS_H
#define FERRYD_AGENT_OPS_H

#include "agent.h"
#include "answer.h"

/* Does what m asks. 0: the answer is to be sent, success or not. -FERRY_EPROTO: the
 * worker broke a rule (*ret_why, static text) and is to be ended. a must be fresh from
 * answer_init(). */
int ops_serve(
    struct channel *c, const struct msg *m, struct answer *a, const char **ret_why);

#endif
