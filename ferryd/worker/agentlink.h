/*
 * Questions to an agent, and their answers. A question has an id and belongs to a
 * session; its answer finds the session by that id, or finds it gone, and both are
 * normal. An answer to a question that was never asked ends the agent.
 */
#ifndef FERRYD_WORKER_AGENTLINK_H
#define FERRYD_WORKER_AGENTLINK_H

#include <stdint.h>

#include "msg.h"

struct agent;
struct session;
struct worker;

/* The answer to what s asked. *fd is a descriptor that came along, or -1: fd_take() it to
 * keep it. When the callback returns without having begun something else, the command is
 * over. */
typedef void agent_answer_cb(
    struct session *s, const struct msg_worker_answer *a, int *fd);

/* The channel to an agent that this worker has not met before; takes fd. NULL: out of
 * memory. */
struct agent *agent_new(struct worker *w, uint32_t number, int fd);
/* Ends the channel and, with 421, every session that lives on it. NULL is accepted. */
void agent_end(struct agent *a, const char *why);

/* Asks the agent of s, which must be logged in and ask nothing else. The grant in *m is
 * filled in here. The session waits until fn has been called. When the question cannot be
 * sent the session is closed (421) and fn is never called, just as when the agent ends
 * before it answers. */
void agent_ask(struct session *s, struct msg *m, agent_answer_cb *fn);

/* Asks the agent of s about files that are wanted later, whatever else the session waits
 * for: m->id is then the question's, whose answer is ahead.c's. 0 or negative. */
int agent_ask_ahead(struct session *s, struct msg *m);

#endif
