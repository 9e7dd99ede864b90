/*
 * Names of hosts, as HOST (RFC 7151), SNI and [host NAME] have them.
 */
#ifndef FERRYD_CONF_HOSTNAME_H
#define FERRYD_CONF_HOSTNAME_H

#include <stdbool.h>

#include "util.h"

/* RFC 1035 2.3.4, without a dot at the end. */
#define HOSTNAME_MAX 253

/* Labels of letters, digits and hyphens with dots between (RFC 1123 2.1), one more dot at
 * the end perhaps. */
bool hostname_is_valid(struct bytes name);
/* Do they name the same host? Neither case nor a dot at the end counts. */
bool hostname_same(struct bytes a, struct bytes b);

#endif
