/*
 * A growing byte buffer with a hard maximum: the one type for bytes from the wire.
 *
 * Bytes are appended at the end and consumed from the front. The maximum is chosen where
 * the buffer is created, so that no peer can make it grow without bound. Raw pointers
 * into a buffer are valid until the next call that appends, reserves, clears or frees.
 */
#ifndef FERRY_LIB_BUF_H
#define FERRY_LIB_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *base; /* allocation, or NULL while nothing was ever stored */
	size_t head;   /* first byte not yet consumed */
	size_t tail;   /* one past the last byte */
	size_t cap;    /* bytes allocated */
	size_t max;    /* buf_len() never exceeds this */
};

#define BUF_INIT(maximum) ((struct buf){.max = (maximum)})

/* Makes b empty with the given maximum; allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* Releases the memory; b may be used again as if just initialised. NULL is accepted. */
void buf_free(struct buf *b);
/* As buf_free, but overwrites the memory first: for buffers that held a secret. */
void buf_wipe(struct buf *b);
/* Forgets the content and keeps the memory. */
void buf_clear(struct buf *b);

static inline size_t
buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

static inline const uint8_t *
buf_data(const struct buf *b)
{
	/* Never NULL, so that an empty buffer can be given to memcpy() and memcmp(). */
	return b->base ? b->base + b->head : (const uint8_t *)"";
}

/* Room that is left under the maximum. */
static inline size_t
buf_room(const struct buf *b)
{
	return b->max - buf_len(b);
}

/* All or nothing: 0, -FERRY_ETOOBIG past the maximum, -FERRY_ENOMEM. */
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_byte(struct buf *b, uint8_t byte);
int buf_append_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);

/* Makes n contiguous bytes writable behind the content and returns them in *ret_p; they
 * count as content only after buf_commit(b, used) with used <= n. Same errors as
 * buf_append. */
int buf_reserve(struct buf *b, size_t n, uint8_t **ret_p);
void buf_commit(struct buf *b, size_t used);

/* Drops the first n bytes; n <= buf_len(b). */
void buf_consume(struct buf *b, size_t n);
/* Keeps the first n bytes and drops what is behind them; n <= buf_len(b). */
void buf_truncate(struct buf *b, size_t n);

/* The content as a C string (a NUL is kept behind it, not counted). "" when empty. NULL
 * only when memory is exhausted. Content with NUL bytes looks shorter than it is. */
const char *buf_cstr(struct buf *b);

#endif
