/*
 * The master's loop: accept, count, hand over; signals; reload; the end.
 */
#ifndef FERRYD_MASTER_MASTER_H
#define FERRYD_MASTER_MASTER_H

#include "cmdline.h"
#include "conf.h"
#include "listen.h"
#include "served.h"

struct master_plan {
	const struct cmdline *cmdline; /* read again on SIGHUP; NULL: nothing to reload */
	const struct conf *conf;
	const struct served *served; /* or NULL */
	struct listeners *listeners; /* taken over */
	size_t workers;              /* 0: one per core */
	int ready_fd; /* a byte is written and it is closed when clients can come, or -1
		       */
	const char *greeting; /* printed on standard output then, or NULL */
};

/* Runs until SIGTERM or SIGINT. The process's exit status. */
int master_run(const struct master_plan *plan);

#endif
