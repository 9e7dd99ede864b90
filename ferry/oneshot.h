/*
 * ferry get, put, ls, cat: done once, without a person at the prompt. All targets are
 * tried; the exit code is that of the first failure.
 */
#ifndef FERRY_ONESHOT_H
#define FERRY_ONESHOT_H

#include "exitcode.h"
#include "options.h"

typedef enum exitcode oneshot_fn(const struct options *opt, int n, char **args);

oneshot_fn oneshot_get;
oneshot_fn oneshot_put;
oneshot_fn oneshot_ls;
oneshot_fn oneshot_cat;

#endif
