/*
 * The ftp> prompt: reads lines from a person (libedit: history, completion) or a script,
 * and runs the commands of commands.def.
 */
#ifndef FERRY_PROMPT_H
#define FERRY_PROMPT_H

#include "oneshot.h"

/* args: [target [port]]. */
oneshot_fn prompt_main;

#endif
