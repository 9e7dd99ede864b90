/*
 * SITE CPFR and SITE CPTO: cmd_copy.c, for cmd_site.c, dispatch.c and session.c.
 */
#ifndef FERRYD_WORKER_CMD_COPY_H
#define FERRYD_WORKER_CMD_COPY_H

#include "util.h"

struct session;

void site_cpfr(struct session *s, struct bytes arg);
void site_cpto(struct session *s, struct bytes arg);
/* Another command came between the two, or the session ends. */
void copy_forget(struct session *s);

#endif
