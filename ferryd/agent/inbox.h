/*
 * The requests of one worker's channel, taken by several threads: each request wakes one,
 * and of those that wait the one that began last. Its memory is still in the processor's
 * cache: a request costs half of what it does when all have their turn, as they would in
 * recvmsg(). For agent.c.
 */
#ifndef FERRYD_AGENT_INBOX_H
#define FERRYD_AGENT_INBOX_H

#include "chan.h"

/* One for sock, which stays the caller's. A descriptor to close(), or -FERRY_ESYS. */
int inbox_open(int sock);
/* Waits for a request. As wire_recv(). */
int inbox_take(int inbox, int sock, struct wire_box *ret_box);
/* One of the threads that wait looks at the channel again: it has ended. */
void inbox_wake(int inbox, int sock);

#endif
