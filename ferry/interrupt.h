/*
 * Signals as flags: ^C and the terminal's size. Handlers only set a flag; loops look at
 * it.
 */
#ifndef FERRY_INTERRUPT_H
#define FERRY_INTERRUPT_H

#include <stdbool.h>
#include <poll.h>

/* Installs the handlers: SIGINT, SIGWINCH, and SIGPIPE ignored by a handler, so that
 * commands we start still have the default. */
void interrupt_init(void);
/* Was ^C typed since the last interrupt_clear()? */
bool interrupt_seen(void);
void interrupt_clear(void);
/* True once after the terminal changed its size. */
bool interrupt_take_resize(void);
/* poll() that a signal cannot slip past: -1 with EINTR if one came since the last call.
 */
int interrupt_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

#endif
