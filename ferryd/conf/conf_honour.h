/*
 * Options that are set and do nothing yet.
 */
#ifndef FERRYD_CONF_HONOUR_H
#define FERRYD_CONF_HONOUR_H

#include "option.h"

/* One warning for each; where leaving it out makes the server less safe than the file
 * says, the warning tells what is not protected. */
void conf_check_honoured(const struct conf *c, struct conf_teller *t);

#endif
