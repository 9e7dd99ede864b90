/*
 * The transfer log: one line for each file that was sent or received, whole or not.
 */
#ifndef FERRYD_WORKER_XFERLOG_H
#define FERRYD_WORKER_XFERLOG_H

struct session;
struct transfer;

/* The transfer's last reply is known. Does nothing for listings. */
void xferlog_write(const struct session *s, const struct transfer *t);

#endif
