/*
 * The option proxy_protocol_from: the proxies whose word about where a client comes from
 * is taken. For conf_check(), the master and the workers.
 */
#ifndef FERRYD_CONF_PROXY_FROM_H
#define FERRYD_CONF_PROXY_FROM_H

#include "conf.h"
#include "endpoint.h"
#include "network.h"
#include "util.h"

/* The next word of the list at *at, which moves on. False: there is none. */
bool proxy_from_next(const char **at, struct bytes *ret_word);
/* A word of it: network_parse(). */
int proxy_from_parse(struct bytes word, struct network *ret, bool *ret_exact);
/* Must a connection from there begin with a PROXY header, which is believed? */
bool conf_trusts_proxy(const struct conf *c, const struct endpoint *from);

#endif
