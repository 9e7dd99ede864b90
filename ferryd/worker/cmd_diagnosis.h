/*
 * SITE FERRY, for SITE's table.
 */
#ifndef FERRYD_WORKER_CMD_DIAGNOSIS_H
#define FERRYD_WORKER_CMD_DIAGNOSIS_H

#include "util.h"

struct session;

void site_ferry(struct session *s, struct bytes arg);

#endif
