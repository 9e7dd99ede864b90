/*
 * What is to be listed and how, while the agent is being asked.
 */
#ifndef FERRYD_WORKER_LISTPLAN_H
#define FERRYD_WORKER_LISTPLAN_H

#include <stdbool.h>

#include "grant.h"

struct list_plan {
	enum list_format format;
	unsigned flags; /* enum list_flags */
	bool stat;      /* STAT: the lines go over the control connection */
};

#endif
