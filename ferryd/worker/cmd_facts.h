/*
 * FEAT's line of MFF: cmd_facts.c, for cmd_info.c.
 */
#ifndef FERRYD_WORKER_CMD_FACTS_H
#define FERRYD_WORKER_CMD_FACTS_H

#include <stdbool.h>

struct answer;
struct session;

/* May s set any fact at all? Before login nobody may. */
bool mff_works(const struct session *s);
/* " Modify;UNIX.mode;": those that s may set. */
void mff_feature(struct answer *a);

#endif
