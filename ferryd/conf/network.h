/*
 * Ranges of addresses, as [network CIDR] has them.
 */
#ifndef FERRYD_CONF_NETWORK_H
#define FERRYD_CONF_NETWORK_H

#include "endpoint.h"

struct network {
	struct endpoint address; /* its first one */
	unsigned prefix;         /* bits that all of its addresses share */
};

/* "192.0.2.0/24", "2001:db8::/32", or one address. exact: no bits are set behind the
 * prefix; with some, *ret is the network that they lie in. 0 or -FERRY_EINVAL. */
int network_parse(const char *text, struct network *ret, bool *ret_exact);
bool network_contains(const struct network *n, const struct endpoint *address);
/* With its prefix, always: into ENDPOINT_TEXT_MAX bytes. */
size_t network_format(const struct network *n, char *out);

#endif
