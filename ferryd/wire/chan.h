/*
 * A channel: messages to and from one other process.
 *
 * chan_* is for the processes with an event loop (master, worker, auth): it queues what
 * does not fit now and calls back with what arrives. wire_send and wire_recv block and
 * are for the threads of an agent and for the start of every child.
 */
#ifndef FERRYD_WIRE_CHAN_H
#define FERRYD_WIRE_CHAN_H

#include <uv.h>

#include "msg.h"

/* Sends m with nfds descriptors, which stay the caller's. 0; -FERRY_EINVAL (our bug: m is
 * not sendable); -FERRY_EOF; -FERRY_ESYS. */
int wire_send(int sock, enum role self, enum role peer, const struct msg *m,
    const int *fds, size_t nfds);

struct wire_box {
	struct msg msg;
	int fds[WIRE_MAX_FDS]; /* owned by the box: take one with fd_take() */
	size_t nfds;
	const char *why; /* after -FERRY_EPROTO: the rule that was broken */
	uint8_t bytes[WIRE_MAX];
};

/* Waits for one message. 0; -FERRY_EOF; -FERRY_EPROTO; -FERRY_ESYS. After 0 the box's
 * descriptors must be taken or closed with wire_box_close(). */
int wire_recv(int sock, enum role self, enum role peer, struct wire_box *ret_box);
/* The same, or FERRY_AGAIN when there is none. */
int wire_recv_now(int sock, enum role self, enum role peer, struct wire_box *ret_box);
void wire_box_close(struct wire_box *box);

struct chan;

/* A message came. fds[0..nfds) belong to the channel, which closes after the call what is
 * left: set an entry to -1 (fd_take) to keep it. The channel may be freed in the call. */
typedef void chan_msg_cb(
    struct chan *c, const struct msg *m, int *fds, size_t nfds, void *user);
/* The peer is gone or broke a rule (why tells); called once, nothing comes after it. The
 * receiver frees the channel, now or later. */
typedef void chan_end_cb(struct chan *c, const char *why, void *user);

/* Takes fd. NULL when memory is out (fd is closed). */
struct chan *chan_new(uv_loop_t *loop, int fd, enum role self, enum role peer,
    chan_msg_cb *on_msg, chan_end_cb *on_end, void *user);
/* Closes; nothing is called back any more. NULL is accepted. */
void chan_free(struct chan *c);

/* Sends m, now or when the peer has room; order is kept. fd (or -1) is the channel's from
 * here on, sent or not. 0; -FERRY_EINVAL; -FERRY_ETOOBIG: over the queue's limit, the
 * message is dropped; -FERRY_EOF; -FERRY_ENOMEM. */
int chan_send(struct chan *c, const struct msg *m, int fd);
/* As chan_send with several descriptors. */
int chan_send_fds(struct chan *c, const struct msg *m, const int *fds, size_t nfds);
/* Reads what waits until the peer's end is reached: for a peer that has died, whose last
 * words count. The callbacks are called as usual; the channel may be freed in them. */
void chan_drain(struct chan *c);
/* Messages waiting to be sent. */
size_t chan_queued(const struct chan *c);

#endif
