/*
 * What a LIST, NLST or STAT asks for, out of its argument. For cmd_list.c, cmd_info.c and
 * the tests.
 */
#ifndef FERRYD_WORKER_CMD_LIST_H
#define FERRYD_WORKER_CMD_LIST_H

#include <stdbool.h>

#include "listplan.h"
#include "util.h"

struct session;

/* Takes leading words that begin with "-" for options (up to "--") and returns the rest:
 * a path, or nothing. Pure. */
struct bytes list_parse(struct bytes arg, struct list_plan *plan);
/* Is there a wildcard in the last component? Pure. */
bool list_has_pattern(struct bytes arg);

/* STAT <path>. */
void list_on_control(struct session *s, struct bytes arg);

#endif
