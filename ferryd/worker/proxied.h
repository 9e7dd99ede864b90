/*
 * Connections from trusted proxies (proxy_protocol_from) until their PROXY header has
 * told whose they are. For session_proxy.c (control connections), and for data.c and
 * worker.c (data connections).
 */
#ifndef FERRYD_WORKER_PROXIED_H
#define FERRYD_WORKER_PROXIED_H

#include <stdint.h>

#include "endpoint.h"
#include "proxyheader.h"

struct conn;
struct worker;

/* Reads on in the header of a connection from `from`, and nothing behind it. 0 and *ret;
 * FERRY_AGAIN; -FERRY_EPROTO: no header, or one that tells what cannot be; -FERRY_EOF;
 * -FERRY_ESYS. */
int proxied_read(struct conn *c, struct proxy_reader *r, const struct endpoint *from,
    struct proxy_header *ret);
/* For the log. */
const char *proxied_why(int error);

/* Takes fd, a data connection from a trusted proxy. session: it came to a port of this
 * one; 0: to the one for all. */
void proxied_call(
    struct worker *w, int fd, const struct endpoint *from, uint32_t session);
/* Closes all that are there. */
void proxied_end(struct worker *w);

#endif
