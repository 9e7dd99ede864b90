/*
 * The pipe on which an agent writes a listing. Its last byte says how it ended: 0x00
 * complete, 0x01 failed; a pipe that ends without one has lost its agent. That byte is
 * never handed on.
 */
#ifndef FERRYD_WORKER_LISTPIPE_H
#define FERRYD_WORKER_LISTPIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Most that one call of listpipe_bytes_cb brings. */
#define LISTPIPE_CHUNK (16 * 1024)

struct listpipe;
typedef void listpipe_bytes_cb(void *user, const uint8_t *p, size_t n);
/* The pipe is at its end: was the listing complete? The pipe may be freed in the call. */
typedef void listpipe_end_cb(void *user, bool complete);

/* Takes fd, which is closed when NULL is returned. Begins paused. */
struct listpipe *listpipe_new(uv_loop_t *loop, int fd, listpipe_bytes_cb *on_bytes,
    listpipe_end_cb *on_end, void *user);
/* NULL is accepted. */
void listpipe_free(struct listpipe *lp);
/* Paused, it hears nothing: for as long as what it brought is not taken. */
void listpipe_pause(struct listpipe *lp);
void listpipe_resume(struct listpipe *lp);

#endif
