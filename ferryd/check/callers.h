/*
 * Who has called the control port: from the kernel's tables of TCP connections, where
 * those that have ended stay for a minute. For facts.c.
 */
#ifndef FERRYD_CHECK_CALLERS_H
#define FERRYD_CHECK_CALLERS_H

#include "facts.h"

/* A line of /proc/net/tcp or tcp6: whose other end is at ret_peer, and ours at the port
 * *ret_port. False: it is no connection, or a listener's, or one that we have begun and
 * that has not been answered. */
bool callers_parse(const char *line, uint16_t *ret_port, struct endpoint *ret_peer);
/* One more call from there. */
void callers_add(const struct conf *conf, struct facts *f, const struct endpoint *peer);
/* A line of /proc/net/route: the address of the router, if it is the way to everywhere.
 */
bool callers_parse_gateway(const char *line, struct endpoint *ret);

/* Reads the tables. Ports and addresses must have been gathered. */
void callers_gather(const struct conf *conf, struct facts *f);

#endif
