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
/* SIGTERM and SIGHUP from here on end the program in order, as ^C would that is never
 * cleared: there is something to be written at the end. */
void interrupt_catch_end(void);
/* Has one of these come? */
bool interrupt_is_end(void);
/* Ends the program by the signal that came, if one did. */
void interrupt_obey_end(void);
/* Was ^C typed since the last interrupt_clear()? */
bool interrupt_seen(void);
void interrupt_clear(void);
/* True once after the terminal changed its size. */
bool interrupt_take_resize(void);
/* poll() that a signal cannot slip past: -1 with EINTR if one came since the last call.
 */
int interrupt_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

#endif
