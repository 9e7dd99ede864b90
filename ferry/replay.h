/*
 * ferry replay FILE.json: narrates a recorded session again, or draws it.
 */
#ifndef FERRY_REPLAY_H
#define FERRY_REPLAY_H

#include "exitcode.h"
#include "options.h"

enum exitcode replay_main(const struct options *opt, int n, char **args);

#endif
