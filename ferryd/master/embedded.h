/*
 * `ferryd DIR`: no configuration file, no account, no root needed.
 */
#ifndef FERRYD_MASTER_EMBEDDED_H
#define FERRYD_MASTER_EMBEDDED_H

#include "cmdline.h"

/* Serves until a signal ends it. The process's exit status. */
int embedded_run(const struct cmdline *cl);

#endif
