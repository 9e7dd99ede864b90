/*
 * `ferryd DIR`: no configuration file, no account, no root needed.
 */
#ifndef FERRYD_MASTER_EMBEDDED_H
#define FERRYD_MASTER_EMBEDDED_H

#include "cmdline.h"
#include "conf.h"

/* Serves until a signal ends it. The process's exit status. */
int embedded_run(const struct cmdline *cl);

/* The configuration that the options make, but for the port: that one is chosen when it
 * listens. 0, or -FERRY_EINVAL after saying on standard error what is wrong. */
int embedded_config(const struct cmdline *cl, struct conf *ret);

#endif
