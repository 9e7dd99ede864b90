/*
 * What the pumps of downloads and listings share when bytes are not sent as they are: the
 * bytes read, the encoder, the bytes to be sent. For pump*.c only.
 */
#ifndef FERRYD_WORKER_OUTFLOW_H
#define FERRYD_WORKER_OUTFLOW_H

#include "encoder.h"

struct pump;

#define OUTFLOW_IN (32 * 1024)
#define OUTFLOW_OUT (64 * 1024)

struct outflow {
	struct encoder encoder;
	uint8_t *in, *out; /* OUTFLOW_IN, OUTFLOW_OUT */
	size_t in_used, in_len, out_used, out_len;
	bool last;  /* the file ends behind in */
	bool ended; /* what ends it is in out */
};

/* 0 or -FERRY_ENOMEM. */
int outflow_init(struct outflow *o, const struct coding *coding);
void outflow_free(struct outflow *o);

/* Is there room for bytes of the file at in? */
static inline bool
outflow_wants(const struct outflow *o)
{
	return o->in_used == o->in_len && !o->last;
}

/* n bytes of the file stand at in, which was wanted. */
void outflow_took(struct outflow *o, size_t n);
/* Encodes as much as there is room for. True: there is something to send, or nothing more
 * will come. Touches neither connection nor loop. */
bool outflow_encode(struct outflow *o);
/* The file cannot be read to its end. True: that is in out now, and what comes behind it
 * on the connection will be understood. */
bool outflow_break(struct outflow *o);
/* Sends what is encoded. 0: all of it; FERRY_AGAIN; -FERRY_ESYS: the connection is
 * broken. */
int outflow_send(struct outflow *o, struct pump *p);

#endif
