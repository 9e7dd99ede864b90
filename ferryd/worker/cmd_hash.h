/*
 * What others need of cmd_hash.c: OPTS HASH for cmd_param.c, FEAT's line for cmd_info.c.
 */
#ifndef FERRYD_WORKER_CMD_HASH_H
#define FERRYD_WORKER_CMD_HASH_H

#include "util.h"

struct answer;
struct session;

/* OPTS HASH [<algorithm>]: answers. */
void hash_opts(struct session *s, struct bytes arg);
/* " SHA-256*;SHA-512;...": the one in force with a star. */
void hash_feature(struct answer *a);

#endif
