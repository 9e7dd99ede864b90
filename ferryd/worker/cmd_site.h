/*
 * SITE's own help, which HELP SITE shows as well.
 */
#ifndef FERRYD_WORKER_CMD_SITE_H
#define FERRYD_WORKER_CMD_SITE_H

struct session;

void site_help(struct session *s);

#endif
