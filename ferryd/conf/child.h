/*
 * How every child of the master begins: its configuration and orders come over
 * descriptor 3.
 */
#ifndef FERRYD_CONF_CHILD_H
#define FERRYD_CONF_CHILD_H

#include <stdint.h>

#include "conf.h"
#include "chan.h"

/* Makes conf (it need not be initialised), receives MSG_OPTIONs and MSG_SECTIONs into it
 * until MSG_START, which is left in box (with its descriptors). Other messages allowed
 * before START (AUTH_USER) are given to early, if not NULL. 0, or a negative code after
 * which the process must end; conf is empty then. */
int child_receive_start(enum role self, struct conf *conf, struct wire_box *box,
    void (*early)(const struct msg *m, void *user), void *user);

#endif
