/*
 * ferryd check: what would keep clients from their data connections, as far as this
 * machine can tell. For the command; runs before and without any of the server's
 * processes, serves nobody and changes nothing.
 */
#ifndef FERRYD_CHECK_CHECK_H
#define FERRYD_CHECK_CHECK_H

#include "conf.h"

/* Prints the findings, as text or as JSON. The exit status: 0 nothing wrong, 1 warnings,
 * 2 errors. */
int check_run(const struct conf *conf, bool json);

/* Prints each call from outside that arrives for the control and passive ports, and what
 * became of it, until SIGINT or SIGTERM or for so many seconds (0: no limit); then what
 * follows from it. Needs CAP_NET_RAW. 0, or 1 after saying why it cannot. */
int watch_run(const struct conf *conf, unsigned seconds, bool json);

/* Prints the data connections that failed, from the file that the running server keeps
 * (failures_file). 0, or 1 after saying why it cannot. */
int failures_run(const struct conf *conf, bool json);

#endif
